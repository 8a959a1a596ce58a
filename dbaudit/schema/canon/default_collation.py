"""A charset without a collation has the charset's default collation.

`DEFAULT CHARSET=utf8`: MySQL. `DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci`: MariaDB from 10.6 on
(and the 10.3 to 10.5 of late 2022), MySQL 8 for utf8mb4. `COLLATE utf8_bin` alone means its charset too
(MySQL 5.6 columns).
"""

from __future__ import annotations

from dataclasses import replace

from dbaudit.schema.canon._change import changed
from dbaudit.schema.canon._charsets import alias, charset_of, default_collation
from dbaudit.schema.model import Column, Table


def table(table: Table) -> Table:
    """Names the charset of every collation, and drops the collations that are their charset's default."""
    charset, collation = _pair(table.charset, table.collation)
    columns = tuple(_column(column) for column in table.columns)
    return changed(table, charset=charset, collation=collation, columns=columns)


def _column(column: Column) -> Column:
    if column.collation is None:
        return column
    charset, collation = _pair(column.charset, column.collation)
    return replace(column, charset=charset, collation=collation)


def _pair(charset: str | None, collation: str | None) -> tuple[str | None, str | None]:
    if collation is None:
        return charset, None
    charset = charset or charset_of(collation)
    if alias(collation) == default_collation(alias(charset) or ""):
        return charset, None
    return charset, collation
