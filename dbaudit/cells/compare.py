"""`cells compare`: what cells v1 mirrors between the top and its cells, and where the two are not the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from dbaudit.cells import instant
from dbaudit.cells.blind import blind
from dbaudit.cells.fault import Fault
from dbaudit.cells.findings import findings
from dbaudit.cells.kinds import KINDS, NEEDED
from dbaudit.cells.looking import Looking, confirmed, database_of, demand
from dbaudit.cells.mirrored import Compared, columns_of, mirror, parts
from dbaudit.cells.pair import Use, judge_pair, uses, with_volumes
from dbaudit.cells.parallel import each
from dbaudit.cells.placing import Kept, alone, misplaced, name_of
from dbaudit.cells.source import labels, opened
from dbaudit.cells.store import Lookup, keep, things
from dbaudit.cells.suspects import suspects
from dbaudit.comparison.side import Side
from dbaudit.finding import Skipped
from dbaudit.result import Result


@dataclass(frozen=True, slots=True)
class Against:
    """What comparing a cell with the top gave: faults, and how often the top gives its instances which cell."""

    faults: tuple[Fault, ...]
    names: Mapping[str | None, int]


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at all databases saw. `unseen` counts the top's live instances of cells that were not named."""

    kept: tuple[Kept, ...]
    faults: tuple[Fault, ...]
    names: tuple[str | None, ...]
    unseen: Mapping[str, int]


def compare(sides: Sequence[Side], looking: Looking) -> Result:
    """The result of comparing the top (the first side) with its cells."""
    demand(sides)
    compared = columns_of([_tables(side) for side in sides])
    narrow = suspects(sides, compared)
    first = _look(sides, compared, looking, "first", narrow.uuids if narrow else None, narrow.names if narrow else None)
    hidden = blind(sides, labels(sides), NEEDED)
    faults = confirmed(
        hidden.seen(first.faults),
        sides,
        looking,
        lambda uuids: _look(sides, compared, looking, "second", uuids, first.names).faults,
    )
    instants = [one.instant for one in first.kept]
    names = [one.label for one in first.kept]
    found = findings(faults, instant.horizon(instants), KINDS)
    taken = {one.label: instant.shown(one.instant) for one in first.kept}
    unseen = _unseen(narrow.unseen if narrow else first.unseen)
    return Result(
        "cells compare", hidden.verdict(found), databases=tuple(map(database_of, sides)), findings=found,
        skipped=(*hidden.skipped, *unseen), notes=instant.notes(names, instants),
        extra={"by_checksum": narrow is not None, "as_of": taken},
    )  # fmt: skip


def _tables(side: Side) -> dict[str, frozenset[str]]:
    return {name: frozenset(column.name for column in table.columns) for name, table in side.schema.tables.items()}


def _unseen(counts: Mapping[str, int]) -> Iterator[Skipped]:
    for name, count in sorted(counts.items()):
        yield Skipped(
            "cells.only-at-top",
            f"{count:,} live instances at the top belong to cell {name}, which is none of the databases named",
        )


def _look(
    sides: Sequence[Side], compared: Compared, looking: Looking, which: str, uuids: frozenset[str] | None,
    names: tuple[str | None, ...] | None,
) -> Look:  # fmt: skip
    """Everything that differs at this instant, of the instances `uuids` alone where these are suspects.

    `names` are the cells' names, where they are known.
    """
    files = [looking.folder / f"{which}-{n}.mirror" for n in range(len(sides))]
    named = zip(sides, labels(sides), files, strict=True)
    tasks = [(side, name, file, compared, uuids, looking.zone) for side, name, file in named]
    kept = tuple(each(read, tasks, looking.jobs, "read", looking.watch))
    top, cells = kept[0], kept[1:]
    against = list(each(judge, [(top, cell, compared) for cell in cells], looking.jobs, "compare", looking.watch))
    if names is None:
        names = tuple(name_of(one.names) for one in against)
    unseen: Counter[str] = Counter()
    faults = [fault for one in against for fault in one.faults]
    faults += misplaced(top, cells, compared, names)
    faults += alone(top, cells, compared, names, unseen)
    for file in files:
        file.unlink()
    return Look(kept, tuple(faults), names, unseen)


def read(
    side: Side, label: str, path: Path, compared: Compared, uuids: frozenset[str] | None, zone: tzinfo | None
) -> Kept:
    """Read a database into the file `path`; only the instances of `uuids` where that is given."""
    with opened(side, zone) as source:
        keep(path, parts(source, compared, uuids))
        return Kept(label, path, source.instant)


def judge(top: Kept, cell: Kept, compared: Compared) -> Against:
    """The faults of a cell's live instances against the top."""
    faults: list[Fault] = []
    names: Counter[str | None] = Counter()
    volumes: dict[str, list[Use]] = {}
    with closing(Lookup(top.path)) as lookup:
        for uuid, own in things(cell.path):
            below = mirror(own, compared)
            above = mirror(lookup.find(uuid), compared)
            if above is not None and below is not None:
                names[above.cell] += 1
            if below is None or below.state == "neither":
                continue
            if below.state == "live":
                for volume, use in uses(uuid, below):
                    volumes.setdefault(volume, []).append(use)
            faults += judge_pair(uuid, above, below, top.label, cell.label)
    return Against(tuple(with_volumes(volumes, faults, cell.label)), names)
