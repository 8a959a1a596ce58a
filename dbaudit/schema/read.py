"""A schema from text or from a live server; both go through the same readers.

What a dump is and where its statements lie is not known here: callers pass the statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from dbaudit.schema.definition import read_table
from dbaudit.schema.model import Schema
from dbaudit.schema.routines import read_event, read_routine, read_trigger, read_view
from dbaudit.schema.text import name as quoted

__all__ = ["Definitions", "LiveText", "fetch", "read_live", "read_schema", "read_table"]


@dataclass(frozen=True, slots=True)
class Definitions:
    """CREATE statements other than those of tables, as text."""

    views: Iterable[str] = ()
    triggers: Iterable[str] = ()
    routines: Iterable[str] = ()
    events: Iterable[str] = ()


def read_schema(
    name: str | None,
    charset: str | None,
    collation: str | None,
    creates: Iterable[str],
    others: Definitions | None = None,
) -> Schema:
    """The schema of CREATE TABLE statements and of the other definitions of one database.

    `charset` and `collation` are the database's defaults, None where nobody said. Raises DbauditError for
    text that is no definition of its kind.
    """
    others = others or Definitions()
    tables = (read_table(create) for create in creates if create)
    routines = (read_routine(sql) for sql in others.routines)
    return Schema(
        name=name,
        charset=charset,
        collation=collation,
        tables={table.name: table for table in tables},
        views=_by_name(read_view(sql) for sql in others.views),
        triggers=_by_name(read_trigger(sql) for sql in others.triggers),
        routines={f"{routine.kind} {routine.name}": routine for routine in routines},
        events=_by_name(read_event(sql) for sql in others.events),
    )


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Object = TypeVar("_Object", bound=_Named)


def _by_name(objects: Iterable[_Object]) -> dict[str, _Object]:
    return {each.name: each for each in objects}


class Cursor(Protocol):
    """What is used of a cursor of a MySQL driver."""

    def execute(self, query: str, args: object = ...) -> object: ...
    def fetchall(self) -> Any: ...
    def fetchone(self) -> Any: ...


class Connection(Protocol):
    """What is used of a connection of a MySQL driver, with plain tuples as rows."""

    def cursor(self) -> Any: ...


# Names in backticks, options printed: what mysqldump asks for too.
_MODE = "SET SESSION sql_quote_show_create = 1, sql_mode = ''"


@dataclass(frozen=True, slots=True)
class LiveText:
    """What a server says of a database: its defaults, and CREATE statements by the names of their objects.

    A statement is None where the account may not see it.
    """

    charset: str | None
    collation: str | None
    tables: Mapping[str, str | None]
    views: Mapping[str, str | None]
    triggers: Mapping[str, str | None]
    routines: Mapping[str, str | None]
    events: Mapping[str, str | None]
    lower_case_table_names: int | None = None


def read_live(connection: Connection, database: str) -> Schema:
    """The schema of a database on a live server. The session's sql_mode is put back afterwards."""
    text = fetch(connection, database)

    def known(statements: Mapping[str, str | None]) -> list[str]:
        return [sql for sql in statements.values() if sql is not None]

    others = Definitions(known(text.views), known(text.triggers), known(text.routines), known(text.events))
    schema = read_schema(database, text.charset, text.collation, known(text.tables), others)
    return replace(schema, lower_case_table_names=text.lower_case_table_names)


def fetch(connection: Connection, database: str) -> LiveText:
    """What `read_live` reads, unread. The session's sql_mode is put back afterwards."""
    cursor = connection.cursor()
    cursor.execute("SELECT @@SESSION.sql_mode")
    mode = cursor.fetchone()[0]
    cursor.execute(_MODE)
    try:
        return _fetch(cursor, database)
    finally:
        cursor.execute("SET SESSION sql_mode = %s", (mode,))


def _fetch(cursor: Cursor, database: str) -> LiveText:
    cursor.execute(
        "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA"
        " WHERE SCHEMA_NAME = %s",
        (database,),
    )
    charset, collation = cursor.fetchone() or (None, None)
    cursor.execute("SELECT @@GLOBAL.lower_case_table_names")
    folding = int(cursor.fetchone()[0])
    cursor.execute(f"SHOW FULL TABLES FROM {quoted(database)}")
    kinds: Mapping[str, str] = dict(cursor.fetchall())
    views = sorted(each for each, kind in kinds.items() if kind == "VIEW")
    tables = sorted(each for each, kind in kinds.items() if kind in ("BASE TABLE", "SYSTEM VERSIONED"))
    # A view or trigger prints the names of its own database bare only where that is the default one.
    cursor.execute(f"USE {quoted(database)}")
    others = _names(cursor, database)
    return LiveText(
        charset=charset,
        collation=collation,
        views={view: _show(cursor, "VIEW", view, 1) for view in views},
        triggers={each: _show(cursor, "TRIGGER", each, 2) for each in others["TRIGGER"]},
        routines={
            f"{kind} {each}": _show(cursor, kind, each, 2)
            for kind in ("PROCEDURE", "FUNCTION")
            for each in others[kind]
        },
        events={each: _show(cursor, "EVENT", each, 3) for each in others["EVENT"]},
        tables={table: _show(cursor, "TABLE", table, 1) for table in tables},
        lower_case_table_names=folding,
    )


_OTHERS = (
    "SELECT 'TRIGGER', TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %(database)s UNION ALL "
    "SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %(database)s UNION ALL "
    "SELECT 'EVENT', EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %(database)s"
)


def _names(cursor: Cursor, database: str) -> Mapping[str, list[str]]:
    """The names of triggers, routines and events, by kind."""
    cursor.execute(_OTHERS, {"database": database})
    found: dict[str, list[str]] = {kind: [] for kind in ("TRIGGER", "PROCEDURE", "FUNCTION", "EVENT")}
    for kind, name in cursor.fetchall():
        found.setdefault(kind, []).append(name)
    return {kind: sorted(names) for kind, names in found.items()}


def _show(cursor: Cursor, kind: str, name: str, place: int) -> str | None:
    cursor.execute(f"SHOW CREATE {kind} {quoted(name)}")
    text = cursor.fetchone()[place]
    return None if text is None else str(text)
