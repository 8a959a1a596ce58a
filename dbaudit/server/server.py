"""A throwaway server, however it was had: accounts on it, connections to it, schemas in it.

It is deliberately not a pool and holds no connection of its own: every call opens one and the caller closes it.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pymysql

from dbaudit.errors import DbauditError
from dbaudit.server import disk
from dbaudit.server.version import ServerVersion
from dbaudit.server.wire import Wire

if TYPE_CHECKING:
    from pymysql.cursors import Cursor
    from sqlalchemy import URL

    Connection = pymysql.Connection[Cursor]

# Seconds until a connection attempt is given up. A server on this machine answers in milliseconds; one that is
# busy with a restore may take some seconds.
CONNECT_TIMEOUT = 10
# Characters of a schema in the servers' table of rights.
_GRANT_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Account:
    """A user and its password; the password is not shown."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How a server is reached: by a socket or by (host, port), and what else a connection needs (TLS).

    `host` is the host part of the accounts that are made on it.
    """

    admin: Account
    socket: Path | None = None
    address: tuple[str, int] | None = None
    host: str = "localhost"
    options: Mapping[str, Any] = field(default_factory=dict)

    def connect(self, account: Account, database: str | None = None) -> Connection:
        """A connection in autocommit mode, utf8mb4; raises pymysql's errors."""
        where: dict[str, Any] = {"unix_socket": str(self.socket), "ssl_disabled": True} if self.socket else {}
        if self.address and not self.socket:
            where = {"host": self.address[0], "port": self.address[1]}
        return Wire(
            user=account.user,
            password=account.password,
            database=database,
            autocommit=True,
            charset="utf8mb4",
            connect_timeout=CONNECT_TIMEOUT,
            **{**where, **self.options},
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """A server that outlives dbaudit: the commands that connect to it and that end it. No password is in them."""

    connect: str
    stop: str


def client_options(path: Path, endpoint: Endpoint) -> Path:
    """An option file for client programs, readable by us alone."""
    path.touch(mode=0o600)
    lines = ["[client]", f"user={endpoint.admin.user}", f"password={endpoint.admin.password}"]
    if endpoint.socket:
        lines.append(f"socket={endpoint.socket}")
    elif endpoint.address:
        lines += [f"host={endpoint.address[0]}", f"port={endpoint.address[1]}", "protocol=tcp"]
    path.write_text("\n".join([*lines, ""]))
    return path


class Server(ABC):
    """A throwaway server that dbaudit may fill, change and forget.

    `label` is for people; `directory` is the folder that holds its data where that is on this machine.
    """

    kind: str

    def __init__(
        self, *, label: str, version: ServerVersion, endpoint: Endpoint, directory: Path | None = None
    ) -> None:
        self.label = label
        self.version = version
        self.directory = directory
        self._endpoint = endpoint
        self._accounts: dict[frozenset[str], Account] = {}

    @property
    def socket(self) -> Path | None:
        """The server's unix socket, where it has one on this machine."""
        return self._endpoint.socket

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port, where it is reached by network."""
        return self._endpoint.address

    def admin(self, database: str | None = None) -> Connection:
        """A connection with all rights, autocommit."""
        return self.connect(self._endpoint.admin, database)

    def connect(self, account: Account, database: str | None = None) -> Connection:
        """A connection of `account`, autocommit. A server that does not answer is a DbauditError."""
        try:
            return self._endpoint.connect(account, database)
        except pymysql.OperationalError as error:
            raise self.failure(error) from error

    def url(self, account: Account, database: str) -> URL:
        """The SQLAlchemy URL of `database` for `account`; it holds the password."""
        from sqlalchemy import URL

        socket, (host, port) = self.socket, self.address or ("localhost", None)
        return URL.create(
            "mysql+pymysql",
            username=account.user,
            password=account.password,
            host="localhost" if socket else host,
            port=None if socket else port,
            database=database,
            query={"unix_socket": str(socket)} if socket else {},
        )

    def restricted(self, databases: Sequence[str]) -> Account:
        """An account with every right on exactly these schemas and none beside them; they need not exist yet.

        The same set of names gives the same account. It is the boundary that a hostile dump meets.
        """
        key = frozenset(databases)
        if key not in self._accounts:
            digest = hashlib.sha256("\0".join(sorted(key)).encode()).hexdigest()
            # 16 characters are what MySQL 5.6 allows in a user name.
            account = Account(f"dbaudit_{digest[:8]}", new_password())
            self._make_account(account, sorted(key))
            self._accounts[key] = account
        return self._accounts[key]

    def _make_account(self, account: Account, databases: Sequence[str]) -> None:
        with contextlib.closing(self.admin()) as connection, connection.cursor() as cursor:
            who = (account.user, self._endpoint.host)
            cursor.execute("CREATE USER %s@%s IDENTIFIED BY %s", (*who, account.password))
            for database in databases:
                # The parameter style of PyMySQL: a literal % is doubled.
                cursor.execute(f"GRANT ALL ON {grant_pattern(database).replace('%', '%%')}.* TO %s@%s", who)

    def create_database(self, name: str, charset: str | None = None, collation: str | None = None) -> None:
        """Create an empty schema; what is not given is the server's default. It must not exist yet."""
        options = (f" CHARACTER SET {quoted(charset)}" if charset else "") + (
            f" COLLATE {quoted(collation)}" if collation else ""
        )
        try:
            self._execute(f"CREATE DATABASE {quoted(name)}{options}")
        except pymysql.MySQLError as error:
            raise DbauditError(
                f"cannot create the schema {name} on {self.label}: {error.args[-1]}",
                "drop it there if it is left over from an earlier run",
            ) from error

    def drop_database(self, name: str) -> None:
        """Drop a schema, if it is there."""
        self._execute(f"DROP DATABASE IF EXISTS {quoted(name)}")

    def _execute(self, *statements: str) -> None:
        with contextlib.closing(self.admin()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def failure(self, error: Exception) -> DbauditError:
        """What to tell when `error` came from this server: full disk, died (with its log), or what it said."""
        said = f"{error.args[-1]}" if error.args else repr(error)
        tail = self.log_tail()
        if disk.tells_full(f"{said}\n{tail}"):
            return disk.full_error(self.directory)
        log = f"\nits log ends with:\n{tail}" if tail else ""
        return DbauditError(f"{self.label} does not answer: {said}{log}")

    def alive(self) -> bool:
        """Whether it answers a query."""
        with contextlib.suppress(DbauditError, pymysql.MySQLError), contextlib.closing(self.admin()) as connection:
            connection.ping(reconnect=False)
            return True
        return False

    def keep(self) -> Kept:
        """Have it stay when it is closed. Raises DbauditError for one that cannot."""
        raise DbauditError(f"{self.label} cannot be kept", "use --server private, or a server marked as throwaway")

    @abstractmethod
    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the server's log, as text; empty where it cannot be read."""

    @abstractmethod
    def close(self) -> None:
        """Throw it away, or take away what was made on it. May be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def new_password() -> str:
    """A random password that any password policy accepts."""
    return f"{secrets.token_hex(16)}-Aa1"


def quoted(name: str) -> str:
    """A name between backticks."""
    return f"`{name.replace('`', '``')}`"


def grant_pattern(name: str) -> str:
    """A schema name for GRANT, where `_`, `%` and the backslash are a pattern unless escaped.

    The servers count the escapes as characters of the name, of which there may be 64.
    """
    pattern = name
    for character in "\\_%":
        pattern = pattern.replace(character, f"\\{character}")
    if len(pattern) > _GRANT_LIMIT:
        raise DbauditError(
            f"no account can be limited to the schema {name}: its name with escapes has more than 64 characters",
            "restore it under a shorter name",
        )
    return quoted(pattern)
