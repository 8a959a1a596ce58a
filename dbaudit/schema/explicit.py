"""Charsets and collations spelled out: what a server takes where none is named differs by vendor and version."""

from __future__ import annotations

from dataclasses import replace

from dbaudit.schema.canon._charsets import of_column, of_table
from dbaudit.schema.loss import is_text
from dbaudit.schema.model import Column, Table


def explicit(table: Table, column: Column) -> Column:
    """The column with its charset and collation spelled out."""
    if not is_text(column):
        return column
    charset, collation = of_column(table, column)
    if column.charset is not None or column.collation is not None:
        return replace(column, charset=column.charset or charset, collation=column.collation or collation)
    return replace(column, charset=table.charset or charset, collation=table.collation or collation)


def explicit_table(table: Table) -> Table:
    """The table with all charsets and collations spelled out."""
    charset, collation = of_table(table)
    return replace(
        table,
        charset=table.charset or charset,
        collation=table.collation or collation,
        columns=tuple(explicit(table, column) if column.charset else column for column in table.columns),
    )
