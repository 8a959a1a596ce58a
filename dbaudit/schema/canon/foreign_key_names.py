"""A foreign key without a name of its own gets one from the server, which counts.

`CONSTRAINT endpoint_ibfk_1`: InnoDB in MySQL and MariaDB; the number depends on how many came before, and
on what was dropped and dumped. `CONSTRAINT 1`: MariaDB from 12.1 on. Such a key has no name here.
"""

from __future__ import annotations

import re
from dataclasses import replace

from dbaudit.schema.canon._change import changed
from dbaudit.schema.canon._names import SERVER_KEY
from dbaudit.schema.model import Table


def table(table: Table) -> Table:
    """Empties the names that the server made."""
    mine = re.compile(SERVER_KEY.format(table=re.escape(table.name)), re.IGNORECASE)
    keys = tuple(replace(key, name="") if mine.match(key.name) else key for key in table.foreign_keys)
    return changed(table, foreign_keys=keys)
