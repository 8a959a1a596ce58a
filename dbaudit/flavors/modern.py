"""`flavors check` of the modern layout: nova_api's flavors against what instances embed in each cell, and the mappings.

Definitions stand in the API database alone, under ids that instances keep; nothing there is soft-deleted, so that a
copy which outlives its flavor is no fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path

from dbaudit.cells import instant, mapping, mapping_kinds
from dbaudit.cells.blind import blind
from dbaudit.cells.fault import Fault
from dbaudit.cells.findings import findings
from dbaudit.cells.instant import Instant
from dbaudit.cells.looking import Looking, confirmed, database_of, demand_whole
from dbaudit.cells.parallel import each
from dbaudit.cells.source import labels, opened
from dbaudit.cells.store import keep
from dbaudit.comparison.side import Side
from dbaudit.errors import UsageError
from dbaudit.finding import Skipped
from dbaudit.flavors.definitions import Member, alone
from dbaudit.flavors.fault import KINDS, NEEDED_BELOW
from dbaudit.flavors.flavor import API, Definitions, read_definitions
from dbaudit.flavors.gather import Gathered, Instance, gather, instances
from dbaudit.flavors.instance import Found, embedded_faults
from dbaudit.result import Result

# What a flavor of one id can never be changed in.
SIZES = ("memory_mb", "vcpus", "root_gb", "ephemeral_gb", "swap")


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at all databases saw."""

    instants: tuple[Instant, ...]
    faults: tuple[Fault, ...]
    unseen: Mapping[str, int]


def is_modern(sides: Sequence[Side]) -> bool:
    """Whether the first database is nova's API database."""
    return bool(sides) and "flavors" in sides[0].schema.tables and "instance_mappings" in sides[0].schema.tables


def check(sides: Sequence[Side], looking: Looking) -> Result:
    """The result of comparing the API database (the first side) with its cells."""
    if len(sides) < 2:
        raise UsageError("one database alone has nothing to agree with", "name the API database, then its cells")
    demand_whole(sides)
    for side in sides[1:]:
        if "instances" not in side.schema.tables:
            raise UsageError(f"{side.label} is no nova database: it has no table instances", "name nova's databases")
    first = _look(sides, looking, 1)
    names = labels(sides)
    api = blind(sides[:1], names[:1], mapping_kinds.NEEDED_ABOVE)
    hidden = replace(api, everywhere=frozenset(names[:1])) | blind(
        sides[1:], names[1:], {**mapping_kinds.NEEDED_BELOW, **NEEDED_BELOW}
    )
    faults = confirmed(hidden.seen(first.faults), sides, looking, lambda _: _look(sides, looking, 2).faults)
    found = findings(faults, instant.horizon(first.instants), {**KINDS, **mapping_kinds.KINDS})
    skipped = tuple(
        Skipped(
            "cells.mapped-not-live", f"{count:,} mappings lead to cell id {id_}, which is none of the databases named"
        )
        for id_, count in sorted(first.unseen.items())
    )
    return Result(
        "flavors check", hidden.verdict(found), databases=tuple(map(database_of, sides)), findings=found,
        skipped=(*hidden.skipped, *skipped), notes=instant.notes(names, first.instants),
        extra={"as_of": dict(zip(names, map(instant.shown, first.instants), strict=True))},
    )  # fmt: skip


def _look(sides: Sequence[Side], looking: Looking, number: int) -> Look:
    names = labels(sides)
    path = looking.folder / f"api-{number}.sqlite"
    api, definitions, at = read_api(sides[0], names[0], path, looking.zone)
    tasks = [
        (
            side,
            name,
            looking.folder / f"cell-{number}-{n}.sqlite",
            looking.folder / f"map-{number}-{n}.sqlite",
            looking.zone,
        )
        for n, (side, name) in enumerate(zip(sides[1:], names[1:], strict=True))
    ]
    read = list(each(read_cell, tasks, looking.jobs, "read", looking.watch))
    faults = list(alone(Member(names[0], definitions)))
    for gathered, _ in read:
        faults += _instances(gathered, definitions)
    unseen: Counter[str] = Counter()
    faults += mapping.judge(api, [child for _, child in read], unseen)
    for file in (path, *(file for task in tasks for file in task[2:4])):
        file.unlink()
    return Look((at, *(gathered.instant for gathered, _ in read)), tuple(faults), unseen)


def read_api(side: Side, label: str, path: Path, zone: tzinfo | None) -> tuple[mapping.Api, Definitions, Instant]:
    """Read the API database; mappings and specs go into the file."""
    with opened(side, zone) as source:
        keep(path, mapping.api_parts(source))
        api = mapping.Api(label, path, mapping.read_cells(source), mapping.read_hosts(source))
        definitions = read_definitions(source, API)
        return api, definitions, source.instant


def read_cell(side: Side, label: str, path: Path, mapped: Path, zone: tzinfo | None) -> tuple[Gathered, mapping.Child]:
    """Read a cell's database; instances go into two files, with what they embed and with where they are."""
    gathered = gather(side, label, path, zone=zone)
    with opened(side) as source:
        keep(mapped, mapping.cell_parts(source))
        compute = "compute_id" in source.tables["instances"]
        return gathered, mapping.Child(label, mapped, side.schema.name or "", mapping.read_nodes(source), compute)


def _instances(cell: Gathered, definitions: Definitions) -> Iterator[Fault]:
    for one in instances(cell.path):
        if one.live:
            for kind, facts in (*embedded_faults(one), *_against(one, definitions)):
                yield Fault(kind, cell.label, one.uuid, one.newest, facts=facts)


def _against(one: Instance, definitions: Definitions) -> Iterator[Found]:
    """A copy against the flavor of its id; flavors that are gone from the API database are not missed."""
    current = one.embedded.current
    if current is None or not current.whole:
        return
    if one.type_id != current.number("id"):
        facts = {"instance_type_id": one.type_id, "is": current.values["flavorid"], "id": current.values["id"]}
        yield "flavors.points-elsewhere", facts
    flavor = definitions.by_id.get(int(current.values["id"] or 0))
    if flavor is None:
        return
    differing = {
        name: [flavor.values[name], current.number(name)]
        for name in SIZES
        if (flavor.values[name] or "0") != (current.number(name) or "0")
    }
    if flavor.flavorid != current.values["flavorid"]:
        differing["flavorid"] = [flavor.flavorid, current.values["flavorid"]]
    if differing:
        yield "flavors.not-its-definition", {"api, embedded": differing}
