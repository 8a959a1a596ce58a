"""Signs that a database is not still: services that report, open resizes, rows that came or changed meanwhile.

They are asked inside of the transaction that writes, when nothing can slip between question and commit any more than
a service that starts in that very instant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dbaudit.proof.running import ALIVE, HEARTBEATS
from dbaudit.schema.model import Schema
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# Tables that carry flavors' ids beside definitions, and what tells that a row came, went or changed.
_CARRIERS = ("instances", "instance_system_metadata", "instance_extra", "migrations")
_MARKS = (("COUNT", "id"), ("MAX", "id"), ("MAX", "created_at"), ("MAX", "updated_at"), ("MAX", "deleted_at"))
_OPEN = "deleted = 0 AND (vm_state = 'resized' OR LEFT(task_state, 7) = 'resize_')"
Marks = tuple[tuple[str, ...], ...]


def rows(connection: Connection, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """What a statement gives, in the transaction that is open."""
    with connection.cursor() as cursor:
        cursor.execute(statement, tuple(values) or None)
        return list(cursor.fetchall())


def has(schema: Schema, table: str, *columns: str) -> bool:
    """Whether there is such a table with these columns."""
    found = schema.tables.get(table)
    return found is not None and all(found.column(column) is not None for column in columns)


def living(schema: Schema, connection: Connection) -> Iterator[str]:
    """A sentence for each table in which services reported within the last two minutes, by the server's clock."""
    for table, column in HEARTBEATS:
        if has(schema, table, column):
            since = f"UTC_TIMESTAMP() - INTERVAL {ALIVE} SECOND"
            sql = f"SELECT COUNT(*) FROM {quoted(table)} WHERE {quoted(column)} >= {since}"
            if count := int(rows(connection, sql)[0][0]):
                yield f"nova's services seem to run: {count} of `{table}` reported in the last {ALIVE} seconds"


def resizing(schema: Schema, connection: Connection) -> Iterator[str]:
    """A sentence where a resize is open: its ids are about to be used."""
    if not has(schema, "instances", "vm_state", "task_state", "deleted"):
        return
    if count := int(rows(connection, f"SELECT COUNT(*) FROM instances WHERE {_OPEN}")[0][0]):
        yield f"{count} instances have an open resize"


def marks(schema: Schema, connection: Connection) -> Marks:
    """What is another after any row that carries a flavor's id was made, changed or deleted by nova."""
    found = []
    for table in _CARRIERS:
        wanted = [f"{what}({quoted(column)})" for what, column in _MARKS if has(schema, table, column)]
        if wanted:
            (row,) = rows(connection, f"SELECT {', '.join(wanted)} FROM {quoted(table)}")
            found.append((table, *map(str, row)))
    return tuple(found)
