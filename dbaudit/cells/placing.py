"""Which database has which instance: those of no cell, of another cell than the top says, of two."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from dbaudit.cells.fault import Fault
from dbaudit.cells.instant import Instant
from dbaudit.cells.mirrored import INSTANCE, Compared, mirror
from dbaudit.cells.store import Lookup, things


@dataclass(frozen=True, slots=True)
class Kept:
    """One database, read into a file. `cells` counts its instances by their cell_name."""

    label: str
    path: Path
    instant: Instant


def name_of(names: Mapping[str | None, int]) -> str | None:
    """The cell_name that the top gives most of a cell's instances."""
    known = Counter({name: count for name, count in names.items() if name})
    return known.most_common(1)[0][0] if known else None


def misplaced(
    top: Kept, cells: Sequence[Kept], compared: Compared, names: Sequence[str | None]
) -> Iterator[Fault]:  # fmt: skip
    """Instances that the top counts to another cell, and those in several cells."""
    merged = heapq.merge(*(_live(cell, number, compared) for number, cell in enumerate(cells)))
    with closing(Lookup(top.path)) as lookup:
        for uuid, group in groupby(merged, key=lambda each: each[0]):
            where = [number for _, number in group]
            above = mirror(lookup.find(uuid), compared)
            if len(where) > 1:
                shown = ", ".join(cells[number].label for number in where)
                yield Fault("cells.in-two-cells", "", uuid, above.newest if above else None, shown)
            elif above and above.state == "live" and above.cell and above.cell != names[where[0]]:
                yield Fault("cells.wrong-cell", cells[where[0]].label, uuid, above.newest, above.cell)


def _live(cell: Kept, number: int, compared: Compared) -> Iterator[tuple[str, int]]:
    for uuid, found in things(cell.path):
        below = mirror(found, compared)
        if below is not None and below.state == "live":
            yield uuid, number


def alone(
    top: Kept, cells: Sequence[Kept], compared: Compared, names: Sequence[str | None], unseen: Counter[str]
) -> Iterator[Fault]:
    """Live instances of the top that no cell has a row of; those of cells that were not named go to `unseen`."""
    below = heapq.merge(*((uuid for uuid, found in things(cell.path) if _is_there(found)) for cell in cells))
    known = next(below, None)
    for uuid, found in things(top.path):
        while known is not None and known < uuid:
            known = next(below, None)
        above = mirror(found, compared)
        if known == uuid or above is None or above.state != "live":
            continue
        if above.cell is not None and above.cell not in names and None not in names:
            unseen[above.cell] += 1
        else:
            group = f"cell {above.cell}" if above.cell else "they have no cell yet"
            yield Fault("cells.only-at-top", top.label, uuid, above.newest, group, {"reference": top.label})


def _is_there(found: Sequence[Sequence[object]]) -> bool:
    return any(part[0] == INSTANCE for part in found)
