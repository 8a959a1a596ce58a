"""The index that a server makes for a foreign key comes and goes.

InnoDB needs an index over the columns of a foreign key and makes one where none begins with them, named
after the key or its first column; it goes silently when an index that begins with these columns is created.
A dump makes it an index like any other, which then stays. So the same history with and without a restore
ends with and without it: MySQL and MariaDB, all versions. An index with another name, other columns, a
prefix or uniqueness is not touched.
"""

from __future__ import annotations

import re

from dbaudit.schema.canon._change import changed
from dbaudit.schema.canon._names import SERVER_KEY
from dbaudit.schema.model import ForeignKey, Index, IndexKind, Table


def table(table: Table) -> Table:
    """Drops the indexes that are a foreign key's."""
    if not table.foreign_keys:
        return table
    indexes = tuple(
        index for index in table.indexes if not any(_made_for(index, key, table) for key in table.foreign_keys)
    )
    return changed(table, indexes=indexes)


def _made_for(index: Index, key: ForeignKey, table: Table) -> bool:
    plain = index.kind is IndexKind.PLAIN and index.visible and not index.comment and index.parser is None
    if not plain or index.columns != key.columns or any(part.length or part.descending for part in index.parts):
        return False
    first = re.escape(key.columns[0])
    names = rf"(?:{first}(?:_\d+)?|{re.escape(key.name)}|{SERVER_KEY.format(table=re.escape(table.name))})$"
    return re.match(names, index.name, re.IGNORECASE) is not None
