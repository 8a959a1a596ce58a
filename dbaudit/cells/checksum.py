"""Two live tables compared by checksums that the servers compute: ranges of keys first, then parts of them, then rows.

A row's text has the length of every text before it, so that no separator inside of one can fool it; NULL is told from
every value; texts are compared as bytes. A row's hash is two CRC32s of 32 bits, of the text and of the text backwards:
one CRC with two seeds would be no more than one, since CRC is linear. A range is compared by its number of rows, the
sum and the exclusive or of the hashes: two rows that swap a value cancel in one of them, not in all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbaudit.errors import DbauditError, UsageError
from dbaudit.proof.value import Kind, canonical, kind_of, number_bounds
from dbaudit.schema.model import Table
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# Rows of the ranges that are compared first: many enough that a query is worth its while, few enough that little is
# read again where one differs. Such a range is cut into PIECES, until ROWS are few enough to be fetched.
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
    """Every key whose row is not the same, in the order of the keys.

    `key` must be unique and without NULL on both sides. Raises UsageError for a key or column that is not there.
    """
    _demand(left, right, key, columns)
    free = [_is_free(left.table, column) or _is_free(right.table, column) for column in columns]
    texts = [_text(left.table, right.table, column) for column in columns]
    hashed = tuple(_hash(list(zip(each, free, strict=True))) for each in zip(*texts, strict=True))
    for side in (left, right):
        _settle(side.connection)
    with ThreadPoolExecutor(2) as pool:
        compared = _Compared(left, right, tuple(key), hashed, pool)
        for part in _ranges(left, tuple(key), Range(None, None), CHUNK, _estimate(left)):
            yield from compared.differences(part, CHUNK)


@dataclass(frozen=True)
class _Compared:
    left: Side
    right: Side
    key: Key
    hashed: tuple[str, ...]
    pool: ThreadPoolExecutor

    def differences(self, part: Range, size: int) -> Iterator[Difference]:
        sums = list(self.pool.map(self._sums, (0, 1), (part, part)))
        if sums[0] == sums[1]:
            return
        if max(int(each[0] or 0) for each in sums) <= ROWS:
            yield from self._rows(part)
            return
        fuller = self.left if int(sums[0][0] or 0) >= int(sums[1][0] or 0) else self.right
        rows = max(int(each[0] or 0) for each in sums)
        size = rows // PIECES + 1
        for piece in _ranges(fuller, self.key, part, size, rows):
            yield from self.differences(piece, size)

    def _sums(self, number: int, part: Range) -> Sums:
        side = (self.left, self.right)[number]
        where, values = _within(self.key, part)
        with side.connection.cursor() as cursor:
            # The assignment keeps the hash from being computed twice; the second argument is evaluated after it.
            cursor.execute(
                f"SELECT COUNT(*), SUM(@dbaudit_hash := {self.hashed[number]}), BIT_XOR(@dbaudit_hash) "
                f"FROM {quoted(side.table.name)} WHERE {where}",
                values,
            )
            return tuple(None if each is None else str(each) for each in cursor.fetchone() or ())

    def _rows(self, part: Range) -> Iterator[Difference]:
        mine, theirs = self.pool.map(self._fetched, (0, 1), (part, part))
        for key in sorted({*mine, *theirs}):
            if mine.get(key) != theirs.get(key):
                yield Difference(key, "left" if key not in theirs else "right" if key not in mine else None)

    def _fetched(self, number: int, part: Range) -> dict[Key, str]:
        side = (self.left, self.right)[number]
        where, values = _within(self.key, part)
        keys = ", ".join(map(quoted, self.key))
        with side.connection.cursor() as cursor:
            cursor.execute(f"SELECT {keys}, {self.hashed[number]} FROM {quoted(side.table.name)} WHERE {where}", values)
            return {tuple(map(_shown, row[:-1])): str(row[-1]) for row in cursor.fetchall()}


def _ranges(side: Side, key: Key, within: Range, size: int, rows: int) -> Iterator[Range]:
    """Ranges of about `size` rows of a side that has `rows`; together they cover everything between the bounds."""
    column = side.table.column(key[0])
    if len(key) == 1 and column is not None and number_bounds(column.type):
        yield from _even(side, key, within, size, rows)
        return
    keys = ", ".join(map(quoted, key))
    low = within.low
    while True:
        where, values = _within(key, Range(low, within.high))
        row = _one(
            side,
            f"SELECT {keys} FROM {quoted(side.table.name)} WHERE {where} ORDER BY {keys} LIMIT 1 OFFSET {size}",
            values,
        )
        if row is None:
            yield Range(low, within.high)
            return
        high = tuple(map(_shown, row))
        yield Range(low, high)
        low = high


def _even(side: Side, key: Key, within: Range, size: int, rows: int) -> Iterator[Range]:
    """Ranges of a whole number, all of one width: where the numbers are dense here and there, more rows are in one."""
    where, values = _within(key, within)
    name = quoted(key[0])
    row = _one(side, f"SELECT MIN({name}), MAX({name}) FROM {quoted(side.table.name)} WHERE {where}", values)
    low = within.low
    if row is not None and row[0] is not None:
        least, most = int(_shown(row[0])), int(_shown(row[1]))
        step = max((most - least + 1) * size // max(rows, 1), 1)
        for bound in range(least + step, most + 1, step):
            yield Range(low, (str(bound),))
            low = (str(bound),)
    yield Range(low, within.high)


def _estimate(side: Side) -> int:
    """About how many rows a table has, by the server's statistics."""
    row = _one(
        side,
        "SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s",
        (side.table.name,),
    )
    return int(_shown(row[0])) if row is not None and row[0] is not None else 0


