"""Loads a dump into a throwaway server, in parallel, and proves that every row arrived.

The dump's own statements are sent, by an account that may touch the restored schemas only (`dump.sending`). It needs
no client program. Deliberately not a general loader: it fills schemas that nobody else uses.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pymysql

from dbaudit.dump.entries import DatabaseEntry, DumpIndex, TableEntry, require_complete
from dbaudit.dump.filter import Filter, Refused
from dbaudit.dump.index import read_counts
from dbaudit.dump.loader import Connection, Loader, LoadError
from dbaudit.dump.place import failure
from dbaudit.dump.sending import Sending
from dbaudit.dump.shims import Target, nearest
from dbaudit.errors import DbauditError, UsageError
from dbaudit.progress import Progress, Watch, silent
from dbaudit.server.server import Account, Server, quoted

__all__ = ["Filter", "Refused", "Restored", "restore"]

# What every loading session starts with; the dump's own settings come after it. No mode that refuses zero dates;
# keys are checked when the rows are counted, not row by row, since tables arrive in parallel.
_SESSION = (
    "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
    "SET SESSION foreign_key_checks = 0, unique_checks = 0",
)
# Settings of the throwaway server while it is loaded: old row formats are taken, triggers need no SUPER.
_GENEROUS = {"innodb_strict_mode": "0", "log_bin_trust_function_creators": "1"}


@dataclass(frozen=True, slots=True)
class Restored:
    """What was loaded: the schemas that were filled, counts, what was not executed, and what was rewritten."""

    databases: tuple[str, ...]
    tables: int
    rows: int
    bytes: int
    seconds: float
    refused: tuple[Refused, ...]
    rewritten: tuple[str, ...]


def restore(
    index: DumpIndex,
    server: Server,
    names: Mapping[str | None, str],
    *,
    workers: int = 2,
    watch: Watch = silent,
    filter: Filter = Filter.ON,
) -> Restored:
    """Load the databases in `names` (name in the dump -> schema to fill); the others of the dump are left out.

    A schema that does not exist is created with the dump's default charset. Raises DbauditError when the dump is not
    complete, when the server refuses a statement (with byte, line and table), and when a table's rows differ.
    """
    require_complete(index)
    if any(table.rows is None for entry in index.databases for table in entry.tables):
        index = read_counts(index.dump, watch)
    wanted = {entry: names[entry.name] for entry in index.databases if entry.name in names}
    if not wanted:
        raise UsageError(f"{index.dump.name} holds none of the databases {', '.join(map(str, names))}")
    began = time.monotonic()
    account = server.restricted(sorted(set(names.values())))
    target = _prepare(server, wanted)
    with _generous(server), Loader(lambda: _session(server, account), workers) as loader:
        sending = Sending(index, loader, target, filter, watch)
        try:
            sending.run()
            tables, rows = _verify(loader, wanted, sending.left_out, watch)
        except LoadError as error:
            raise failure(index, server, error) from error
    return Restored(
        tuple(wanted.values()), tables, rows, index.size, time.monotonic() - began,
        tuple(sending.refused), tuple(sending.rewritten),
    )  # fmt: skip


def _session(server: Server, account: Account) -> Connection:
    connection = server.connect(account)
    with connection.cursor() as cursor:
        for statement in _SESSION:
            cursor.execute(statement)
    return connection


@contextlib.contextmanager
def _generous(server: Server) -> Iterator[None]:
    """Put the server's settings for loading in place, and back."""
    with contextlib.closing(server.admin()) as connection, connection.cursor() as cursor:
        before = {}
        for name, value in _GENEROUS.items():
            with contextlib.suppress(pymysql.MySQLError):
                cursor.execute(f"SELECT @@GLOBAL.{name}")
                before[name] = (cursor.fetchone() or (value,))[0]
                cursor.execute(f"SET GLOBAL {name} = {value}")
    try:
        yield
    finally:
        with (
            contextlib.suppress(pymysql.MySQLError, DbauditError),
            contextlib.closing(server.admin()) as connection,
            connection.cursor() as cursor,
        ):
            for name, value in before.items():
                cursor.execute(f"SET GLOBAL {name} = {int(value)}")


def _prepare(server: Server, wanted: Mapping[DatabaseEntry, str]) -> Target:
    """Create the schemas that are not there; what is known of the server."""
    with contextlib.closing(server.admin()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT LOWER(CHARACTER_SET_NAME) FROM information_schema.CHARACTER_SETS")
        charsets = {str(row[0]) for row in cursor.fetchall()}
        cursor.execute("SHOW COLLATION")
        collations = {str(row[0]).lower() for row in cursor.fetchall()}
        with contextlib.suppress(pymysql.MySQLError):  # MariaDB lists uca1400 collations without their charset
            cursor.execute("SELECT FULL_COLLATION_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY")
            collations |= {str(row[0]).lower() for row in cursor.fetchall()}
        cursor.execute("SHOW DATABASES")
        present = {str(row[0]) for row in cursor.fetchall()}
    schemas = {entry.name: name for entry, name in wanted.items() if entry.name is not None}
    nameless = next((name for entry, name in wanted.items() if entry.name is None), None)
    target = Target(server.version, frozenset(charsets), frozenset(collations), schemas, nameless)
    for entry, name in wanted.items():
        if name not in present:
            charset, collation = _defaults(entry, target)
            server.create_database(name, charset, collation)
    return target


def _defaults(entry: DatabaseEntry, target: Target) -> tuple[str | None, str | None]:
    """Charset and collation of a schema: as the dump says, else the charset that most of its tables have."""
    charset = entry.charset
    if charset is None and entry.tables:
        counted = Counter(filter(None, (table.charset for table in entry.tables)))
        charset = counted.most_common(1)[0][0] if counted else None
    collation = nearest(entry.collation.lower(), target) if entry.collation else None
    known = charset if charset is None or target.knows(charset.lower()) else charset.replace("utf8mb3", "utf8")
    return known, collation


def _verify(
    loader: Loader, wanted: Mapping[DatabaseEntry, str], left_out: frozenset[tuple[str | None, str]], watch: Watch
) -> tuple[int, int]:
    """Tables and rows that are there, each table counted by the server."""
    tables = [(entry, name, table) for entry, name in wanted.items() for table in entry.tables]
    rows = 0
    for number, (entry, schema, table) in enumerate(tables):
        watch(Progress("verify", number, len(tables), "tables", table.name))
        if (entry.name, table.name) in left_out:
            continue
        there = _count(loader.control, schema, table)
        if table.rows is not None and there != table.rows:
            raise DbauditError(
                f"table {table.name} has {there} rows after the restore, the dump holds {table.rows}",
                "rows that clash on a key, or a trigger, may be the cause; load the dump with the mysql client to see",
            )
        rows += there or 0
    watch(Progress("verify", len(tables), len(tables), "tables"))
    return len(tables) - len(left_out), rows


def _count(connection: Connection, schema: str, table: TableEntry) -> int | None:
    # A dump may hold the history of a system-versioned table (--dump-history), which a plain count leaves out.
    history = " FOR SYSTEM_TIME ALL" if "WITH SYSTEM VERSIONING" in table.create else ""
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"SELECT COUNT(*) FROM {quoted(schema)}.{quoted(table.name)}{history}")
        except pymysql.ProgrammingError:
            return None  # no such table
        row = cursor.fetchone()
    return int(row[0]) if row else None
