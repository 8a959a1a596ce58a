"""AUTO_INCREMENT=5 behind a table is where its counter stands: data, not schema.

Printed by MySQL and MariaDB once rows were inserted; a dump without data has it too.
"""

from __future__ import annotations

from dataclasses import replace

from dbaudit.schema.model import Table


def table(table: Table) -> Table:
    """Drops the option."""
    options = tuple(option for option in table.options if option[0] != "auto_increment")
    return replace(table, options=options) if options != table.options else table
