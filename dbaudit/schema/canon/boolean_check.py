"""A CHECK that a boolean is 0 or 1 is there or not, depending on the server.

``CHECK (`x` in (0,1))`` on a tinyint(1): SQLAlchemy writes it for Boolean; MySQL before 8.0.16 and MariaDB
before 10.2.1 read over it, later ones keep and print it. So the same migrations make both.
"""

from __future__ import annotations

import re

from dbaudit.schema.canon._change import changed
from dbaudit.schema.model import CheckConstraint, Table

_BOOLEAN = re.compile(r"\(*`?(?P<column>[^`()]+?)`? in \(0, ?1\)\)*$", re.IGNORECASE)


def table(table: Table) -> Table:
    """Drops such CHECKs."""
    if not table.checks:
        return table
    booleans = {column.name for column in table.columns if column.type.startswith("tinyint(1)")}

    def redundant(check: CheckConstraint) -> bool:
        match = _BOOLEAN.match(check.expression)
        return match is not None and match["column"] in booleans

    return changed(table, checks=tuple(check for check in table.checks if not redundant(check)))
