"""Take the manifest of a database: one pass over each table on the server, and one over the rows that are kept.

Everything is read in one read-only transaction with a consistent snapshot, in UTC.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pymysql

from dbaudit.progress import Progress, Watch, silent
from dbaudit.proof.manifest import Item, Kept, Manifest, TableProfile
from dbaudit.proof.survivors import Encoding, Survivors, ThingKind
from dbaudit.proof.table import Reading, identity_of, read_table, row_key, table_profile
from dbaudit.schema.model import Schema, Table
from dbaudit.schema.read import read_live

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# Rows beyond which a table's rows are not kept one by one: a manifest holds about 20 bytes a value in memory, and a
# nova table has 30 columns. Larger tables are compared by sums, and what must survive in them by keyed hashes.
ROWS_KEPT = 200_000
# Tables in which migration tools keep their own books.
BOOKS = frozenset({"migrate_version", "alembic_version"})
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Known:
    """A manifest of the same database, and the tables (lower case) that may have changed since: the others are taken
    from it as they are."""

    manifest: Manifest
    touched: frozenset[str]

    def table(self, name: str) -> TableProfile | None:
        """The profile that still holds, if there is one."""
        return None if name.lower() in self.touched else self.manifest.tables.get(name)

    def kept(self, kind: ThingKind) -> Kept | None:
        """The things of a kind, where none of its tables may have changed."""
        tables = {encoding.table.lower() for encoding in kind.encodings}
        return None if tables & self.touched else self.manifest.kept.get(kind.name)


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of the database beforehand, and goes into the manifest as it is.

    `at` is the instant that it stands for, where that is not the one at which it is read: a dump's.
    """

    operand: str
    service: str | None = None
    release: str | None = None
    versions: Mapping[str, int | str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    at: str | None = None


def new_key() -> bytes:
    """A key for the hashes of a manifest, and of all that shall be compared with it."""
    return secrets.token_bytes(KEY_BYTES)


def measure(
    connection: Connection, database: str, place: Place, survivors: Survivors, *, like: Manifest | None = None,
    known: Known | None = None, rows_kept: int = ROWS_KEPT, watch: Watch = silent,
) -> Manifest:  # fmt: skip
    """The manifest of a database. `like` is the manifest that it shall be compared with: its key and row identities.

    A database that is not there any more has no tables. The connection is used for nothing else meanwhile; its session
    stays in UTC, without a sql_mode.
    """
    key = like.key if like else new_key()
    _settle(connection)
    schema = read_live(connection, database) if _is_there(connection, database) else Schema(database)
    with _snapshot(connection) as (at, server):
        counters = _counters(connection, database)
        tables = {}
        names = [name for name in schema.tables if name.lower() not in BOOKS]
        for number, name in enumerate(names):
            if known and (profile := known.table(name)):
                tables[name] = profile
                continue
            watch(Progress("manifest", number, len(names), "tables", name))
            reading = Reading(key, survivors, like.tables.get(name) if like else None, rows_kept)
            tables[name] = table_profile(connection, schema.tables[name], counters.get(name), reading)
        watch(Progress("manifest", len(names), len(names), "tables"))
        kept = {
            kind.name: (known and known.kept(kind)) or _kept(connection, schema, kind, key) for kind in survivors.kinds
        }
    return Manifest(
        at=place.at or at, operand=place.operand, server=server, key=key, service=place.service, release=place.release,
        versions=place.versions, tables=tables, kept=kept, warnings=place.warnings,
    )  # fmt: skip


def _is_there(connection: Connection, database: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", (database,))
        return cursor.fetchone() is not None


def _settle(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION time_zone = '+00:00', sql_mode = ''")
        with contextlib.suppress(pymysql.MySQLError):  # MySQL 8 and later keep counters in a cache for a day
            cursor.execute("SET SESSION information_schema_stats_expiry = 0")


@contextlib.contextmanager
def _snapshot(connection: Connection) -> Iterator[tuple[str, str]]:
    """A transaction that sees one instant; gives that instant in UTC, and the server's version."""
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        try:
            cursor.execute("SELECT CAST(UTC_TIMESTAMP(6) AS CHAR), VERSION()")
            at, server = cursor.fetchone() or ("", "")
            yield f"{str(at).replace(' ', 'T')}Z", str(server)
        finally:
            cursor.execute("ROLLBACK")


def _counters(connection: Connection, database: str) -> dict[str, int]:
    """The next AUTO_INCREMENT of each table that has one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT TABLE_NAME, AUTO_INCREMENT FROM information_schema.TABLES "
            "WHERE TABLE_SCHEMA = %s AND AUTO_INCREMENT IS NOT NULL",
            (database,),
        )
        return {str(name): int(counter) for name, counter in cursor.fetchall()}


def _kept(connection: Connection, schema: Schema, kind: ThingKind, key: bytes) -> Kept:
    """All things of a kind, from every encoding that the schema has. Of two with one key a live one is kept."""
    items: dict[str, Item] = {}
    for encoding in kind.encodings:
        table = schema.tables.get(encoding.table)
        if table is None or not encoding.usable(table):
            continue
        for digest, item in _items(connection, table, encoding, key):
            if digest not in items or (item.live and not items[digest].live):
                items[digest] = item
    return Kept(kind.name, items)


def _items(connection: Connection, table: Table, encoding: Encoding, key: bytes) -> Iterator[tuple[str, Item]]:
    identity = identity_of(table, None)
    names = tuple(dict.fromkeys((*encoding.columns(table), *identity)))
    for values in read_table(connection, table.name, [column for name in names if (column := table.column(name))]):
        row = dict(zip(names, values, strict=True))
        own = row_key([row[name] for name in identity], key)
        for digest, item in encoding.items(row, key):
            yield digest, replace(item, row=own)
