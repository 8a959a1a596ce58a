"""SQL that no server wrote, read by way of a server: loaded into a throwaway one, which then says what it is.

The readers of definitions know the form in which servers print them. What people write (inline keys, lower-case words,
CREATE INDEX and ALTER TABLE behind a table) is a server's to read. Only definitions are run, never rows, by an account
that may touch nothing but the schema that is made for it.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pymysql

from dbaudit.comparison.dumped import DumpData, place_of
from dbaudit.comparison.lenient import Lenient
from dbaudit.comparison.side import Fault, Side
from dbaudit.dump.filter import excerpt, reason_to_refuse
from dbaudit.dump.statements import Depth, Kind, Reader, Statement
from dbaudit.dump.tokens import unwrap
from dbaudit.errors import DbauditError
from dbaudit.schema.read import fetch

if TYPE_CHECKING:
    from dbaudit.server.server import Connection, Server

# What a statement that matters here begins with; the rest (rows, settings, locks) is left out.
_DEFINING = (b"CREATE", b"ALTER", b"DROP", b"RENAME")
_NOT_HERE = (b"CREATE DATABASE", b"CREATE SCHEMA", b"DROP DATABASE", b"DROP SCHEMA", b"ALTER DATABASE", b"ALTER SCHEMA")
_SESSION = "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', SESSION foreign_key_checks = 0"
_NAME = "dbaudit_read"
# Of a server that nobody else uses.
Start = Callable[[], AbstractContextManager["Server"]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A statement that is to be run, and what the server last said against it, or why it was not sent."""

    sql: bytes
    at: int
    error: str = ""


def wants_server(side: Side) -> bool:
    """Whether the side's text holds definitions that only a server can read."""
    if not isinstance(side.data, DumpData):
        return False
    ids = {fault.id for fault in side.faults}
    foreign = side.data.index.tool is None
    return "changed-later" in ids or (foreign and any(each.startswith("unreadable-") for each in ids))


def read_by_server(sides: Sequence[Side], start: Start) -> tuple[Side, ...]:
    """The sides, those that want it loaded and read back; where no server can be had they stay as they are, and say so.

    A database whose text names no charset gets that of the other side's tables.
    """
    if not any(map(wants_server, sides)):
        return tuple(sides)
    try:
        with start() as server:
            return tuple(_read(side, server, _charset(side, sides)) if wants_server(side) else side for side in sides)
    except DbauditError as error:
        why = f"not loaded into a server, which would read it: {error.what}"
        return tuple(
            replace(side, faults=(*side.faults, Fault("not-loaded", side.operand, f"{side.operand} is {why}")))
            if wants_server(side)
            else side
            for side in sides
        )


def _charset(side: Side, sides: Sequence[Side]) -> tuple[str, str | None]:
    if side.schema.charset:
        return side.schema.charset, side.schema.collation
    others = Counter(
        (table.charset, table.collation)
        for other in sides
        if other is not side
        for table in other.schema.tables.values()
        if table.charset
    )
    charset, collation = max(others, key=lambda each: (others[each], str(each)), default=("utf8", None))
    return charset or "utf8", collation


def _read(side: Side, server: Server, charset: tuple[str, str | None]) -> Side:
    data = side.data
    assert isinstance(data, DumpData)
    server.drop_database(_NAME)
    server.create_database(_NAME, *charset)
    try:
        with contextlib.closing(server.connect(server.restricted([_NAME]), _NAME)) as connection:
            refused = tuple(_run(data, connection))
            lenient = Lenient(lambda kind, name, at: None)
            text = replace(fetch(connection, _NAME), charset=side.schema.charset, collation=side.schema.collation)
            schema = lenient.read(side.schema.name, replace(text, lower_case_table_names=None))
    finally:
        server.drop_database(_NAME)
    faults = [
        Fault(
            "refused-statement", side.operand, f"{excerpt(each.sql)}: {each.error}", place_of(data.index, each.at)
        )
        for each in refused
    ]  # fmt: skip
    # What the server refuses stays as the text was read: named, and equal to nothing.
    lost = {name: table for name, table in side.schema.tables.items() if table.unsupported and not schema.table(name)}
    schema = replace(schema, tables={**schema.tables, **lost})
    kept = [each for each in side.faults if each.id in ("incomplete", "unread-statement") or each.object in lost]
    told = (
        f"{side.operand} is not in the form that servers print: it was loaded into {server.version.name}, and what that"
        f" server says is compared; engines and charsets that it does not name are defaults (charset {charset[0]})"
    )
    note = Fault("loaded", side.operand, told, hides=False)
    return replace(side, schema=schema, faults=(note, *kept, *faults, *lenient.faults))


def _run(data: DumpData, connection: Connection) -> Iterator[_Waiting]:
    """Run the definitions, in their order and then again as long as that helps: files may stand in any order."""
    found = list(_definitions(data))
    yield from (each for each in found if each.error)
    waiting = [each for each in found if not each.error]
    with connection.cursor() as cursor:
        cursor.execute(_SESSION)
        while waiting:
            failed = []
            for each in waiting:
                try:
                    cursor.execute(each.sql)  # type: ignore[call-overload]  # bytes go through; the stubs say str
                except pymysql.MySQLError as error:
                    failed.append(replace(each, error=str(error.args[-1])))
            stuck = len(failed) == len(waiting)
            waiting = failed
            if stuck:
                break
    yield from waiting


def _definitions(data: DumpData) -> Iterator[_Waiting]:
    index, here = data.index, True
    others = [each.name for each in index.databases if each.name and each.name != data.entry.name]
    for number, part in enumerate(index.dump.parts):
        with part.open() as stream:
            for item in Reader(stream, Depth.LAYOUT, index.starts[number], part.delimiter).read():
                if not isinstance(item, Statement) or item.kind is not Kind.OTHER:
                    continue
                sql = unwrap(item.text)
                if sql[:4].upper() == b"USE ":
                    here = sql[4:].strip(b" `;\r\n\t").decode("utf-8", "replace") == data.entry.name
                head = b" ".join(sql[:40].upper().split()[:2])
                if here and head.startswith(_DEFINING) and not head.startswith(_NOT_HERE):
                    yield _Waiting(sql, item.start, reason_to_refuse(sql, others) or "")
