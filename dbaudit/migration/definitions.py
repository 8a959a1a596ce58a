"""The definitions of a database as text, and what changed from one reading to the next, a line for each difference.

Only what reads otherwise is parsed: a step changes a few tables of a hundred.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from dbaudit.schema.diff import diff
from dbaudit.schema.difference import Change, Difference, Kind
from dbaudit.schema.model import Schema
from dbaudit.schema.read import Definitions, LiveText, fetch, read_schema
from dbaudit.server.server import quoted

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

_NOTHING = LiveText(None, None, {}, {}, {}, {}, {})
_KINDS = ("tables", "views", "triggers", "routines", "events")


def read_definitions(connection: Connection, database: str) -> LiveText:
    """What the database's objects are now; nothing where it is not there any more."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", (database,))
        if cursor.fetchone() is None:
            return _NOTHING
    return fetch(connection, database)


def read_again(connection: Connection, database: str, before: LiveText, touched: frozenset[str]) -> LiveText:
    """As `read_definitions`, where only tables in `touched` (lower case) can be other ones than before."""
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_quote_show_create = 1, sql_mode = ''")
        cursor.execute(
            "SELECT TABLE_NAME FROM information_schema.TABLES"
            " WHERE TABLE_SCHEMA = %s AND TABLE_TYPE <> 'VIEW' ORDER BY 1",
            (database,),
        )
        tables: dict[str, str | None] = {}
        for (name,) in cursor.fetchall():
            if name in before.tables and name.lower() not in touched:
                tables[name] = before.tables[name]
            else:
                cursor.execute(f"SHOW CREATE TABLE {quoted(database)}.{quoted(name)}")
                tables[name] = str((cursor.fetchone() or ("", ""))[1])
    return replace(before, tables=tables)


def changed_tables(before: LiveText, after: LiveText) -> frozenset[str]:
    """Tables whose definition is another one, in lower case; those that came or went among them."""
    return frozenset(name.lower() for name in (*_changed(before.tables, after.tables),))


def differences(before: LiveText, after: LiveText) -> tuple[str, ...]:
    """A line for each difference, in the words of `describe`."""
    names = {kind: _changed(getattr(before, kind), getattr(after, kind)) for kind in _KINDS}
    left, right = _schema(before, names), _schema(after, names)
    return tuple(describe(each) for each in diff(left, right) if each.kind is not Kind.DATABASE)


def _changed(before: Mapping[str, str | None], after: Mapping[str, str | None]) -> list[str]:
    return [name for name in dict.fromkeys((*before, *after)) if before.get(name) != after.get(name)]


def _schema(text: LiveText, names: Mapping[str, list[str]]) -> Schema:
    def wanted(kind: str) -> Iterator[str]:
        found: Mapping[str, str | None] = getattr(text, kind)
        return (sql for name in names[kind] if (sql := found.get(name)) is not None)

    others = Definitions(*(list(wanted(kind)) for kind in _KINDS[1:]))
    return read_schema(None, text.charset, text.collation, list(wanted("tables")), others)


def describe(each: Difference) -> str:
    """`added column volumes.bootable`, `changed column volumes.size: type int(11) to bigint(20)`."""
    name = f"{each.table}.{each.name}" if each.table and each.kind is not Kind.TABLE and each.name else each.name
    what = f"{each.change} {each.kind} {name or each.table or ''}".rstrip()
    if each.change is Change.CHANGED:
        return f"{what}: {each.attribute} {_value(each.left)} to {_value(each.right)}"
    if each.change is Change.RENAMED:
        return f"{what}: now {each.right}"
    return what


def _value(value: str | None) -> str:
    return "none" if value is None else " ".join(value.split())[:80]
