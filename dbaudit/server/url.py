"""A server of the operator's own, which its owner marked as throwaway.

dbaudit makes schemas and accounts on it and takes them away again; what it made is listed in the marker schema, so that
the next run takes away what a killed one left. It never stops the server and never touches another schema.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pymysql

from dbaudit.errors import DbauditError, UsageError
from dbaudit.server import occupied
from dbaudit.server.server import Account, Endpoint, Kept, Server, quoted
from dbaudit.server.version import parse_version

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

MARKER = "dbaudit_throwaway"
_TABLES = (
    f"CREATE DATABASE IF NOT EXISTS {MARKER} CHARACTER SET utf8mb4",
    f"CREATE TABLE IF NOT EXISTS {MARKER}.marked (at DATETIME NOT NULL, by_account VARCHAR(400) NOT NULL, "
    "by_person VARCHAR(400) NOT NULL) ENGINE=InnoDB",
    f"CREATE TABLE IF NOT EXISTS {MARKER}.made (kind VARCHAR(10) NOT NULL, name VARCHAR(150) NOT NULL, "
    "was VARCHAR(100) NOT NULL DEFAULT '', PRIMARY KEY (kind, name)) ENGINE=InnoDB COLLATE=utf8mb4_bin",
)
# What a rehearsal needs of the server as a whole: a dump's events must not run, its functions must be stored.
_SETTINGS = {"event_scheduler": "OFF", "local_infile": "OFF", "log_bin_trust_function_creators": "ON"}


class UrlServer(Server):
    """A server that is marked as throwaway, and was found to be nobody else's at the moment."""

    kind = "url"
    _kept = False

    def create_database(self, name: str, charset: str | None = None, collation: str | None = None) -> None:
        """Create an empty schema, to be dropped at the end. One that is there already is not ours: DbauditError."""
        with contextlib.closing(self.admin()) as connection:
            if not occupied.has_schema(connection, name):
                _record(connection, "schema", name)
        super().create_database(name, charset, collation)

    def drop_database(self, name: str) -> None:
        """Drop a schema that was made here, if it is there. Another one is refused with a DbauditError."""
        with contextlib.closing(self.admin()) as connection, connection.cursor() as cursor:
            made = cursor.execute(f"SELECT 1 FROM {MARKER}.made WHERE kind = 'schema' AND name = %s", (name,))
            if not made and occupied.has_schema(connection, name):
                raise DbauditError(f"the schema {name} on {self.label} is not of dbaudit's making", "drop it yourself")
        super().drop_database(name)

    def _make_account(self, account: Account, databases: Sequence[str]) -> None:
        with contextlib.closing(self.admin()) as connection:
            for name in databases:
                if not occupied.has_schema(connection, name):
                    _record(connection, "schema", name)  # the account may create it
            _record(connection, "account", account.user, self._endpoint.host)
        super()._make_account(account, databases)

    def keep(self) -> Kept:
        """Leave the schemas and accounts that were made, until the next dry-run on this server."""
        self._kept = True
        where = f"--socket={self.socket}" if self.socket else "--host={} --port={}".format(*(self.address or ("", "")))
        user = self._endpoint.admin.user
        return Kept(f"mysql {where} --user={user} --password", "nothing to do, the next dry-run on it clears it up")

    def log_tail(self, lines: int = 20) -> str:
        """Nothing: the log of such a server is its owner's."""
        return ""

    def close(self) -> None:
        """Drop the schemas and accounts that were made, and give the server its settings back."""
        if self._kept:
            return
        with contextlib.suppress(DbauditError, pymysql.MySQLError), contextlib.closing(self.admin()) as connection:
            _take_back(connection)
        self._accounts.clear()


def mark_throwaway(url: str) -> None:
    """Mark the server at `url` as throwaway. Raises DbauditError, saying why, where it is somebody's server."""
    endpoint = read_url(url)
    with _connected(endpoint, url) as connection:
        occupied.refuse_if_in_use(connection, masked(url))
        with connection.cursor() as cursor:
            for statement in _TABLES:
                cursor.execute(statement)
            cursor.execute(
                f"INSERT INTO {MARKER}.marked (at, by_account, by_person) VALUES (UTC_TIMESTAMP(), CURRENT_USER(), %s)",
                (_person(),),
            )


