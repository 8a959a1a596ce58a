"""Two live tables compared by checksums that the servers compute: ranges of keys first, then parts of them, then rows.

A range is compared by its number of rows and the sum of their hashes (`rowhash`). It is a sum and not an exclusive or,
in which two rows that are the same would cancel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbaudit.cells.rowhash import collation, hashes
from dbaudit.errors import DbauditError, UsageError
from dbaudit.proof.value import Kind, kind_of, number_bounds
from dbaudit.schema.model import Table
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# Rows of the ranges that are compared first: enough that a query is worth its while, few enough that little is read
# again where one differs. Such a range is cut into PIECES, until ROWS are few enough to be fetched.
CHUNK, PIECES, ROWS = 2_048, 4, 600
Key = tuple[str, ...]
Sums = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """One table: a connection that nothing else uses, in a session whose values are text, and its definition."""

    connection: Connection
    table: Table


@dataclass(frozen=True, slots=True)
class Difference:
    """A key whose rows differ: `only` says that the other side has none (left, right), None that both have one."""

    key: Key
    only: str | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """Keys from `low` on, below `high`; None is no bound."""

    low: Key | None
    high: Key | None


def compare_tables(left: Side, right: Side, key: Sequence[str], columns: Sequence[str]) -> Iterator[Difference]:
    """Every key whose row is not the same: range by range, in them in the order of their text.

    `key` must be unique and without NULL on both sides. Raises UsageError for a key or column that is not there.
    """
    _demand(left, right, key, columns)
    hashed = hashes((left.table, right.table), columns)
    for side in (left, right):
        settle(side.connection)
    with ThreadPoolExecutor(2) as pool:
        sides = [
            Rows(side.connection, quoted(side.table.name), tuple(key), each)
            for side, each in zip((left, right), hashed, strict=True)
        ]
        compared = Compared(sides[0], sides[1], pool)
        column = left.table.column(key[0])
        whole = len(key) == 1 and column is not None and bool(number_bounds(column.type))
        for part in _ranges(sides[0], Range(None, None), CHUNK, _estimate(left), whole=whole):
            yield from compared.differences(part, whole=whole)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a server that are told apart by `key`: where they stand, which of them, and their hash."""

    connection: Connection
    source: str
    key: Key
    hashed: str
    where: str = "1"

    def sums(self, part: Range) -> Sums:
        """How many rows of a range there are, and the sum of their hashes."""
        where, values = within(self.key, part)
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"SELECT COUNT(*), SUM({self.hashed}) FROM {self.source} WHERE {self.where} AND {where}", values
            )
            return tuple(None if each is None else str(each) for each in cursor.fetchone() or ())

    def hashes(self, part: Range) -> dict[Key, tuple[str, ...]]:
        """The hashes of a range by key, in order."""
        where, values = within(self.key, part)
        keys = ", ".join(map(quoted, self.key))
        found: dict[Key, list[str]] = {}
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT {keys}, {self.hashed} FROM {self.source} WHERE {self.where} AND {where}", values)
            for *key, hashed in cursor.fetchall():
                found.setdefault(tuple(map(shown, key)), []).append(str(hashed))
        return {key: tuple(sorted(each)) for key, each in found.items()}


