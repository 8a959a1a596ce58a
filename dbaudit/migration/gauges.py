"""Readings of a server before and after a step: redo, bytes, rows, processor time, instant ALTERs, and the tables by
identity and size."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pymysql

from dbaudit.migration.sampler import process_of
from dbaudit.record import RowsRecord
from dbaudit.server.server import Account, Server
from dbaudit.server.version import ServerVersion

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

    from dbaudit.server.server import Connection

_SEQUENCE = re.compile(r"^Log sequence number\s+(\d+)", re.MULTILINE)
_STATUS = ("Innodb_data_written", "Innodb_instant_alter_column")
_HANDLER = {
    "handler_write": "inserted", "handler_update": "updated", "handler_delete": "deleted",
    "handler_read_first": "read", "handler_read_key": "read", "handler_read_last": "read", "handler_read_next": "read",
    "handler_read_prev": "read", "handler_read_rnd": "read", "handler_read_rnd_next": "read",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TableState:
    """One table: InnoDB's number of it, which changes when it is rebuilt; bytes of its files; its count of instant
    changes, None where the server keeps none."""

    number: int
    bytes: int | None
    versions: int | None = None


@dataclass(frozen=True, slots=True)
class Gauges:
    """One reading. `redo` is the log sequence number in bytes, `written` the bytes that InnoDB wrote to its files,
    `rows` what the server counted, all since it started; `cpu` seconds of its process, background work among them;
    `instant` its count of instant ALTERs. `cascades` maps (table, `deleted` or `updated`) to the tables that change
    with its rows by foreign keys; all names of it in lower case."""

    redo: int | None
    written: int | None
    rows: RowsRecord | None
    cpu: float | None
    instant: int | None
    tables: Mapping[str, TableState] | None
    cascades: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)


def read_gauges(
    connection: Connection, server: Server, account: Account, database: str, last: Gauges | None = None
) -> Gauges:
    """Read all gauges; what cannot be read is None. Tables are those of `last` where nothing was written since."""
    process = process_of(server)
    cpu = None if process is None else process_seconds(process)
    with connection.cursor() as cursor:
        now = redo(cursor)  # before the tables: where it stands still, they are as they were read
        told = _status(cursor, _STATUS)
        if last is not None and now is not None and now == last.redo:
            tables, cascades = last.tables, last.cascades
        else:
            tables, cascades = _tables(cursor, server, f"{_file_name(database)}/")
        return Gauges(
            now, told.get("innodb_data_written"), counted(cursor, server.version, account), cpu,
            told.get("innodb_instant_alter_column"), tables, cascades,
        )  # fmt: skip


def process_seconds(process: int) -> float | None:
    """Seconds of processor time of a process; a tick is 10 ms. None where it cannot be seen (Linux only)."""
    try:
        told = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def _tables(
    cursor: Cursor, server: Server, prefix: str
) -> tuple[dict[str, TableState] | None, dict[tuple[str, str], frozenset[str]]]:
    names, tables, keys = _dictionary(server.version)
    found = _rows(cursor, f"SELECT {names} FROM information_schema.{tables} WHERE NAME LIKE %s", (_like(prefix),))
    states = None if found is None else _states(found, prefix, _sizes(cursor, server, prefix))
    pairs = _rows(cursor, f"SELECT FOR_NAME, REF_NAME, TYPE FROM information_schema.{keys}"
                  " WHERE FOR_NAME LIKE %s AND TYPE & 15", (_like(prefix),))  # fmt: skip
    return states, _cascades(pairs or (), prefix)


def _dictionary(version: ServerVersion) -> tuple[str, str, str]:
    """Columns and names of InnoDB's own tables, as this server spells them."""
    if version.at_least(mysql=(8, 0, 29)):
        return "NAME, TABLE_ID, TOTAL_ROW_VERSIONS", "INNODB_TABLES", "INNODB_FOREIGN"
    if version.at_least(mysql=(8, 0)):
        return "NAME, TABLE_ID, NULL", "INNODB_TABLES", "INNODB_FOREIGN"
    return "NAME, TABLE_ID, NULL", "INNODB_SYS_TABLES", "INNODB_SYS_FOREIGN"


def _rows(cursor: Cursor, sql: str, values: tuple[str, ...]) -> tuple[tuple[object, ...], ...] | None:
    try:
        cursor.execute(sql, values)
        return tuple(cursor.fetchall())
    except pymysql.MySQLError:
        return None  # no right, or a table that this release does not have