def start_url(url: str) -> UrlServer:
    """The server at `url`. Raises DbauditError, saying why, where it is not marked or is somebody's server."""
    endpoint = read_url(url)
    with _connected(endpoint, url) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT VERSION(), SUBSTRING_INDEX(USER(), '@', -1)")
            text, seen = cursor.fetchone() or ("", "")
        version = parse_version(str(text))
        if not occupied.has_schema(connection, MARKER):
            raise DbauditError(
                f"{masked(url)} ({version.name}) is not marked as throwaway, and a dry-run may destroy what is there",
                f"if nobody else needs this server: dbaudit server mark-throwaway {masked(url)}",
            )
        occupied.refuse_if_in_use(connection, masked(url))
        _take_back(connection)
        _change_settings(connection)
    if seen == "localhost":  # there, an anonymous user would come before an account of ours from anywhere
        endpoint = Endpoint(endpoint.admin, endpoint.socket, endpoint.address, "localhost", endpoint.options)
    where = endpoint.socket or "{}:{}".format(*(endpoint.address or ()))
    return UrlServer(label=f"throwaway {version.name} at {where}", version=version, endpoint=endpoint)


def read_url(url: str) -> Endpoint:
    """How to reach the server of a SQLAlchemy URL of mysql or mariadb; UsageError for another."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in ("mysql", "mariadb"):
            raise ValueError(parsed.get_backend_name())
        parsed = parsed.set(drivername="mysql+pymysql")
        _, options = parsed.get_dialect()().create_connect_args(parsed)
    except (SQLAlchemyError, ValueError, TypeError) as error:
        raise UsageError(
            "the URL of the server cannot be read, or is not one of MySQL or MariaDB",
            "write it as mysql+pymysql://USER:PASSWORD@HOST:PORT/",
        ) from error
    account = Account(str(options.pop("user", "root")), str(options.pop("password", "")))
    host, port = options.pop("host", "localhost"), int(options.pop("port", 3306))
    path = options.pop("unix_socket", None)
    for name in ("database", "charset", "client_flag"):
        options.pop(name, None)
    return Endpoint(account, Path(path) if path else None, None if path else (host, port), "%", options)


def masked(url: str) -> str:
    """A URL as it may be shown."""
    from sqlalchemy import make_url

    return make_url(url).render_as_string(hide_password=True)


@contextlib.contextmanager
def _connected(endpoint: Endpoint, url: str) -> Iterator[Connection]:
    try:
        connection = endpoint.connect(endpoint.admin)
    except (pymysql.MySQLError, OSError, RuntimeError) as error:
        raise DbauditError(
            f"cannot connect to {masked(url)}: {error.args[-1]}", "look at its host, port, socket, user and password"
        ) from error
    with contextlib.closing(connection):
        try:
            yield connection
        except pymysql.MySQLError as error:
            raise DbauditError(
                f"{masked(url)} refuses what is needed of a throwaway server: {error.args[-1]}",
                "use an account with all rights on it, such as root",
            ) from error


def _person() -> str:
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def _record(connection: Connection, kind: str, name: str, was: str = "") -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"REPLACE INTO {MARKER}.made (kind, name, was) VALUES (%s, %s, %s)", (kind, name, was))


def _change_settings(connection: Connection) -> None:
    with connection.cursor() as cursor:
        for name, wanted in _SETTINGS.items():
            cursor.execute("SHOW GLOBAL VARIABLES LIKE %s", (name,))
            row = cursor.fetchone()
            if row and row[1] not in (wanted, "DISABLED"):
                _record(connection, "setting", name, str(row[1]))
                cursor.execute(f"SET GLOBAL {name} = {wanted}")


def _take_back(connection: Connection) -> None:
    """Undo what is recorded as made, by this run or by one that was killed."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT kind, name, was FROM {MARKER}.made ORDER BY kind, name")
        for kind, name, was in cursor.fetchall():
            if kind == "schema":
                cursor.execute(f"DROP DATABASE IF EXISTS {quoted(name)}")
            elif kind == "account":
                with contextlib.suppress(pymysql.MySQLError):  # recorded, but never made
                    cursor.execute("DROP USER %s@%s", (name, was))
            else:
                cursor.execute(f"SET GLOBAL {name} = {was}")
            cursor.execute(f"DELETE FROM {MARKER}.made WHERE kind = %s AND name = %s", (kind, name))
