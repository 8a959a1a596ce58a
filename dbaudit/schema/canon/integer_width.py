"""The display width of an integer or year changes nothing that is stored.

`int(11)`, `bigint(20) unsigned`, `year(4)`: MySQL up to 8.0.18, MariaDB. `int`, `bigint unsigned`, `year`:
MySQL from 8.0.19 on, where a table restored from an older dump keeps the width until its next ALTER. Kept:
`tinyint(1)`, which says boolean and which MySQL 8 prints too, and widths with ZEROFILL, which shape the
output.
"""

from __future__ import annotations

import re
from dataclasses import replace

from dbaudit.schema.canon._change import changed
from dbaudit.schema.model import Table

_WIDTH = re.compile(r"^(tinyint|smallint|mediumint|int|bigint|year)\((\d+)\)")


def table(table: Table) -> Table:
    """Takes the widths off."""
    columns = tuple(
        replace(column, type=bare) if (bare := plain(column.type)) != column.type else column
        for column in table.columns
    )
    return changed(table, columns=columns)


def plain(type_: str) -> str:
    """The type without a display width that says nothing."""
    if (type_.startswith("tinyint(1)") and "unsigned" not in type_) or type_.endswith("zerofill"):
        return type_
    return _WIDTH.sub(r"\1", type_)
