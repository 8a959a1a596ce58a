"""The database that is repaired: connections for writing, what its server is, and why it may refuse to be repaired.

It holds no connection: `connect` opens one, in the session that every chunk runs in, and the caller closes it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.constants import CLIENT
from sqlalchemy import URL

from dbaudit.errors import DbauditError, UsageError
from dbaudit.repair import faults
from dbaudit.repair.journal import SCHEMA, Journal, journal_of
from dbaudit.server.server import Endpoint
from dbaudit.server.url import masked, read_url
from dbaudit.server.version import ServerVersion, parse_version

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# Strict, so that no value is cut in silence; zero dates and zero counters that are there must survive all the same.
SQL_MODE = "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO"
# Seconds that a statement waits for a row lock. Short: a service that waits for us is worse off than a retry of ours.
LOCK_WAIT = 3


@dataclass(frozen=True, slots=True)
class Identity:
    """Which server answers: its own uuid, or where there is none what tells it from others."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Target:
    """A live database, its server, and the schema of the journal beside it."""

    url: URL = field(repr=False)
    database: str
    journal: Journal
    version: ServerVersion
    identity: Identity
    account: str
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def shown(self) -> str:
        """The URL as it may be shown."""
        return self.url.render_as_string(hide_password=True)

    @property
    def galera(self) -> bool:
        """Whether the server is a node of a Galera cluster."""
        return self.variables.get("wsrep_on", "OFF").upper() in ("ON", "1")

    def connect(self) -> Connection:
        """A connection without autocommit, READ COMMITTED, UTC, all values as text. Raises pymysql's errors."""
        connection = connect(self.url, self.database)
        with connection.cursor() as cursor:
            if self.galera:  # another node's last writes are seen
                cursor.execute("SET SESSION wsrep_sync_wait = 1")
            if "range_optimizer_max_mem_size" in self.variables:  # beyond it MySQL reads the table for a list of keys
                cursor.execute("SET SESSION range_optimizer_max_mem_size = 0")
        return connection

    @contextlib.contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection while the block runs; what the server says against it is a DbauditError."""
        try:
            with contextlib.closing(self.connect()) as connection:
                yield connection
        except (pymysql.MySQLError, OSError) as error:
            raise self.failure(error) from error

    def failure(self, error: BaseException) -> DbauditError:
        """What to tell when `error` came from this server."""
        if faults.is_denied(error):
            return faults.denied(error, self.database, self.journal.schema, self.account)
        if faults.is_read_only(error):
            return DbauditError(f"{self.shown} is read-only: {faults.text_of(error)}", "name the primary's URL")
        return DbauditError(f"{self.shown}: {faults.text_of(error)}")


def connect(url: URL, database: str) -> Connection:
    """The session that everything of a repair runs in."""
    where = read_url(url.render_as_string(hide_password=False))
    options: dict[str, Any] = {**where.options, "client_flag": CLIENT.FOUND_ROWS}
    endpoint = Endpoint(where.admin, where.socket, where.address, where.host, options)
    connection = endpoint.connect(endpoint.admin, database)
    connection.decoders = {}  # values as the server writes them: keys go back as they came
    with connection.cursor() as cursor:
        cursor.execute(
            "SET SESSION sql_mode = %s, time_zone = '+00:00', innodb_lock_wait_timeout = %s, autocommit = 0",
            (SQL_MODE, LOCK_WAIT),
        )
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    return connection


def open_target(url: URL, journal: str = SCHEMA) -> Target:
    """The target at a complete URL. Raises UsageError where it names no database, DbauditError where it is not there.

    Reads only; `refusals` says what stands against writing.
    """
    if not url.database:
        raise UsageError(
            f"{masked(str(url))} names no database", "write it behind the host: mysql+pymysql://user@host/cinder"
        )
    try:
        with contextlib.closing(connect(url, url.database)) as connection, connection.cursor() as cursor:
            variables = _variables(cursor)
            cursor.execute("SELECT CURRENT_USER()")
            user, _, host = str((cursor.fetchone() or ("@",))[0]).rpartition("@")
    except (pymysql.MySQLError, OSError, RuntimeError) as error:
        hint = "give a password with --ask-password or --defaults-file" if faults.number_of(error) == 1045 else ""
        raise DbauditError(
            f"cannot open {url.render_as_string(hide_password=True)}: {faults.text_of(error)}", hint
        ) from error
    return Target(
        url,
        url.database,
        journal_of(journal, url.database),
        parse_version(variables["version"]),
        identity_of(variables),
        f"'{user}'@'{host}'",
        variables,
    )


def _variables(cursor: Any) -> dict[str, str]:
    cursor.execute("SHOW GLOBAL VARIABLES")
    return {str(name): str(value) for name, value in cursor.fetchall()}


def identify(connection: Connection) -> Identity:
    """Which server this connection leads to."""
    with connection.cursor() as cursor:
        return identity_of(_variables(cursor))


def identity_of(variables: Mapping[str, str]) -> Identity:
    """MySQL has a uuid; MariaDB is told by host, port, server id and data directory."""
    if uuid := variables.get("server_uuid"):
        return Identity(uuid)
    return Identity(":".join(variables.get(name, "") for name in ("hostname", "port", "server_id", "datadir")))
