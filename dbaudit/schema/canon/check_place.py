"""A CHECK behind a column refuses what it would refuse at the end of the table.

``a int CHECK (`a` > 0)``: MariaDB from 10.2 on, where it was written so. ``CONSTRAINT t_chk_1 CHECK (`a` > 0)``:
MySQL from 8.0.16 on, which moves every CHECK to the end.
"""

from __future__ import annotations

from dataclasses import replace

from dbaudit.schema.canon._change import changed
from dbaudit.schema.model import Table


def table(table: Table) -> Table:
    """Forgets behind which column a CHECK was written."""
    if not any(check.column for check in table.checks):
        return table
    return changed(table, checks=tuple(replace(check, column="") for check in table.checks))
