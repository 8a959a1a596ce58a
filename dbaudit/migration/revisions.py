"""Which revisions a step applied, in order, as the database saw it: what tools log differs by tool and release.

While a step runs, triggers on the tables that record versions (`migrate_version`, `alembic_version` and its kin) note
each change in a schema that the migrating account has no right on. Comparing before and after would not do: Alembic
updates one row in place, so that of two revisions only the last would be seen, and the order of several branches is
nowhere. Notes are in InnoDB and in the step's own transaction, so what is rolled back is not reported. Triggers and
schema are gone before anything else looks at the database. Where a trigger cannot be had (the table does not exist
yet, another trigger is in the way on MySQL 5.6, a server that demands SUPER) before and after are compared.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pymysql

from dbaudit.migration.catalogue import repository, repository_id
from dbaudit.server.server import Server, quoted

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

    from dbaudit.server.server import Connection

# Seconds to wait for a table that a killed step still holds: the server undoes what it was doing first.
_LOCK_WAIT = 600
_ALEMBIC = re.compile(r"alembic.*version.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Book:
    """A table that records versions: the columns for the repository (None for Alembic) and for the version."""

    table: str
    repository: str | None
    version: str


def books(connection: Connection, database: str, others: Sequence[str] = ()) -> tuple[Book, ...]:
    """The tables of a schema that record versions, in order of their names; `others` are tables that Alembic uses."""
    with connection.cursor() as cursor:
        # Names alone, and one table at a time: for a join over COLUMNS servers open every table of every schema.
        cursor.execute("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s", (database,))
        found = []
        for (table,) in sorted(cursor.fetchall()):
            version = "version" if table == "migrate_version" else "version_num"
            if (table == "migrate_version" or _ALEMBIC.fullmatch(table) or table in others) and _has(
                cursor, database, table, version
            ):
                found.append(Book(table, "repository_id" if table == "migrate_version" else None, version))
        return tuple(found)


def _has(cursor: Cursor, database: str, table: str, column: str) -> bool:
    """Whether that is a table, no view, with such a column."""
    cursor.execute(
        "SELECT 1 FROM information_schema.COLUMNS c JOIN information_schema.TABLES t"
        " ON t.TABLE_SCHEMA = %s AND t.TABLE_NAME = %s AND t.TABLE_TYPE = 'BASE TABLE'"
        " WHERE c.TABLE_SCHEMA = %s AND c.TABLE_NAME = %s AND c.COLUMN_NAME = %s",
        (database, table, database, table, column),
    )
    return cursor.fetchone() is not None


def standing(connection: Connection, database: str, others: Sequence[str] = ()) -> tuple[str, ...]:
    """What the tables record now, sorted: Alembic revisions as they are, numbers as `cinder:11`."""
    found: list[str] = []
    with connection.cursor() as cursor:
        for book in books(connection, database, others):
            columns = f"{quoted(book.repository) if book.repository else 'NULL'}, {quoted(book.version)}"
            cursor.execute(f"SELECT {columns} FROM {quoted(database)}.{quoted(book.table)}")
            found += [_name(*row) for row in cursor.fetchall()]
    return tuple(sorted(found))


def set_version(connection: Connection, database: str, name: str, number: int, *, begin: bool = False) -> None:
    """Raise the number of a repository, by its name in step ids, in migrate_version.

    Where it has no row: nothing, or one is made (`begin`), as a tool does when a repository of it appears.
    """
    with connection.cursor() as cursor:
        for book in books(connection, database):
            if book.repository is None:
                continue
            place = f"{quoted(database)}.{quoted(book.table)}"
            cursor.execute(f"SELECT repository_id FROM {place}")
            own = [each for (each,) in cursor.fetchall() if repository(each) == name]
            for each in own:
                cursor.execute(
                    f"UPDATE {place} SET version = %s WHERE repository_id = %s AND version < %s", (number, each, number)
                )
            if begin and not own:
                row = (repository_id(name), name, number)
                sql = f"INSERT INTO {place} (repository_id, repository_path, version) VALUES (%s, %s, %s)"
                cursor.execute(sql, row)


class RevisionWatch:
    """Notes the revisions that are applied to a schema while it is entered; ask `applied` before leaving."""

    def __init__(self, server: Server, database: str, others: Sequence[str] = ()) -> None:
        self._server = server
        self._others = tuple(others)
        self._database = database
        self._notes = f"dbaudit_watch_{secrets.token_hex(6)}"
        self._triggers: list[str] = []
        self._before: frozenset[str] = frozenset()

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def applied(self) -> tuple[str, ...]:
        """The revisions in the order in which they were applied; those that only a comparison shows come last."""
        with self._admin() as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT repository, version FROM {quoted(self._notes)}.seen ORDER BY id")
            noted = [_name(*row) for row in cursor.fetchall()]
            now = standing(connection, self._database, self._others)
        return tuple(dict.fromkeys([*noted, *(name for name in now if name not in self._before)]))

    def standing(self) -> tuple[str, ...]:
        """What the tables record now; see the function of this name."""
        with self._admin() as connection:
            return standing(connection, self._database, self._others)

    def _begin(self) -> None:
        with self._admin() as connection, connection.cursor() as cursor:
            self._before = frozenset(standing(connection, self._database, self._others))
            cursor.execute(f"CREATE DATABASE {quoted(self._notes)} CHARACTER SET utf8mb4")
            cursor.execute(
                f"CREATE TABLE {quoted(self._notes)}.seen (id INT AUTO_INCREMENT PRIMARY KEY,"
                " repository VARCHAR(255), version VARCHAR(255)) ENGINE=InnoDB"
            )
            for book in books(connection, self._database, self._others):
                for event in ("INSERT", "UPDATE"):
                    name = f"{self._notes}_{len(self._triggers)}"
                    # No trigger, no notes: the comparison has to do.
                    with contextlib.suppress(pymysql.MySQLError):
                        cursor.execute(self._trigger(name, event, book))
                        self._triggers.append(name)

    def _trigger(self, name: str, event: str, book: Book) -> str:
        new = f"NEW.{quoted(book.version)}"
        changed = f" WHERE NOT (OLD.{quoted(book.version)} <=> {new})" if event == "UPDATE" else ""
        source = f"NEW.{quoted(book.repository)}" if book.repository else "NULL"
        place = quoted(self._database)
        return (
            f"CREATE TRIGGER {place}.{quoted(name)} AFTER {event} ON {place}.{quoted(book.table)} FOR EACH ROW"
            f" INSERT INTO {quoted(self._notes)}.seen (repository, version) SELECT {source}, {new} FROM DUAL{changed}"
        )

    def _end(self) -> None:
        try:
            with self._admin() as connection, connection.cursor() as cursor:
                cursor.execute(f"SET SESSION lock_wait_timeout = {_LOCK_WAIT}")
                for name in self._triggers:
                    # The step may have dropped the table, and the trigger with it.
                    cursor.execute(f"DROP TRIGGER IF EXISTS {quoted(self._database)}.{quoted(name)}")
                cursor.execute(f"DROP DATABASE IF EXISTS {quoted(self._notes)}")
        except pymysql.MySQLError as error:
            raise self._server.failure(error) from error

    @contextlib.contextmanager
    def _admin(self) -> Iterator[Connection]:
        with contextlib.closing(self._server.admin()) as connection:
            yield connection


def _name(repository_id: str | None, version: object) -> str:
    return str(version) if repository_id is None else f"{repository(repository_id)}:{version}"
