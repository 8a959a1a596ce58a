"""A side from a live database: SHOW CREATE of everything, in one session that writes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pymysql
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from dbaudit.comparison.lenient import Lenient
from dbaudit.comparison.side import Side
from dbaudit.errors import DbauditError, UsageError
from dbaudit.migration.standing import Versions, versions_of
from dbaudit.schema.read import fetch
from dbaudit.schema.text import name as quoted
from dbaudit.server.url import read_url

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

_BOOKS = ("migrate_version", "alembic_version")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a URL leaves open: options of an option file, and a password that was asked for."""

    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    password: str | None = field(default=None, repr=False)


def read_live_side(text: str, what: str, database: str | None, credentials: Credentials, shown: str = "") -> Side:
    """The side of a live database at a SQLAlchemy URL; `shown` is another name for it.

    Raises UsageError where the URL is none of MySQL or names no database, DbauditError where the server refuses.
    """
    url = complete(parse(text), credentials)
    name = database or url.database
    shown = shown or url.render_as_string(hide_password=True)
    if not name:
        raise UsageError(f"{shown} names no database", "write it behind the host: mysql+pymysql://user@host/nova")
    live = LiveData(url.set(database=name), shown)
    with live.connected() as connection, connection.cursor() as cursor:
        if not cursor.execute("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", (name,)):
            raise DbauditError(f"{shown}: there is no database {name}, or the account may not see it")
        cursor.execute("SELECT VERSION()")
        server = str((cursor.fetchone() or ("",))[0])
        lenient = Lenient(lambda kind, name, at: None)
        schema = lenient.read(name, fetch(connection, name))
        versions = _versions(connection, {table for table in _BOOKS if table in schema.tables})
    return Side(shown, what, schema, versions=versions, server=server, faults=tuple(lenient.faults), data=live)


def parse(text: str) -> URL:
    """A SQLAlchemy URL. Raises UsageError without showing it: it may hold a password."""
    try:
        return make_url(text)
    except (ArgumentError, ValueError) as error:
        raise UsageError(
            "the URL of the database cannot be read", "write it as mysql+pymysql://USER@HOST:PORT/DATABASE"
        ) from error


def complete(url: URL, credentials: Credentials) -> URL:
    """The URL with what it leaves open: the user, then the password, then where the server is."""
    options = credentials.options
    if url.username is None and "user" in options:
        url = url.set(username=options["user"])
    if credentials.password is not None:
        url = url.set(password=credentials.password)
    elif url.password is None and "password" in options:
        url = url.set(password=options["password"])
    if not url.host and "unix_socket" not in url.query:
        if "unix_socket" in options and "host" not in options:
            return url.set(host="localhost").update_query_dict({"unix_socket": options["unix_socket"]})
        url = url.set(host=options.get("host", "localhost"))
        if url.port is None and "port" in options:
            url = url.set(port=int(options["port"]))
    return url


def _versions(connection: Connection, tables: set[str]) -> Versions:
    rows: dict[str, list[dict[str, object]]] = {table: [] for table in _BOOKS}
    for table in tables:
        with connection.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute(f"SELECT * FROM {quoted(table)}")
            rows[table] = [dict(row) for row in cursor.fetchall()]
    try:
        return versions_of(rows["migrate_version"], rows["alembic_version"])
    except (KeyError, ValueError):
        return Versions()  # a table of that name that is not the tool's


@dataclass(frozen=True, slots=True)
class LiveData:
    """The rows of a live database; each reading opens a connection of its own."""

    url: URL = field(repr=False)
    shown: str

    def connect(self) -> Connection:
        """A connection in a session that may only read; the caller closes it. Raises pymysql's errors."""
        endpoint = read_url(self.url.render_as_string(hide_password=False))
        connection = endpoint.connect(endpoint.admin, self.url.database)
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
        return connection

    @contextlib.contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection in a session that may only read. What the server says against it is a DbauditError."""
        try:
            with contextlib.closing(self.connect()) as connection:
                yield connection
        except (pymysql.MySQLError, OSError, RuntimeError) as error:
            said = error.args[-1] if error.args else repr(error)
            hint = "give a password with --ask-password or --defaults-file" if _denied(error) else ""
            raise DbauditError(f"cannot read {self.shown}: {said}", hint) from error

    def size(self, table: str) -> int | None:
        """The server's own estimate of the bytes of the table's rows."""
        with self.connected() as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT DATA_LENGTH, EXISTS (SELECT 1 FROM " + quoted(table) + ") FROM information_schema.TABLES"
                " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s",
                (table,),
            )
            row = cursor.fetchone()
        return int(row[0] or 1) if row and row[1] else None

    def values(self, table: str, columns: tuple[str, ...]) -> Iterator[tuple[object, ...]]:
        """The values of these columns, row by row."""
        names = ", ".join(quoted(column) for column in columns)
        with self.connected() as connection, connection.cursor(pymysql.cursors.SSCursor) as cursor:
            connection.decoders = {}  # text as the server writes it, as in a dump: no dates and durations of Python's
            cursor.execute(f"SELECT {names} FROM {quoted(table)}")
            yield from cursor


def _denied(error: Exception) -> bool:
    return bool(error.args) and error.args[0] == 1045
