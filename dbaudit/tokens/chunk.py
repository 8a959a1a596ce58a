"""One chunk: a stretch's dead rows, with what hangs on them, deleted in one transaction.

The fast form is one DELETE over the range, which decides at that instant for each row whether it is dead. Where rows
are archived, or others hang on them, they are locked and read first, and the DELETE must then hit exactly these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dbaudit.errors import DbauditError
from dbaudit.repair.chunk import TooBig
from dbaudit.schema.text import name as quoted
from dbaudit.tokens.family import Child, Family
from dbaudit.tokens.walk import Range, Stretch, Values

# A write set has each row as it was, its keys once more, and what hangs on it: twice the row, and so much besides.
SPREAD, ROW_BYTES = 2, 64


class Changed(DbauditError):
    """Rows came into the range between the look and the deletion: nothing was deleted, the same range is due again."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table, as they were when they were locked."""

    table: str
    columns: tuple[str, ...]
    values: Sequence[Values]


class Keeper(Protocol):
    """Who keeps rows before they go."""

    def keep(self, found: Sequence[Rows]) -> None:
        """Return when they are safe on disk."""

    def settle(self, committed: bool) -> None:
        """The chunk went through, or it was rolled back and its rows are to be forgotten."""


@dataclass(slots=True)
class Deleted:
    """What a chunk deleted: rows of the table, and of others by name."""

    rows: int = 0
    children: dict[str, int] = field(default_factory=dict)


class Eraser:
    """Deletes stretches of one family over one connection, each as one transaction.

    `most` bounds the bytes of its write set on a Galera cluster; None for no bound.
    """

    def __init__(self, family: Family, keeper: Keeper | None = None, most: int | None = None) -> None:
        self._family, self._keeper, self._most = family, keeper, most

    @property
    def table(self) -> str:
        """The table's name."""
        return self._family.table

    def erase(self, cursor: Any, stretch: Stretch) -> Deleted:
        """Delete the stretch's dead rows; the caller commits, or rolls back on any error.

        Raises Changed, TooBig and pymysql's errors.
        """
        if self._most is not None:
            self._weigh(cursor, stretch.range, self._most)
        if self._keeper or self._family.children:
            return self._listed(cursor, stretch.range)
        return Deleted(self._range(cursor, stretch.range))

    def _weigh(self, cursor: Any, range_: Range, most: int) -> None:
        """Raise TooBig where the rows are more than the cluster takes: the table's mean says little of these."""
        where, values = range_.condition()
        size = " + ".join(f"COALESCE(LENGTH({quoted(each)}), 0)" for each in self._family.stored)
        cursor.execute(
            f"SELECT COALESCE(SUM({size} + {ROW_BYTES}), 0) FROM {self._family.name} "
            f"WHERE {where} AND {self._family.dead}",
            values,
        )
        if int(cursor.fetchone()[0]) * SPREAD > most:
            raise TooBig

    def _range(self, cursor: Any, range_: Range) -> int:
        where, values = range_.condition()
        cursor.execute(f"DELETE FROM {self._family.name} WHERE {where} AND {self._family.dead}", values)
        return int(cursor.rowcount)

    def _listed(self, cursor: Any, range_: Range) -> Deleted:
        family = self._family
        found = self._locked(cursor, range_)
        done = Deleted()
        if not found.values:
            return done
        kept, children = [found], []
        for child in family.children:
            keys = _distinct(found, child.parent)
            rows = _children(cursor, child, keys)
            children.append((child, keys))
            kept += [rows] if rows.values else []
        if self._keeper:
            self._keeper.keep(kept)
        for child, keys in children:
            where, values = _among(child.columns, keys)
            cursor.execute(f"DELETE FROM {quoted(child.table)} WHERE {where}", values)
            done.children[child.table] = done.children.get(child.table, 0) + int(cursor.rowcount)
        done.rows = self._range(cursor, range_)
        expected = sum(len(each.values) for each in kept)
        if done.rows + sum(done.children.values()) != expected:
            raise Changed(f"`{family.table}` changed between a look and a deletion", "run it again")
        return done

    def _locked(self, cursor: Any, range_: Range) -> Rows:
        family = self._family
        columns = family.stored if self._keeper else tuple(
            dict.fromkeys((*family.key, *(each for child in family.children for each in child.parent)))
        )  # fmt: skip
        where, values = range_.condition()
        cursor.execute(
            f"SELECT {', '.join(map(quoted, columns))} FROM {family.name} WHERE {where} AND {family.dead} FOR UPDATE",
            values,
        )
        return Rows(family.table, columns, cursor.fetchall())


def _children(cursor: Any, child: Child, keys: Sequence[Values]) -> Rows:
    where, values = _among(child.columns, keys)
    columns = ", ".join(map(quoted, child.stored))
    cursor.execute(f"SELECT {columns} FROM {quoted(child.table)} WHERE {where} FOR UPDATE", values)
    return Rows(child.table, child.stored, cursor.fetchall())


def _distinct(found: Rows, columns: Sequence[str]) -> list[Values]:
    places = [found.columns.index(each) for each in columns]
    return list(dict.fromkeys(tuple(row[place] for place in places) for row in found.values))


def _among(columns: Sequence[str], keys: Sequence[Values]) -> tuple[str, list[Any]]:
    """Rows with one of these keys."""
    values = [each for key in keys for each in key]
    if len(columns) == 1:
        return f"{quoted(columns[0])} IN ({', '.join(['%s'] * len(keys))})", values
    each = "(" + " AND ".join(f"{quoted(column)} = %s" for column in columns) + ")"
    return f"({' OR '.join([each] * len(keys))})", values
