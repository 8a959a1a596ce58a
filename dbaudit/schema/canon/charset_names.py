"""utf8 and utf8mb3 are two names of one charset.

`utf8`, `utf8_general_ci`: MySQL up to 8.0.23, MariaDB up to 10.5. `utf8mb3`, `utf8mb3_general_ci` (from
MySQL 8.0.30 in collations too), also in introducers (`_utf8mb3'x'`): the versions after. The old name
stays.
"""

from __future__ import annotations

from dataclasses import replace

from dbaudit.schema.canon._change import changed
from dbaudit.schema.canon._charsets import alias
from dbaudit.schema.model import Column, Table


def table(table: Table) -> Table:
    """Renames charsets and collations."""
    columns = tuple(_column(column) for column in table.columns)
    return changed(table, charset=alias(table.charset), collation=alias(table.collation), columns=columns)


def _column(column: Column) -> Column:
    named = (column.charset, column.collation, column.default)
    if named == (None, None, None):
        return column
    default = column.default.replace("_utf8mb3'", "_utf8'") if column.default else None
    return replace(column, charset=alias(column.charset), collation=alias(column.collation), default=default)