def _one(side: Side, sql: str, values: tuple[str, ...]) -> tuple[object, ...] | None:
    with side.connection.cursor() as cursor:
        cursor.execute(sql, values)
        row = cursor.fetchone()
        return None if row is None else tuple(row)


def _within(key: Key, part: Range) -> tuple[str, tuple[str, ...]]:
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


def _hash(texts: Sequence[tuple[str, bool]]) -> str:
    """The hash of a row; `texts` are its values, and whether any character may be in one."""
    parts = []
    for text, free in texts:
        parts += [f"COALESCE(LENGTH({text}), 'N')", "':'", f"COALESCE({text}, '')"] if free else [
            f"COALESCE({text}, 'N')", "','"
        ]  # fmt: skip
    row = f"@dbaudit_row := CAST(CONCAT({', '.join(parts)}) AS BINARY)"
    return f"((CRC32({row}) << 32) | CRC32(REVERSE(@dbaudit_row)))".replace("%", "%%")  # statements have parameters


def _text(left: Table, right: Table, name: str) -> tuple[str, str]:
    """A column as both sides shall write it: as it is where types are the same, else in one canonical form."""
    one, other = left.column(name), right.column(name)
    assert one is not None and other is not None
    if one.type != other.type or one.type.startswith(("float", "double", "real", "bit", "json")):
        return canonical(one), canonical(other)
    if kind_of(one.type) not in (Kind.TEXT, Kind.CHOICE):
        return quoted(name), quoted(name)
    if (one.charset or left.charset) != (other.charset or right.charset):
        return canonical(one), canonical(other)
    return f"CAST({quoted(name)} AS BINARY)", f"CAST({quoted(name)} AS BINARY)"


def _is_free(table: Table, name: str) -> bool:
    """Whether any character may be in a value: not in numbers and times."""
    column = table.column(name)
    assert column is not None
    return kind_of(column.type) not in (Kind.NUMBER, Kind.TIME)


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
            (column.collation or side.table.collation)
            for side in (left, right)
            if (column := side.table.column(name)) is not None and kind_of(column.type) is Kind.TEXT
        }
        if len(orders) > 1:
            raise DbauditError(
                f"`{name}` has the collation {' and '.join(map(str, orders))}: the two sides are not ordered alike",
                "compare by another key",
            )


def _settle(connection: Connection) -> None:
    connection.decoders = {}
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION time_zone = '+00:00'")


def _shown(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
