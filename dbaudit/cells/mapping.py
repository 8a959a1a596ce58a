"""The modern layout: what the API database says of the instances and hosts of each cell, and what the cells say.

`nova-manage cell_v2 verify_instance` tells it for one uuid; this tells it for all. Faults only; a mapping to a cell
that was not named cannot be judged and is counted.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

from dbaudit.cells.fault import Fault
from dbaudit.cells.instant import newest
from dbaudit.cells.source import Source
from dbaudit.cells.store import Part, things

CELL0 = "00000000-0000-0000-0000-000000000000"
MAPPING, SPEC, INSTANCE = 0, 1, 2
_TIMES = ("created_at", "updated_at")


@dataclass(frozen=True, slots=True)
class Cell:
    """A row of cell_mappings: its id, and the database that its URL names (None where that is a template)."""

    id: str
    uuid: str
    name: str
    database: str | None


@dataclass(frozen=True, slots=True)
class Api:
    """The API database: cells, hosts by name with their cell's id and times; mappings and specs are in the file."""

    label: str
    path: Path
    cells: tuple[Cell, ...]
    hosts: Mapping[str, tuple[str | None, str | None]]


@dataclass(frozen=True, slots=True)
class Child:
    """A cell's database: its compute nodes by id (host, node); live and deleted instances are in the file."""

    label: str
    path: Path
    schema: str
    nodes: Mapping[str, tuple[str | None, str | None, str | None]]
    compute: bool  # instances.compute_id exists


def read_cells(source: Source) -> tuple[Cell, ...]:
    """The cells that the API database knows."""
    rows = source.rows("cell_mappings", ("id", "uuid", "name", "database_connection"))
    return tuple(Cell(str(id_), uuid or "", name or uuid or "", _database(url)) for id_, uuid, name, url in rows)


def read_hosts(source: Source) -> dict[str, tuple[str | None, str | None]]:
    """Every host that is mapped: the id of its cell, and when the row changed."""
    return {
        host or "": (cell, newest(*times))
        for host, cell, *times in source.rows("host_mappings", ("host", "cell_id", *_TIMES))
    }


def read_nodes(source: Source) -> dict[str, tuple[str | None, str | None, str | None]]:
    """Live compute nodes by id: host, node, when the row changed."""
    return {
        str(id_): (host, node, newest(*times))
        for id_, host, node, deleted, *times in source.rows(
            "compute_nodes", ("id", "host", "hypervisor_hostname", "deleted", *_TIMES)
        )
        if deleted == "0"
    }


def api_parts(source: Source) -> Iterator[tuple[str, Part]]:
    """Mappings and request specs by uuid."""
    columns = ("instance_uuid", "cell_id", "project_id", "user_id", "queued_for_delete", *_TIMES)
    for uuid, *rest in source.rows("instance_mappings", columns):
        if uuid is not None:
            yield uuid, [MAPPING, *rest[:4], newest(*rest[4:])]
    for uuid, *times in source.rows("request_specs", ("instance_uuid", *_TIMES)):
        if uuid is not None:
            yield uuid, [SPEC, newest(*times)]


def cell_parts(source: Source) -> Iterator[tuple[str, Part]]:
    """Instances by uuid."""
    columns = ("uuid", "deleted", "project_id", "host", "node", "compute_id", *_TIMES, "deleted_at")
    for uuid, deleted, *rest in source.rows("instances", columns):
        if uuid is not None and deleted is not None:
            yield uuid, [INSTANCE, deleted == "0", *rest[:4], newest(*rest[4:])]


def judge(api: Api, children: Sequence[Child], unseen: Counter[str]) -> Iterator[Fault]:
    """Everything that API and cells do not agree on; mappings to cells that were not named go to `unseen`."""
    named = _places(api, children)
    if not any(cell.uuid == CELL0 for cell in api.cells):
        yield Fault("cells.no-cell0", api.label, CELL0)
    streams = [_numbered(-1, api.path), *(_numbered(number, child.path) for number, child in enumerate(children))]
    for uuid, group in groupby(heapq.merge(*streams, key=lambda row: (row[0], row[1])), key=lambda row: row[0]):
        rows = list(group)
        above = [part for _, number, parts in rows if number < 0 for part in parts]
        below = {number: parts[0] for _, number, parts in rows if number >= 0}
        yield from _Thing(uuid, above, below).faults(api, children, named, unseen)
    for number, child in enumerate(children):
        yield from _hosts(api, child, named.get(number))
    yield from _gone(api, children, named)


def _numbered(number: int, path: Path) -> Iterator[tuple[str, int, list[Part]]]:
    return ((uuid, number, parts) for uuid, parts in things(path))