def _like(prefix: str) -> str:
    return prefix.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%") + "%"


def _file_name(name: str) -> str:
    """A name as InnoDB writes it: letters, digits and the underscore as they are, others as `@002d`."""
    return "".join(c if c.isascii() and (c.isalnum() or c == "_") else f"@{ord(c):04x}" for c in name)


def _table_name(name: str) -> str:
    return re.sub(r"@([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), name)


def _states(
    found: tuple[tuple[object, ...], ...], prefix: str, sizes: Mapping[str, int] | None
) -> dict[str, TableState]:
    """By table; the partitions of one (`t#p#p0`) are added up."""
    states: dict[str, TableState] = {}
    for name, number, versions in found:
        file = str(name).removeprefix(prefix)
        own = _table_name(re.split(r"#[pP]#", file)[0])
        size = None if sizes is None else sizes.get(file, 0)
        count = int(str(versions)) if versions is not None else None
        if own in states:
            other = states[own]
            size = None if size is None or other.bytes is None else size + other.bytes
            states[own] = TableState(hash((other.number, number)), size, None)
        elif not own.startswith("#") and not own.startswith(("FTS_", "fts_")):
            states[own] = TableState(int(str(number)), size, count)
    return states


def _sizes(cursor: Cursor, server: Server, prefix: str) -> dict[str, int] | None:
    """Bytes of each table's file: as the server tells, else as they lie in the directory of a private server."""
    view = "INNODB_TABLESPACES" if server.version.at_least(mysql=(8, 0)) else "INNODB_SYS_TABLESPACES"
    told = _rows(cursor, f"SELECT NAME, FILE_SIZE FROM information_schema.{view} WHERE NAME LIKE %s", (_like(prefix),))
    if told is not None:
        return {str(name).removeprefix(prefix): int(str(size)) for name, size in told}
    if server.directory is None:
        return None
    folder = server.directory / "data" / prefix.rstrip("/")
    with contextlib.suppress(OSError):
        return {file.stem: file.stat().st_size for file in sorted(folder.glob("*.ibd")) if _is_file(file)}
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def redo(cursor: Cursor) -> int | None:
    """The log sequence number: bytes of redo since the server was made."""
    found = _rows(cursor, "SHOW ENGINE INNODB STATUS", ())
    number = _SEQUENCE.search(str(found[0][2])) if found else None
    return int(number[1]) if number else None


def _status(cursor: Cursor, names: Sequence[str]) -> dict[str, int]:
    wanted = ", ".join(["%s"] * len(names))
    found = _rows(cursor, f"SHOW GLOBAL STATUS WHERE Variable_name IN ({wanted})", tuple(names)) or ()
    return {str(name).lower(): int(str(value)) for name, value in found if str(value).isdigit()}


def counted(cursor: Cursor, version: ServerVersion, account: Account) -> RowsRecord | None:
    """Rows of all tables: InnoDB's own count on MySQL, the account's handler calls on MariaDB, which has no such."""
    if version.vendor == "mysql":
        names = [f"innodb_rows_{kind}" for kind in ("read", "inserted", "updated", "deleted")]
        told = _status(cursor, names)
        return RowsRecord(*(told[name] for name in names)) if told.keys() >= set(names) else None
    found = _rows(
        cursor,
        "SELECT VARIABLE_NAME, VARIABLE_VALUE FROM performance_schema.status_by_user"
        " WHERE USER = %s AND VARIABLE_NAME LIKE 'Handler%%'",
        (account.user,),
    )
    if found is None:
        return None
    counts = dict.fromkeys(("read", "inserted", "updated", "deleted"), 0)
    for name, value in found:
        if kind := _HANDLER.get(str(name).lower()):
            counts[kind] += int(str(value))
    return RowsRecord(**counts)


def _cascades(pairs: tuple[tuple[object, ...], ...], prefix: str) -> dict[tuple[str, str], frozenset[str]]:
    """InnoDB's type of a key: 1 and 2 act when a parent is deleted, 4 and 8 when its key is updated."""
    found: dict[tuple[str, str], set[str]] = {}
    for child, parent, kind in pairs:
        own, other = (_table_name(str(name).removeprefix(prefix)).lower() for name in (parent, child))
        for bits, how in ((3, "deleted"), (12, "updated")):
            if int(str(kind)) & bits:
                found.setdefault((own, how), set()).add(other)
    return {parent: frozenset(children) for parent, children in found.items()}
