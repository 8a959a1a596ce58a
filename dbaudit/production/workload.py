"""A small fixed workload of what migrations do, timed in a schema of its own, which is dropped afterwards.

Bulk inserts, an ALTER that copies the table, an index, an update of every row, and ten small DDL statements. It touches
nothing that was there before: the schema has a name that nobody has, and is made without IF NOT EXISTS.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dbaudit.progress import Progress, Watch

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

PREFIX = "dbaudit_calibrate_"
# Bytes of a row with what InnoDB keeps beside it, as a full table of this shape has it on disk.
ROW_BYTES = 256
_FIRST = 1024  # rows of the first INSERT; each further one doubles the table
_SMALL = 10  # small DDL statements of a round
_TABLE = (
    "CREATE TABLE {} (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(36) NOT NULL, value VARCHAR(160) NOT NULL, "
    "changed INT NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8"
)
KINDS = ("insert", "copy", "index", "update", "small")


def time_rounds(
    connect: Callable[[], Connection], size: int, rounds: int, watch: Watch
) -> dict[str, tuple[float, ...]]:
    """Seconds of each kind of work, round by round, on a table of about `size` bytes.

    `connect` gives a connection without a default schema. Raises the driver's errors; the schema is dropped then too.
    """
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with _scratch(connect) as (connection, schema):
        for number in range(rounds):
            for kind, statements in _work(schema, size):
                watch(Progress("calibrate", number, rounds, "rounds", kind))
                begun = time.perf_counter()
                _run(connection, statements)
                times[kind].append(time.perf_counter() - begun)
            _run(connection, [f"DROP TABLE {schema}.work"])
        watch(Progress("calibrate", rounds, rounds, "rounds"))
    return {kind: tuple(found) for kind, found in times.items()}


def _work(schema: str, size: int) -> Iterator[tuple[str, list[str]]]:
    table = f"{schema}.work"
    text = "LEFT(SHA2({}, 256), 32)"  # MySQL 9 has no MD5 any more
    values = ", ".join(
        f"({text.format(number)}, REPEAT({text.format(number)}, 5), {number})" for number in range(_FIRST)
    )
    inserts = [_TABLE.format(table), f"INSERT INTO {table} (name, value, changed) VALUES {values}"]
    rows = _FIRST
    while rows * ROW_BYTES < size:
        inserts.append(
            f"INSERT INTO {table} (name, value, changed) "
            f"SELECT {text.format(f'CONCAT(name, {rows})')}, value, changed FROM {table}"
        )
        rows *= 2
    yield "insert", inserts
    yield "copy", [f"ALTER TABLE {table} MODIFY changed BIGINT NOT NULL"]  # another type: every server copies
    yield "index", [f"ALTER TABLE {table} ADD INDEX work_name (name)"]
    yield "update", [f"UPDATE {table} SET changed = changed + 1"]
    small = [(_TABLE.format(f"{schema}.small_{n}"), f"DROP TABLE {schema}.small_{n}") for n in range(_SMALL // 2)]
    yield "small", [statement for pair in small for statement in pair]


def _run(connection: Connection, statements: list[str]) -> None:
    for statement in statements:
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.commit()


@contextlib.contextmanager
def _scratch(connect: Callable[[], Connection]) -> Iterator[tuple[Connection, str]]:
    """A connection and a new schema; dropped by a connection of its own, since the first may be in mid-statement."""
    schema = f"{PREFIX}{secrets.token_hex(6)}"
    connection = connect()
    try:
        _run(connection, [f"CREATE DATABASE {schema} DEFAULT CHARACTER SET utf8"])
        try:
            yield connection, schema
        finally:
            connection.close()
            with contextlib.closing(connect()) as last:
                _run(last, [f"DROP DATABASE IF EXISTS {schema}"])
    finally:
        with contextlib.suppress(Exception):
            connection.close()


def left_behind(connection: Connection) -> tuple[str, ...]:
    """Schemas of such a workload that a killed run left."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME")
        return tuple(str(row[0]) for row in cursor.fetchall() if str(row[0]).startswith(PREFIX))
