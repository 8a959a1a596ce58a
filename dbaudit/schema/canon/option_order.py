"""Table options stand in no order that means anything.

`STATS_PERSISTENT=1`, `` `encrypted`=yes `` and `ENCRYPTED=YES`: servers print options in orders of their
own; MariaDB puts names of its storage engines' options in backticks and keeps the case in which they were
written.
"""

from __future__ import annotations

from dbaudit.schema.canon._change import changed
from dbaudit.schema.model import Table


def table(table: Table) -> Table:
    """Sorts the options and takes backticks and case off their names."""
    if not table.options:
        return table
    options = tuple(sorted((key.strip("`").lower(), value) for key, value in table.options))
    return changed(table, options=options)
