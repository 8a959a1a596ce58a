"""Two types have two names each.

`geometrycollection`: MySQL up to 5.7, MariaDB; `geomcollection`: MySQL 8. `int4`-like names are never
printed back.
"""

from __future__ import annotations

from dataclasses import replace

from dbaudit.schema.canon._change import changed
from dbaudit.schema.model import Table

_NAMES = {"geomcollection": "geometrycollection"}


def table(table: Table) -> Table:
    """Uses the older name."""
    if not any(column.type in _NAMES for column in table.columns):
        return table
    columns = tuple(replace(column, type=_NAMES.get(column.type, column.type)) for column in table.columns)
    return changed(table, columns=columns)
