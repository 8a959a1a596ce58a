"""What the old table has and the new one lacks, brought over, before a swap and after it; both sets compared by key.

Before the swap nobody else writes to the new table, so that it follows the old one in everything: rows that came, were
changed, or went. After it nobody writes to the old table any more. A token never loses its revocation: `valid` goes
from 1 to 0 and never back, so a 0 on either side is right. Keystone deletes no token before it has expired, so one that
is missing in the new table was never copied. Rows that are only in the new table were made since the swap.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbaudit.repair.lease import Lease
from dbaudit.schema.text import name as quoted
from dbaudit.tokens.family import Family
from dbaudit.tokens.walk import Values

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

_ROWS = 20_000  # keys of a comparison: a fraction of a second


@dataclass(frozen=True, slots=True)
class Verified:
    """Living rows of the old table, how many of them the new one lacks, and rows that only the new one has."""

    rows: int = 0
    missing: int = 0
    differing: int = 0
    newer: int = 0

    @property
    def good(self) -> bool:
        """Whether every living row is there."""
        return not self.missing


class Replay:
    """Compares an old table with its copy, in stretches of the key."""

    def __init__(self, family: Family, old: str, new: str, alive: str, lease: Lease) -> None:
        self._family, self._alive, self._lease = family, alive, lease
        self._old, self._new = quoted(old), quoted(new)
        self._same = " AND ".join(f"n.{quoted(each)} = o.{quoted(each)}" for each in family.key)
        self._first = quoted(family.key[0])
        self._source = (
            f"(SELECT * FROM {self._old} WHERE {{where}} AND {alive}) o LEFT JOIN {self._new} n ON {self._same}"
        )

    def mirror(self, connection: Connection) -> int:
        """One pass before the swap; gives how many rows of the new table were made, changed or deleted."""
        others = [each for each in self._family.stored if each not in self._family.key]
        sets = ", ".join(f"n.{quoted(each)} = o.{quoted(each)}" for each in others)
        equal = " AND ".join(
            f"CAST(n.{quoted(each)} AS BINARY) <=> CAST(o.{quoted(each)} AS BINARY)" for each in others
        )
        changed = self._follow(connection, sets, f"NOT ({equal})")
        joined = " AND ".join(f"o.{quoted(each)} = {self._new}.{quoted(each)}" for each in self._family.key)
        for cursor, where, values in self._each(connection, self._new):
            cursor.execute(
                # What says who is alive names columns alone: they are those of the innermost table.
                f"DELETE FROM {self._new} WHERE {where} AND NOT EXISTS "
                f"(SELECT 1 FROM {self._old} o WHERE {joined} AND {self._alive})",
                values,
            )
            changed += int(cursor.rowcount)
        return changed

    def _bring(self, cursor: Any, where: str, values: list[Any]) -> int:
        """Put in the rows of a stretch that the new table lacks."""
        columns = ", ".join(map(quoted, self._family.stored))
        ours = ", ".join(f"o.{quoted(each)}" for each in self._family.stored)
        source = self._source.format(where=where)
        cursor.execute(f"SELECT COUNT(*) FROM {source} WHERE n.{self._first} IS NULL", values)
        if not _number(cursor):
            return 0
        cursor.execute(
            f"INSERT IGNORE INTO {self._new} ({columns}) SELECT {ours} FROM {source} WHERE n.{self._first} IS NULL",
            values,
        )
        return int(cursor.rowcount)

    def replay(self, connection: Connection) -> int:
        """One pass; gives how many rows were brought over or revoked."""
        return self._follow(connection, "n.`valid` = 0", "o.`valid` = 0 AND n.`valid` <> 0")

    def _follow(self, connection: Connection, sets: str, differing: str) -> int:
        """Bring over what the new table lacks, and set what differs in rows that both have."""
        changed = 0
        for cursor, where, values in self._each(connection, self._old):
            changed += self._bring(cursor, where, values)
            cursor.execute(
                f"UPDATE {self._new} n JOIN {self._old} o ON {self._same} SET {sets} "
                f"WHERE {_qualified(where)} AND {differing}",
                values,
            )
            changed += int(cursor.rowcount)
        return changed

    def verify(self, connection: Connection) -> Verified:
        """Count by key what each side has and the other lacks, and rows that differ in a column."""
        rows = missing = differing = newer = 0
        others = [each for each in self._family.stored if each not in self._family.key]
        equal = " AND ".join(f"n.{quoted(each)} <=> o.{quoted(each)}" for each in others)
        for cursor, where, values in self._each(connection, self._old):
            cursor.execute(
                f"SELECT COUNT(*), COALESCE(SUM(n.{self._first} IS NULL), 0), "
                f"COALESCE(SUM(n.{self._first} IS NOT NULL AND NOT ({equal})), 0) "
                f"FROM {self._source.format(where=where)}",
                values,
            )
            found = [int(each) for each in cursor.fetchone() or (0, 0, 0)]
            rows, missing, differing = rows + found[0], missing + found[1], differing + found[2]
        for cursor, where, values in self._each(connection, self._new):
            cursor.execute(
                f"SELECT COUNT(*) FROM (SELECT * FROM {self._new} WHERE {where}) n LEFT JOIN {self._old} o "
                f"ON {self._same} WHERE o.{self._first} IS NULL",
                values,
            )
            newer += _number(cursor)
        return Verified(rows, missing, differing, newer)

    def _each(self, connection: Connection, table: str) -> Iterator[tuple[Any, str, list[Any]]]:
        """The stretches of a table, each in a transaction of its own that renews the lease."""
        for where, values in self._stretches(connection, table):
            with connection.cursor() as cursor:
                yield cursor, where, values
                self._lease.renew(cursor)
            connection.commit()

    def _stretches(self, connection: Connection, table: str) -> list[tuple[str, list[Any]]]:
        """The whole of a table, in ranges of its key's first column."""
        bounds: list[Values] = []
        while True:
            last = bounds[-1] if bounds else None
            with connection.cursor() as cursor:
                cursor.execute(
                    f"SELECT {self._first} FROM {table} {f'WHERE {self._first} > %s' if last else ''} "
                    f"ORDER BY {self._first} LIMIT {_ROWS - 1}, 1",
                    last or (),
                )
                row = cursor.fetchone()
            if row is None:
                break
            bounds.append(tuple(row))
        edges = [None, *bounds, None]
        return [_between(self._first, low, high) for low, high in itertools.pairwise(edges)]


def _between(column: str, low: Values | None, high: Values | None) -> tuple[str, list[Any]]:
    parts = [f"{column} {sign} %s" for bound, sign in ((low, ">"), (high, "<=")) if bound]
    return " AND ".join(parts) or "TRUE", [bound[0] for bound in (low, high) if bound]


def _qualified(where: str) -> str:
    return where if where == "TRUE" else where.replace("`", "o.`", 1).replace(" AND `", " AND o.`")


def _number(cursor: Any) -> int:
    return int((cursor.fetchone() or (0,))[0])
