"""The rows of one of several databases that are looked at together, and the instant that they stand for.

A live database is read in one consistent snapshot of one connection, a dump from its file; both give text or None.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pymysql

from dbaudit.cells.dumptime import Newest, dumped_at, newest_before
from dbaudit.cells.instant import Instant
from dbaudit.comparison.dumped import DumpData
from dbaudit.comparison.live import LiveData
from dbaudit.comparison.side import Side
from dbaudit.errors import DbauditError
from dbaudit.proof.running import HEARTBEATS
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

Row = tuple[str | None, ...]
# What characters of a dump are, by its SET NAMES, where they are no UTF-8: MySQL's latin1 is Windows' code page.
_CODECS = {"latin1": "cp1252", "latin2": "iso8859_2", "cp1250": "cp1250", "cp1251": "cp1251", "koi8r": "koi8_r",
           "gbk": "gbk", "big5": "big5", "sjis": "shift_jis", "euckr": "euc_kr"}  # fmt: skip
# When nova made, changed or deleted a row.
_TIMES = ("created_at", "updated_at", "deleted_at")
ALL: Mapping[str, str] = {}  # no pattern
KEYS_AT_ONCE = 500  # values in one IN (...): far below the least max_allowed_packet (1 MB) even for 255 characters


@dataclass(frozen=True, slots=True)
class Only:
    """Restricts reading to rows whose `column` holds one of `keys`."""

    column: str
    keys: frozenset[str] = field(repr=False)


class Source(Protocol):
    """One database, opened."""

    @property
    def instant(self) -> Instant:
        """When it was so. Ask for it when the rows were read: those of a dump tell its zone."""

    @property
    def tables(self) -> Mapping[str, frozenset[str]]:
        """The columns of each table."""

    def rows(
        self, table: str, columns: Sequence[str], only: Only | None = None, like: Mapping[str, str] = ALL
    ) -> Iterator[Row]:
        """These columns of each row, in any order; a column that the table lacks is None, no table has no rows.

        `like` are patterns by column: rows that hold something else there may be left out, as a server does.
        """


@contextlib.contextmanager
def opened(side: Side, zone: tzinfo | None = None) -> Iterator[Source]:
    """The rows behind a side. Raises DbauditError for one that has none, or a server that refuses.

    `zone` is that of the date of a dump, where it is known.
    """
    tables = {name: frozenset(column.name for column in table.columns) for name, table in side.schema.tables.items()}
    if isinstance(side.data, LiveData):
        with side.data.connected() as connection, snapshot(connection) as at:
            yield _Live(connection, tables, Instant(at))
    elif isinstance(side.data, DumpData):
        codec = _CODECS.get((side.data.index.charset or "").lower())
        yield _Dumped(side.data, tables, zone, newest_before(side.data.index.at), codec)
    else:
        raise DbauditError(f"{side.label} holds no rows", "name a dump or a live database")


def labels(sides: Sequence[Side]) -> tuple[str, ...]:
    """A name for each database, all different: its schema's where that tells them apart, else with its operand's."""
    names = [side.schema.name or Path(side.operand).name for side in sides]
    return tuple(
        name if names.count(name) == 1 else f"{name} of {side.operand}"
        for name, side in zip(names, sides, strict=True)
    )  # fmt: skip


def is_live(side: Side) -> bool:
    """Whether the rows may have changed when one looks again."""
    return isinstance(side.data, LiveData)


@dataclass(frozen=True)
class _Dumped:
    data: DumpData
    tables: Mapping[str, frozenset[str]]
    zone: tzinfo | None
    newest: Newest
    codec: str | None = None

    @property
    def instant(self) -> Instant:
        """By the rows that were read so far, and by when services were last alive."""
        for table, column in HEARTBEATS:
            self.newest.see(text(time) for (time,) in self.data.values(table, (column,)))
        index = self.data.index
        return dumped_at(index.at, index.one_instant, index.size, self.newest.at, self.zone)

    def rows(
        self, table: str, columns: Sequence[str], only: Only | None = None, like: Mapping[str, str] = ALL
    ) -> Iterator[Row]:
        wanted = (*columns, only.column) if only else tuple(columns)
        times = [number for number, column in enumerate(wanted) if column in _TIMES]
        for values in self.data.values(table, wanted):
            row = texts(values, self.codec)
            self.newest.see([row[number] for number in times])
            if only is None:
                yield row
            elif row[-1] in only.keys:
                yield row[:-1]


@dataclass(frozen=True)
class _Live:
    connection: Connection
    tables: Mapping[str, frozenset[str]]
    instant: Instant

    def rows(
        self, table: str, columns: Sequence[str], only: Only | None = None, like: Mapping[str, str] = ALL
    ) -> Iterator[Row]:
        known = self.tables.get(table)
        if known is None:
            return
        names = ", ".join(quoted(column) if column in known else "NULL" for column in columns)
        patterns = {column: pattern for column, pattern in like.items() if column in known}
        where = " AND ".join(["TRUE", *(f"{quoted(column)} LIKE %s" for column in patterns)])
        sql = f"SELECT {names} FROM {quoted(table)} WHERE {where}"
        if only is None:
            yield from self._read(sql, list(patterns.values()))
            return
        keys = sorted(only.keys)
        for start in range(0, len(keys), KEYS_AT_ONCE):
            part = keys[start : start + KEYS_AT_ONCE]
            marks = ", ".join(["%s"] * len(part))
            yield from self._read(f"{sql} AND {quoted(only.column)} IN ({marks})", [*patterns.values(), *part])

    def _read(self, sql: str, values: Sequence[str]) -> Iterator[Row]:
        with self.connection.cursor(pymysql.cursors.SSCursor) as cursor:
            cursor.execute(sql, tuple(values) or None)
            for row in cursor:
                yield texts(row)


@contextlib.contextmanager
def snapshot(connection: Connection) -> Iterator[datetime]:
    """A transaction that sees one instant, which it gives, in UTC and by the server's clock."""
    connection.decoders = {}  # text as the server writes it, as in a dump
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION time_zone = '+00:00'")
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        cursor.execute("SELECT CAST(UTC_TIMESTAMP() AS CHAR)")
        row = cursor.fetchone() or ("",)
        at = datetime.fromisoformat(str(text(row[0]))).replace(tzinfo=UTC)
        try:
            yield at
        finally:
            with contextlib.suppress(pymysql.MySQLError):
                cursor.execute("ROLLBACK")


def texts(values: Iterable[object], codec: str | None = None) -> Row:
    """The values of a row as text; most are in ASCII, and there are too many for a call each."""
    return tuple([
        value if value is None or (type(value) is str and value.isascii()) else text(value, codec) for value in values
    ])  # fmt: skip


def text(value: object, codec: str | None = None) -> str | None:
    """A value as text that can be stored anywhere. Bytes that are no UTF-8 are read by `codec`, else spelled out."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    written = str(value)
    if written.isascii():
        return written
    raw = written.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode(codec or "utf-8", "backslashreplace")


def over(connection: Connection, side: Side) -> Source:
    """The rows of a live side as an open connection sees them, in its own transaction."""
    tables = {name: frozenset(column.name for column in table.columns) for name, table in side.schema.tables.items()}
    return _Live(connection, tables, Instant(None))
