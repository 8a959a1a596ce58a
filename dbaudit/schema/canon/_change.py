"""A table with other values, or the very same where nothing is other: most rules leave most tables alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dbaudit.schema.model import Table


def changed(table: Table, **fields: Any) -> Table:
    """`dataclasses.replace`, without the copy of what does not change."""
    if all(getattr(table, name) == value for name, value in fields.items()):
        return table
    return replace(table, **fields)