@dataclass(frozen=True)
class Compared:
    """Two sets of rows. `ruler` has one row for each key that ranges are cut by, where the sets have several."""

    left: Rows
    right: Rows
    pool: Executor
    ruler: Rows | None = None

    def differences(self, part: Range, *, whole: bool = False) -> Iterator[Difference]:
        """The keys of a range that differ, cut down by bisection; `whole`: the key is one whole number."""
        sums = list(self.pool.map(Rows.sums, (self.left, self.right), (part, part)))
        if sums[0] == sums[1]:
            return
        counts = [int(each[0] or 0) for each in sums]
        pieces = []
        if max(counts) > ROWS:
            ruler = self.ruler or (self.left if counts[0] >= counts[1] else self.right)
            rows = int(ruler.sums(part)[0] or 0) if self.ruler else max(counts)
            pieces = list(_ranges(ruler, part, rows // PIECES + 1, rows, whole=whole))
        if len(pieces) < 2:
            yield from self._rows(part)
            return
        for piece in pieces:
            yield from self.differences(piece, whole=whole)

    def _rows(self, part: Range) -> Iterator[Difference]:
        mine, theirs = self.pool.map(Rows.hashes, (self.left, self.right), (part, part))
        for key in sorted({*mine, *theirs}):
            if mine.get(key) != theirs.get(key):
                yield Difference(key, "left" if key not in theirs else "right" if key not in mine else None)


def _ranges(side: Rows, within_: Range, size: int, rows: int, *, whole: bool) -> Iterator[Range]:
    """Ranges of about `size` rows of a side that has `rows`; together they cover everything between the bounds."""
    if whole:
        yield from _even(side, within_, size, rows)
    else:
        yield from ranges(side, within_, size)


def ranges(side: Rows, part: Range, size: int) -> Iterator[Range]:
    """Ranges of `size` rows, in the order of the key."""
    keys = ", ".join(map(quoted, side.key))
    low = part.low
    while True:
        where, values = within(side.key, Range(low, part.high))
        row = _one(
            side.connection,
            f"SELECT {keys} FROM {side.source} WHERE {side.where} AND {where} ORDER BY {keys} LIMIT 1 OFFSET {size}",
            values,
        )
        if row is None:
            yield Range(low, part.high)
            return
        high = tuple(map(shown, row))
        yield Range(low, high)
        low = high


def _even(side: Rows, part: Range, size: int, rows: int) -> Iterator[Range]:
    """Ranges of a whole number, all of one width: where the numbers are dense here and there, more rows are in one."""
    where, values = within(side.key, part)
    name = quoted(side.key[0])
    row = _one(side.connection, f"SELECT MIN({name}), MAX({name}) FROM {side.source} WHERE {where}", values)
    low = part.low
    if row is not None and row[0] is not None:
        least, most = int(shown(row[0])), int(shown(row[1]))
        step = max((most - least + 1) * size // max(rows, 1), 1)
        for bound in range(least + step, most + 1, step):
            yield Range(low, (str(bound),))
            low = (str(bound),)
    yield Range(low, part.high)


def _estimate(side: Side) -> int:
    """About how many rows a table has, by the server's statistics."""
    row = _one(
        side.connection,
        "SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s",
        (side.table.name,),
    )
    return int(shown(row[0])) if row is not None and row[0] is not None else 0


def _one(connection: Connection, sql: str, values: tuple[str, ...]) -> tuple[object, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row = cursor.fetchone()
        return None if row is None else tuple(row)


def within(key: Key, part: Range) -> tuple[str, tuple[str, ...]]:
    """The condition of a range, written so that an index of the key serves it."""
    said, values = [], []
    for bound, last, before in ((part.low, ">=", ">"), (part.high, "<", "<")):
        if bound is None:
            continue
        steps = []
        for number, column in enumerate(key):
            equal = [f"{quoted(each)} = %s" for each in key[:number]]
            sign = last if number == len(key) - 1 else before
            steps.append(f"({' AND '.join([*equal, f'{quoted(column)} {sign} %s'])})")
            values += [*bound[:number], bound[number]]
        said.append(f"({' OR '.join(steps)})")
        if len(key) > 1:  # what the optimizer understands at once
            said.append(f"{quoted(key[0])} {'>=' if last == '>=' else '<='} %s")
            values.append(bound[0])
    return " AND ".join(said) or "1", tuple(values)


def _demand(left: Side, right: Side, key: Sequence[str], columns: Sequence[str]) -> None:
    for side in (left, right):
        missing = [name for name in (*key, *columns) if side.table.column(name) is None]
        if missing:
            raise UsageError(f"`{side.table.name}` has no column {', '.join(missing)}", "name columns that both have")
        unique = [index.columns for index in side.table.indexes if index.unique]
        if tuple(key) not in unique or any((found := side.table.column(name)) and found.null for name in key):
            raise DbauditError(
                f"({', '.join(key)}) is no unique key without NULL of `{side.table.name}`: its rows cannot be matched",
                "compare by the primary key, or by a unique one",
            )
    for name in key:
        orders = {
            collation(side.table, name)
            for side in (left, right)
            if (column := side.table.column(name)) is not None and kind_of(column.type) is Kind.TEXT
        }
        if len(orders) > 1:
            said = sorted(f"{order or 'the default'} of {charset}" for charset, order in orders)
            raise DbauditError(
                f"`{name}` has the collation {' and '.join(said)}: the two sides are not ordered alike",
                "compare by another key",
            )


def settle(connection: Connection) -> None:
    """Make a session give values as text, and times in UTC."""
    connection.decoders = {}
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION time_zone = '+00:00'")


def shown(value: object) -> str:
    """A value of a key as it goes back into a statement."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
