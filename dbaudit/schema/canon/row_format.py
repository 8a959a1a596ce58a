"""The row format that servers use anyway is named or not.

`ROW_FORMAT=DYNAMIC` is what MySQL from 5.7.9 and MariaDB from 10.2.2 on do without a word;
`ROW_FORMAT=DEFAULT` asks for it. Kept: COMPACT, REDUNDANT, COMPRESSED, FIXED and whatever else was asked
for. What a table without a word has on MySQL 5.6 (COMPACT) is a fact of that server and not of the schema.
"""

from __future__ import annotations

from dataclasses import replace

from dbaudit.schema.model import Table


def table(table: Table) -> Table:
    """Drops the formats that are the default."""
    return replace(table, row_format=None) if table.row_format in ("DYNAMIC", "DEFAULT") else table
