"""After a kill: which rows of an archive's last chunk are still in the database, so that they are not kept twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from dbaudit.schema.model import Schema, Table
from dbaudit.schema.text import name as quoted
from dbaudit.tokens.archive import Archive
from dbaudit.tokens.record import Row

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

_ROWS = 500  # keys in a query


def mend(archive: Archive, connection: Connection, schema: Schema) -> int:
    """Take out of the last chunk what is still there, the same in every column; gives how many rows that were.

    A row that is there with other values came after the deletion, and the archived one is kept.
    """
    rows = archive.tail()
    gone: list[Row] = []
    for table, several in groupby(rows, key=lambda row: (row.table, row.columns)):
        gone += _gone(connection, schema.tables.get(table[0]), list(several))
    if len(gone) < len(rows):
        archive.mend(gone)
    return len(rows) - len(gone)


def _gone(connection: Connection, table: Table | None, rows: list[Row]) -> Iterable[Row]:
    columns = rows[0].columns
    if table is None or table.primary_key is None or any(table.column(each) is None for each in columns):
        return rows
    key = table.primary_key.columns
    there = {tuple(row) for start in range(0, len(rows), _ROWS)
             for row in _there(connection, table.name, columns, key, rows[start : start + _ROWS])}  # fmt: skip
    return [row for row in rows if row.values not in there]


def _there(
    connection: Connection, table: str, columns: tuple[str, ...], key: tuple[str, ...], rows: list[Row]
) -> Iterable[tuple[Any, ...]]:
    one = "(" + " AND ".join(f"{quoted(each)} = %s" for each in key) + ")"
    values = [_by_name(row)[each] for row in rows for each in key]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(table)} WHERE {' OR '.join([one] * len(rows))}",
            values,
        )
        return list(cursor.fetchall())


def _by_name(row: Row) -> Mapping[str, Any]:
    return dict(zip(row.columns, row.values, strict=True))
