"""USING BTREE behind an index is what it is without a word.

Printed by MySQL and MariaDB where somebody wrote it. Only for InnoDB and MyISAM: MEMORY tables have hash
indexes.
"""

from __future__ import annotations

from dataclasses import replace

from dbaudit.schema.canon._change import changed
from dbaudit.schema.model import Table


def table(table: Table) -> Table:
    """Drops the word."""
    if (table.engine or "").lower() not in ("innodb", "myisam", "aria"):
        return table
    if not any(index.using == "BTREE" for index in table.indexes):
        return table
    indexes = tuple(replace(index, using=None) if index.using == "BTREE" else index for index in table.indexes)
    return changed(table, indexes=indexes)
