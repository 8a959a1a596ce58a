"""Addresses of other databases and message brokers inside restored data, made harmless before any step runs.

`nova-manage db sync` connects to every cell that nova_api's `cell_mappings` names: in a restored dump these are
production's. A URL of a database that was restored too is rewritten to its copy; any other, and every broker's,
to an address that the standard reserves for examples and no network routes.

Grizzly's `cells` has no URL but columns: there `rpc_host` is rewritten, and user, password and port are kept, so that
nova 200, which puts them together into `transport_url`, has real rows to work on and still leads nowhere.

Columns are found by their names in every restored schema, so that shadow tables and forks are covered.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pymysql

from dbaudit.errors import DbauditError
from dbaudit.server.server import Server, quoted

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# TEST-NET-1 of RFC 5737, and a port that nothing serves.
UNROUTABLE = "192.0.2.1"
_PORT = 1
_DATABASE = ("database_connection",)
_BROKER = ("transport_url",)
_HOST = ("rpc_host",)
# A broker that is none: cell0 has it. It reaches nothing and has a meaning.
_NONE = re.compile(r"none:", re.I)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A value that was replaced: where (`nova_api.cell_mappings.database_connection`), in how many rows, and by what.

    Passwords are masked in both.
    """

    place: str
    before: str
    after: str
    rows: int

    def __str__(self) -> str:
        return f"{self.place}: {self.before} is now {self.after}"


def rewrite_endpoints(
    server: Server, restored: Mapping[str, str], url_of: Callable[[str], str]
) -> tuple[Rewritten, ...]:
    """Rewrite every address in the restored schemas and say which; in order of schema, table, column.

    `restored` maps a database's name in the dump to its schema on the server; `url_of` gives the URL of a schema
    there, for an account with rights on it (Door.url). Raises DbauditError where a value cannot be replaced: then no
    step may run.
    """
    done: list[Rewritten] = []
    with contextlib.closing(server.admin()) as connection:
        with connection.cursor() as cursor:
            # MySQL 5.6 would cut an address that is too long for its column, and the rest may lead anywhere.
            cursor.execute("SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES')")
        for schema in sorted(set(restored.values())):
            for table, column in _columns(connection, schema):
                for value in _values(connection, schema, table, column):
                    new = _replacement(column, value, restored, url_of)
                    if new is not None and new != value:
                        done.append(_replace(connection, (schema, table, column), value, new))
    return tuple(done)


def _columns(connection: Connection, schema: str) -> list[tuple[str, str]]:
    names = (*_DATABASE, *_BROKER, *_HOST)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.TABLE_NAME, c.COLUMN_NAME FROM information_schema.COLUMNS c JOIN information_schema.TABLES t"
            " ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME AND t.TABLE_TYPE = 'BASE TABLE'"
            f" WHERE c.TABLE_SCHEMA = %s AND c.COLUMN_NAME IN ({', '.join(['%s'] * len(names))}) ORDER BY 1, 2",
            (schema, *names),
        )
        return [(table, column.lower()) for table, column in cursor.fetchall()]


def _values(connection: Connection, schema: str, table: str, column: str) -> list[str]:
    name = quoted(column)
    with connection.cursor() as cursor:
        # Told apart as bytes: two URLs that differ in case alone are two.
        cursor.execute(
            f"SELECT DISTINCT CAST({name} AS BINARY) FROM {quoted(schema)}.{quoted(table)}"
            f" WHERE {name} <> '' ORDER BY 1"
        )
        return [value.decode("utf-8", "surrogateescape") for (value,) in cursor.fetchall()]


def _replacement(column: str, value: str, restored: Mapping[str, str], url_of: Callable[[str], str]) -> str | None:
    """What stands there afterwards, or None where the value reaches nothing."""
    if column in _HOST:
        return UNROUTABLE
    scheme, separator, _ = value.partition("://")
    if column in _BROKER:
        # Whole, since a broker's URL can name many hosts; none of its parts is needed.
        return None if _NONE.match(value) else f"{scheme if separator else 'rabbit'}://{UNROUTABLE}:{_PORT}/"
    # Behind the last `@`, since a password may hold a slash; and not by a URL parser: nova allows `{port}`.
    place = value.rpartition("@")[2] if "@" in value else value.partition("://")[2]
    name = unquote(place.partition("/")[2].partition("?")[0])
    # A second run finds the schema's own name in what the first run wrote.
    schema = restored.get(name, name if name in restored.values() else None)
    if schema is not None:
        return url_of(schema)
    return f"mysql+pymysql://{UNROUTABLE}:{_PORT}/{name if name.isidentifier() else ''}"


def _replace(connection: Connection, place: tuple[str, str, str], old: str, new: str) -> Rewritten:
    schema, table, column = place
    where = f"{schema}.{table}.{column}"
    name = quoted(column)
    try:
        with connection.cursor() as cursor:
            rows = cursor.execute(
                f"UPDATE {quoted(schema)}.{quoted(table)} SET {name} = %s WHERE CAST({name} AS BINARY) = %s",
                (new, old.encode("utf-8", "surrogateescape")),
            )
    except pymysql.MySQLError as error:
        raise DbauditError(
            f"an address in restored data could not be made harmless, so no step can run: {where}: {error.args[-1]}",
            "please report this; without a runner the dry-run still predicts",
        ) from error
    return Rewritten(where, _masked(old), _masked(new), rows)


def _masked(url: str) -> str:
    """The address without user, password and options. All before the last `@` goes, whatever is in the password."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "***" if "@" in url else url
    user, at, place = rest.rpartition("@")
    return f"{scheme}://{'***@' if user or at else ''}{place.partition('?')[0]}"
