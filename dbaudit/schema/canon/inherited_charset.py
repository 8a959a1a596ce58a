"""A column's charset and collation need no word where they are the table's.

`varchar(10) COLLATE utf8_bin` in a utf8_bin table: MySQL 5.x. `varchar(10)`: MySQL 8 and MariaDB.
`CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci` on every column: dumps that were made through a conversion.
"""

from __future__ import annotations

from dataclasses import replace

from dbaudit.schema.canon._change import changed
from dbaudit.schema.canon._charsets import of_column, of_table
from dbaudit.schema.model import Column, Table


def table(table: Table) -> Table:
    """Drops from columns what they would inherit."""
    inherited = of_table(table)

    def plain(column: Column) -> Column:
        if (column.charset is None and column.collation is None) or of_column(table, column) != inherited:
            return column
        return replace(column, charset=None, collation=None)

    return changed(table, columns=tuple(plain(column) for column in table.columns))
