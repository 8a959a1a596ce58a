"""ON DELETE RESTRICT, NO ACTION and no word at all are the same in InnoDB.

`ON DELETE NO ACTION`: MySQL and MariaDB where it was written so (MySQL 8 prints nothing for it).
`RESTRICT`: as written. Nothing: the default.
"""

from __future__ import annotations

from dataclasses import replace

from dbaudit.schema.canon._change import changed
from dbaudit.schema.model import Table

_SAME = ("RESTRICT", "NO ACTION")


def table(table: Table) -> Table:
    """Drops the actions that are the default."""
    keys = tuple(
        replace(
            key,
            on_delete=None if key.on_delete in _SAME else key.on_delete,
            on_update=None if key.on_update in _SAME else key.on_update,
        )
        for key in table.foreign_keys
    )
    return changed(table, foreign_keys=keys)
