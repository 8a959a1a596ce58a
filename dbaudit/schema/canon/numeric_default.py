"""The default of a number is printed with quotes or without.

`int(11) DEFAULT '0'`: MySQL, MariaDB up to 10.2. `int(11) DEFAULT 0`: MariaDB from 10.2.7 on. Only for
columns of numeric types: the default of a varchar keeps its quotes.
"""

from __future__ import annotations

import re
from dataclasses import replace

from dbaudit.schema.canon._change import changed
from dbaudit.schema.model import Table

_NUMERIC = re.compile(r"(tinyint|smallint|mediumint|int|bigint|decimal|float|double|year)\b")
_NUMBER = re.compile(r"\(*'(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)'\)*$", re.IGNORECASE)


def table(table: Table) -> Table:
    """Takes the quotes off."""
    columns = tuple(
        replace(column, default=match[1])
        if column.default and (match := _NUMBER.match(column.default)) and _NUMERIC.match(column.type)
        else column
        for column in table.columns
    )
    return changed(table, columns=columns)
