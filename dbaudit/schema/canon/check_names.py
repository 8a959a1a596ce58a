"""A CHECK without a name of its own gets one from the server.

`CONSTRAINT t_chk_1`: MySQL from 8.0.16 on. `CONSTRAINT CONSTRAINT_1`: MariaDB from 10.2 on; a CHECK written
behind a column has none there. Such a CHECK has no name here.
"""

from __future__ import annotations

import re
from dataclasses import replace

from dbaudit.schema.canon._change import changed
from dbaudit.schema.model import Table

_SERVER = re.compile(r"(?:.+_chk_\d+|CONSTRAINT_\d+)$")


def table(table: Table) -> Table:
    """Empties the names that the server made."""
    checks = tuple(replace(check, name="") if _SERVER.match(check.name) else check for check in table.checks)
    return changed(table, checks=checks)
