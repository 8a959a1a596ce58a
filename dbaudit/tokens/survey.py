"""Count what a flush would delete, and choose how it walks the table. Reads only.

With an index on the expiry the counts come from the index. Without one (Grizzly) the whole table has to be read to
count, and is: a plan is to be right. A run does not count first; it counts as it goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dbaudit.schema.text import name as quoted
from dbaudit.tokens.family import Family

# Share of dead rows from which the walk along the primary key is the better one. Along the key, dead rows are deleted
# in the order in which they lie, but living rows are read too; along the expiry only dead rows are met, each somewhere
# else. CPU of MariaDB 10.11 a deleted row, expiry against key, in memory: 10 and 28 us at a tenth dead, 16 and 16 at a
# half. Where the table does not fit the buffer pool, scattered rows cost more. If it moves, runs get slower, not wrong.
SHARE = 0.3


class Way(StrEnum):
    """How a table is walked."""

    BY_EXPIRY = "expiry"
    BY_KEY = "primary key"


@dataclass(frozen=True, slots=True)
class Survey:
    """What a table holds. Counts are None where they were not made; `bytes` is the server's own figure, data only."""

    family: Family
    way: Way
    rows: int
    bytes: int
    dead: int | None = None
    never: int | None = None
    invalid: int | None = None
    children: tuple[tuple[str, int | None], ...] = ()

    @property
    def share(self) -> float | None:
        """Dead rows of all."""
        return None if self.dead is None else self.dead / self.rows if self.rows else 0.0

    @property
    def course(self) -> str:
        """A sentence: which way the run goes, and what that reads."""
        family = self.family
        if self.way is Way.BY_EXPIRY and family.expiry:
            return f"along the index `{family.expiry.index}`, so that living rows are not read"
        why = "there is no index on the expiry" if family.expiry is None else "most rows are dead"
        return f"along the primary key ({why}): the whole table is read, {self.bytes:,} bytes"


def survey(cursor: Any, family: Family) -> Survey:
    """Count a table's rows: all, dead, those that never expire, those that are invalid and not expired."""
    size = _bytes(cursor, family.table)
    if family.expiry:
        rows = _one(cursor, f"SELECT COUNT(*) FROM {family.name}")
        dead, never = dead_by_index(cursor, family), _count(cursor, family, family.never)
        invalid = _count(cursor, family, family.invalid)
    else:
        conditions = ", ".join(f"COALESCE(SUM({each}), 0)" for each in (family.dead, family.never, family.invalid))
        cursor.execute(f"SELECT COUNT(*), {conditions} FROM {family.name}")
        rows, dead, never, invalid = (int(each) for each in cursor.fetchone())
    children = tuple((child.table, _children(cursor, family, number)) for number, child in enumerate(family.children))
    return Survey(family, way_of(family, dead, rows), rows, size, dead, never, invalid, children)


def glance(cursor: Any, family: Family) -> Survey:
    """What a run has to know before it begins: as little as tells its way. Rows are the server's estimate."""
    cursor.execute(
        "SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s",
        (family.table,),
    )
    rows = int((cursor.fetchone() or (0,))[0] or 0)
    dead = dead_by_index(cursor, family) if family.expiry else None
    never = _count(cursor, family, family.never) if family.expiry else None  # the walk counts them where it has none
    return Survey(family, way_of(family, dead, max(rows, dead or 0)), rows, _bytes(cursor, family.table), dead, never)


def way_of(family: Family, dead: int | None, rows: int) -> Way:
    """Along the expiry where there is an index on it and few rows are dead."""
    if family.expiry is None or dead is None:
        return Way.BY_KEY
    return Way.BY_KEY if rows and dead / rows > SHARE else Way.BY_EXPIRY


def dead_by_index(cursor: Any, family: Family) -> int:
    """Dead rows, counted on the index of the expiry alone."""
    assert family.expiry
    hint = f"FORCE INDEX ({quoted(family.expiry.index)})"
    return _one(cursor, f"SELECT COUNT(*) FROM {family.name} {hint} WHERE {family.dead}")


def _count(cursor: Any, family: Family, condition: str) -> int:
    return 0 if condition == "FALSE" else _one(cursor, f"SELECT COUNT(*) FROM {family.name} WHERE {condition}")


def _children(cursor: Any, family: Family, number: int) -> int:
    """Rows of a child whose parent is dead. The parents are named first: `dead` names columns without their table."""
    child = family.children[number]
    parents = ", ".join(map(quoted, child.parent))
    columns = ", ".join(map(quoted, child.columns))
    inner = f"SELECT {parents} FROM {family.name} WHERE {family.dead}"
    return _one(cursor, f"SELECT COUNT(*) FROM {quoted(child.table)} WHERE ({columns}) IN ({inner})")


def _bytes(cursor: Any, table: str) -> int:
    cursor.execute(
        "SELECT DATA_LENGTH FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s",
        (table,),
    )
    return int((cursor.fetchone() or (0,))[0] or 0)


def _one(cursor: Any, query: str) -> int:
    cursor.execute(query)
    return int(cursor.fetchone()[0] or 0)
