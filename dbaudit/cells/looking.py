"""How one looks at several databases: where files go, how many at once, and the second look at what seems wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from dbaudit.cells.fault import Fault
from dbaudit.cells.instant import SECOND_LOOK
from dbaudit.cells.source import is_live, labels
from dbaudit.comparison.dumped import DumpData
from dbaudit.comparison.side import Side
from dbaudit.dump.entries import require_complete
from dbaudit.errors import UsageError
from dbaudit.progress import Watch, silent
from dbaudit.result import DatabaseResult


@dataclass(frozen=True, slots=True)
class Looking:
    """How to look: a folder for files, processes, seconds until the second look (0: none), who hears of progress.

    `zone` is that of the dates of dumps, where it was said.
    """

    folder: Path
    jobs: int = 1
    again: float = SECOND_LOOK
    watch: Watch = silent
    sleep: Callable[[float], None] = time.sleep
    zone: tzinfo | None = None


def confirmed(
    faults: Sequence[Fault], sides: Sequence[Side], looking: Looking, look: Callable[[frozenset[str]], Sequence[Fault]]
) -> Sequence[Fault]:
    """Those that a second look finds too, where one of the databases is live. `look` gets the keys of the suspects."""
    if not faults or looking.again <= 0 or not any(map(is_live, sides)):
        return faults
    looking.sleep(looking.again)
    again = {fault.identity for fault in look(frozenset(fault.key for fault in faults))}
    return [fault for fault in faults if fault.identity in again]


def demand(sides: Sequence[Side]) -> None:
    """Raise UsageError unless these are a top database and its cells, DbauditError for a dump that was cut."""
    if len(sides) < 2:
        raise UsageError("one database alone has nothing to agree with", "name the top database, then its cells")
    demand_whole(sides)
    for side in sides:
        if "instances" not in side.schema.tables:
            raise UsageError(f"{side.label} is no nova database: it has no table instances", "name nova's databases")
    if len(set(labels(sides))) < len(sides):
        raise UsageError("a database is named twice", "name the top database, then each cell once")


def demand_whole(sides: Sequence[Side]) -> None:
    """Raise DbauditError for a dump that was cut: rows that it lost would be told as drift."""
    for side in sides:
        if isinstance(side.data, DumpData):
            require_complete(side.data.index)


def database_of(side: Side) -> DatabaseResult:
    """A side as the envelope has it."""
    return DatabaseResult(
        side.schema.name, side.operand, side.service, None if side.release is None else side.release.name,
        side.versions.numbers, side.server, side.complete, len(side.schema.tables), None, side.bytes,
    )  # fmt: skip
