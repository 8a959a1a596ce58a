"""CURRENT_TIMESTAMP is written with and without brackets, in two cases.

`CURRENT_TIMESTAMP`, `CURRENT_TIMESTAMP(6)`: MySQL, MariaDB up to 10.2. `current_timestamp()`,
`current_timestamp(6)`: MariaDB from 10.2.3 on. In defaults and in ON UPDATE; `now()` says the same.
"""

from __future__ import annotations

import re
from dataclasses import replace

from dbaudit.schema.canon._change import changed
from dbaudit.schema.model import Column, Table

_NOW = re.compile(r"\(?(?:current_timestamp|now|localtime|localtimestamp)(?:\((?P<digits>\d*)\))?\)?$", re.IGNORECASE)


def table(table: Table) -> Table:
    """Writes lower case, with brackets only around digits."""
    return changed(table, columns=tuple(_column(column) for column in table.columns))


def _column(column: Column) -> Column:
    if column.default is None and column.on_update is None:
        return column
    return replace(column, default=_plain(column.default), on_update=_plain(column.on_update))


def _plain(text: str | None) -> str | None:
    match = _NOW.match(text) if text else None
    if match is None:
        return text
    return f"current_timestamp({match['digits']})" if int(match["digits"] or 0) else "current_timestamp"
