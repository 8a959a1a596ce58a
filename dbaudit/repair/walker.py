"""Which rows come next: stretches of a table in key order, the bad ones among them, and the second look at absences.

A walk ends at the key that was the table's last when the plan was made, or it would follow a writer that is faster for
as long as he writes. Where new rows come before that key (random uuids), each stretch still takes a hundred rows and
more, so that the walk ends; should they come faster than that, it stops after twice the rows of the plan.
Reads only. Every statement's plan is looked at before it runs: one that does not use the key would read, and lock,
the whole table for each chunk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dbaudit.errors import BusyError, DbauditError
from dbaudit.repair.chunk import Chunker
from dbaudit.repair.pace import Pace
from dbaudit.repair.walk import Values

# Keys kept between two looks; more would be memory for nothing, fewer would wait more often.
LOOKED_AT = 50_000
# Bad rows that one stretch may give, so that one transaction stays small where all rows are bad.
STRETCH_FIRST, STRETCH_LEAST, STRETCH_MOST = 1_000, 100, 200_000
# A scan of the whole key for single rows is refused where it reads more than that, and so many times what it is to
# find: of small tables, and for a large part of one, it is the better way, and servers choose it.
FEW, TIMES = 20_000, 20


@dataclass(frozen=True, slots=True)
class Found:
    """Bad rows in key order, and how far the table is read with them."""

    keys: tuple[Values, ...]
    last: Values


Rows = list[tuple[Any, ...]]
Ask = Callable[[tuple[str, dict[str, Any]]], Rows]


def asking(cursor: Any) -> Ask:
    """Runs statements on a cursor and gives their rows."""

    def ask(statement: tuple[str, dict[str, Any]]) -> Rows:
        cursor.execute(*statement)
        return [tuple(row) for row in cursor.fetchall()]

    return ask


class Walker:
    """Walks one part. `read` reads in a transaction, and anew where the connection is lost; `pace` sizes a chunk.

    `end` is the last key that is met, None where there were no rows; `total` the rows of the table at that time.
    """

    def __init__(
        self, chunker: Chunker, read: Callable[[Callable[[Ask], Rows]], Rows], pace: Pace, target: float, *,
        end: Values | None, total: int,
    ) -> None:  # fmt: skip
        self.chunker, self.read, self.pace, self.end = chunker, read, pace, end
        self._most = 2 * total + STRETCH_MOST
        self.reading = Pace(target, STRETCH_LEAST, STRETCH_MOST, STRETCH_FIRST)
        self.last: Values | None = None

    def walk(self, looks_apart: float, wait: Callable[[float], None]) -> Iterator[Found]:
        """Bad rows, a chunk's worth at a time. With `looks_apart`, those that are bad now and stay so for so long.

        The second look is the one that the chunk takes itself, under its locks.
        """
        if not looks_apart:
            yield from self._stretches()
            return
        kept: list[Found] = []
        for found in self._stretches():
            kept.append(found)
            if sum(len(each.keys) for each in kept) >= LOOKED_AT:
                wait(looks_apart)
                yield from kept
                kept = []
        if any(each.keys for each in kept):
            wait(looks_apart)
        yield from kept

    def later(self) -> int:
        """How many bad rows there are behind the end: they came since, and are the next run's."""
        return 0 if self.end is None else int(self._asked(self.chunker.behind(self.end))[0][0])

    def _stretches(self) -> Iterator[Found]:
        read = 0
        while self.end is not None:
            began, limit, rows = time.monotonic(), self.pace.rows, self.reading.rows
            bound = self._asked(self.chunker.stretch(self.last, self.end, rows))
            if not bound:
                return
            keys = tuple(self._asked(self.chunker.candidates(self.last, bound[0], limit)))
            self.reading.took(rows, time.monotonic() - began)
            cut = len(keys) >= limit
            if cut:  # what lies behind the last of them was looked through for nothing
                self.reading.shrink()
            self.last = keys[-1] if cut else bound[0]
            read += limit if cut else rows
            if read > self._most:
                raise BusyError(
                    f"`{self.chunker.part.table}` grows faster than {self.chunker.part.name} walks it",
                    "run it again when less is written: it goes on where it stopped",
                )
            yield Found(tuple(dict.fromkeys(keys)), self.last)  # a join may give a row twice

    def _asked(self, statement: tuple[str, dict[str, Any]]) -> Rows:
        def look(ask: Ask) -> Rows:
            check_plan(ask, statement, self.chunker)
            return ask(statement)

        return self.read(look)


def check_plan(ask: Ask, statement: tuple[str, dict[str, Any]], chunker: Chunker, rows: int | None = None) -> None:
    """Raise DbauditError where the server would not use the key for the repaired table.

    A scan of the key's whole index is fine for a statement that has a limit, and no use of the key for one that is to
    find these `rows` alone: it would lock all of them.
    """
    text, values = statement
    for row in ask((f"EXPLAIN FORMAT=TRADITIONAL {text}", values)):
        table, kind, read = explained(row)
        if table == chunker.part.table and (
            kind == "ALL" or (kind == "index" and rows is not None and read > max(TIMES * rows, FEW))
        ):
            raise DbauditError(
                f"the server would read the whole of `{table}` for each chunk of {chunker.part.name}: it does not use "
                f"the key {chunker.key.index}",
                "ANALYZE TABLE may help; else report this with the output of EXPLAIN",
            )


def explained(row: tuple[Any, ...]) -> tuple[str | None, str | None, int]:
    """Table, access type and expected rows of a row of EXPLAIN: MySQL has a column more (partitions) since 5.7."""
    kind, rows = (row[4], row[9]) if len(row) >= 12 else (row[3], row[8])
    return row[2], kind, int(rows or 0)
