"""The journal: a schema of its own on the repaired server, with what was done and the lease.

Tables are made once, by `dbaudit journal init` or the first `--apply`; a chunk issues no DDL. Images of rows are in
`images`; this module has what is the same for every run.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pymysql

from dbaudit.errors import DbauditError
from dbaudit.repair import faults
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.repair.target import Target
    from dbaudit.server.server import Connection

SCHEMA, SAME = "dbaudit", "SAME"
# Of the journal's tables where they stand beside the data.
PREFIX = "dbaudit_"
# ROW_FORMAT=DYNAMIC and utf8mb4 are had on every supported server; the keys are short enough for any row format.
_END = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
TABLES = {
    "lease": (
        "name VARCHAR(64) NOT NULL PRIMARY KEY, number BIGINT NOT NULL, holder TEXT NULL, work VARCHAR(150) NULL, "
        "run BIGINT NULL, expires DATETIME(6) NULL"
    ),
    "run": (
        "run BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, work VARCHAR(150) NOT NULL, db VARCHAR(64) NOT NULL, "
        "fingerprint CHAR(64) NOT NULL, state VARCHAR(10) NOT NULL, started DATETIME(6) NOT NULL, "
        "ended DATETIME(6) NULL, cutoff DATETIME(6) NOT NULL, planned BIGINT NOT NULL, changed BIGINT NOT NULL, "
        "undoable TINYINT NOT NULL, details LONGTEXT NOT NULL"
    ),
    "chunk": (
        "run BIGINT NOT NULL, seq INT NOT NULL, part VARCHAR(64) NOT NULL, changed BIGINT NOT NULL, "
        "last_key LONGTEXT NULL, at DATETIME(6) NOT NULL, undone DATETIME(6) NULL, restored BIGINT NOT NULL DEFAULT 0, "
        "PRIMARY KEY (run, seq)"
    ),
    "image": (
        "run BIGINT NOT NULL, tbl VARCHAR(64) NOT NULL, images VARCHAR(64) NOT NULL, definition CHAR(64) NOT NULL, "
        "details LONGTEXT NOT NULL, PRIMARY KEY (run, tbl)"
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Journal:
    """Where the journal is: a schema, in which its tables may have to keep apart from others by a prefix."""

    schema: str
    prefix: str = ""

    def name(self, name: str) -> str:
        """A table's name."""
        return f"{self.prefix}{name}"

    def table(self, name: str) -> str:
        """A table as statements name it."""
        return f"{quoted(self.schema)}.{quoted(self.name(name))}"


def journal_of(wish: str, database: str) -> Journal:
    """The journal of `--journal-schema`: a schema's name, or SAME for the repaired database itself."""
    return Journal(database, PREFIX) if wish in (SAME, database) else Journal(wish)


def init_journal(target: Target) -> tuple[str, ...]:
    """Make what is missing of the journal; gives the names of the tables that were made.

    Raises DbauditError with the GRANT to run where the account may not.
    """
    try:
        with contextlib.closing(target.connect()) as connection:
            return _init(connection, target)
    except pymysql.MySQLError as error:
        if faults.is_denied(error):
            raise faults.denied(error, target.database, target.journal.schema, target.account) from error
        raise DbauditError(
            f"the journal `{target.journal.schema}` cannot be made on {target.shown}: {faults.text_of(error)}"
        ) from error


def _init(connection: Connection, target: Target) -> tuple[str, ...]:
    there = tables_of(connection, target.journal.schema)
    with connection.cursor() as cursor:
        if not _schema_exists(cursor, target.journal.schema):
            cursor.execute(
                f"CREATE DATABASE IF NOT EXISTS {quoted(target.journal.schema)} DEFAULT CHARACTER SET utf8mb4"
            )
        made = tuple(name for name in TABLES if target.journal.name(name) not in there)
        for name in made:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {target.journal.table(name)} ({TABLES[name]}) {_END}")
    connection.commit()
    return made


def _schema_exists(cursor: Any, name: str) -> bool:
    cursor.execute("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", (name,))
    return cursor.fetchone() is not None


def is_there(connection: Connection, target: Target) -> bool:
    """Whether the journal has its tables."""
    there = tables_of(connection, target.journal.schema)
    return all(target.journal.name(name) in there for name in TABLES)


def tables_of(connection: Connection, schema: str) -> frozenset[str]:
    """The tables of a schema, empty where it is not there or may not be seen."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s", (schema,))
        return frozenset(str(name) for (name,) in cursor.fetchall())