@dataclass(frozen=True)
class _Thing:
    """One uuid: the parts of the API database, and the instance in each cell that has a row."""

    uuid: str
    above: Sequence[Part]
    below: Mapping[int, Part]

    def faults(
        self, api: Api, children: Sequence[Child], named: Mapping[int, Cell], unseen: Counter[str]
    ) -> Iterator[Fault]:
        mapping = next((part for part in self.above if part[0] == MAPPING), None)
        spec = next((part for part in self.above if part[0] == SPEC), None)
        live = [number for number, part in self.below.items() if part[1]]
        times = [part[-1] for part in (*self.above, *self.below.values())]

        def fault(kind: str, label: str, group: str = "") -> Fault:
            return Fault(kind, label, self.uuid, newest(*times), group)

        if len(live) > 1:
            yield fault("cells.mapped-twice", "", ", ".join(children[number].label for number in live))
        for number in live:
            yield from self._live(fault, self.below[number], children[number], named.get(number), mapping, api)
        if mapping is None:
            if spec is not None and not live:
                yield fault("cells.spec-not-mapped", api.label)
            return
        for name, value in (("user_id", mapping[3]), ("queued_for_delete", mapping[4])):
            if value is None:
                yield fault("cells.mapping-incomplete", api.label, name)
        if mapping[4] in ("0", None):
            if spec is None:
                yield fault("cells.no-request-spec", api.label)
            yield from self._dead(fault, children, named, mapping, live, unseen)

    def _live(
        self, fault: Callable[..., Fault], own: Part, child: Child, cell: Cell | None, mapping: Part | None, api: Api
    ) -> Iterator[Fault]:
        if mapping is None:
            yield fault("cells.not-mapped", child.label)
            return
        if mapping[1] is None:
            yield fault("cells.mapping-no-cell", child.label)
        elif cell is not None and mapping[1] != cell.id:
            other = next((each.name for each in api.cells if each.id == mapping[1]), f"cell id {mapping[1]}")
            yield fault("cells.mapping-wrong-cell", child.label, other)
        if mapping[4] == "1":
            yield fault("cells.queued-but-live", child.label)
        if mapping[2] is not None and mapping[2] != own[2]:
            yield fault("cells.other-project", child.label)
        if child.compute and own[3] is not None:
            node = child.nodes.get(own[5] or "")
            if node is None or (node[0], node[1]) != (own[3], own[4]):
                yield fault("cells.no-compute-node", child.label)

    def _dead(
        self, fault: Callable[..., Fault], children: Sequence[Child], named: Mapping[int, Cell], mapping: Part,
        live: Sequence[int], unseen: Counter[str],
    ) -> Iterator[Fault]:  # fmt: skip
        if live or mapping[1] is None:
            return
        number = next((number for number, cell in named.items() if cell.id == mapping[1]), None)
        if number is None:
            unseen[str(mapping[1])] += 1
            return
        group = "deleted" if number in self.below else "archived or purged"
        yield fault("cells.mapped-not-live", children[number].label, group)


def _places(api: Api, children: Sequence[Child]) -> dict[int, Cell]:
    """Which cell each database is: by the name in its URL, else by where most of its instances are mapped to."""
    found: dict[int, Cell] = {}
    for number, child in enumerate(children):
        fitting = [cell for cell in api.cells if cell.database == child.schema]
        if len(fitting) == 1:
            found[number] = fitting[0]
    if len(found) < len(children):
        counts = _counts(api, children)
        for number in range(len(children)):
            if number not in found and counts[number]:
                id_ = counts[number].most_common(1)[0][0]
                cell = next((each for each in api.cells if each.id == id_), None)
                if cell is not None:
                    found[number] = cell
    return found


def _counts(api: Api, children: Sequence[Child]) -> list[Counter[str]]:
    counts: list[Counter[str]] = [Counter() for _ in children]
    streams = [_numbered(-1, api.path), *(_numbered(number, child.path) for number, child in enumerate(children))]
    for _, group in groupby(heapq.merge(*streams, key=lambda row: (row[0], row[1])), key=lambda row: row[0]):
        rows = list(group)
        cells = [part[1] for _, number, parts in rows if number < 0 for part in parts if part[0] == MAPPING]
        for _, number, _parts in rows:
            if number >= 0 and cells and cells[0] is not None:
                counts[number][cells[0]] += 1
    return counts


def _hosts(api: Api, child: Child, cell: Cell | None) -> Iterator[Fault]:
    for host, time in sorted({(host, time) for host, _, time in child.nodes.values() if host}):
        if host not in api.hosts:
            yield Fault("cells.host-not-mapped", child.label, host, time)
        elif cell is not None and api.hosts[host][0] != cell.id:
            other = next((each.name for each in api.cells if each.id == api.hosts[host][0]), "no cell")
            yield Fault("cells.host-wrong-cell", child.label, host, newest(time, api.hosts[host][1]), other)


def _gone(api: Api, children: Sequence[Child], named: Mapping[int, Cell]) -> Iterator[Fault]:
    by_id = {cell.id: children[number] for number, cell in named.items()}
    for host, (cell, time) in sorted(api.hosts.items()):
        child = by_id.get(cell or "")
        if child is not None and host not in {each[0] for each in child.nodes.values()}:
            yield Fault("cells.host-gone", api.label, host, time, child.label)


def _database(url: str | None) -> str | None:
    """The database that a cell's URL names; None for a template (`{...}`) or none."""
    path = urlsplit(url or "").path.strip("/")
    return path if path and "{" not in path else None
