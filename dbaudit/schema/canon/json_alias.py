"""MariaDB has no type JSON of its own.

`json`: MySQL. ``longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ... CHECK (json_valid(`x`))``: MariaDB
from 10.4.3 on, for a column declared JSON.
"""

from __future__ import annotations

import re
from dataclasses import replace

from dbaudit.schema.canon._change import changed
from dbaudit.schema.canon._charsets import of_column
from dbaudit.schema.model import Column, Table

_VALID = re.compile(r"\(*json_valid\(`?(?P<column>[^`)]+)`?\)\)*$", re.IGNORECASE)


def table(table: Table) -> Table:
    """Makes such columns json and drops their CHECK."""
    valid = {match["column"] for check in table.checks if (match := _VALID.match(check.expression))}
    alias = {column.name for column in table.columns if column.name in valid and _is_text(table, column)}
    if not alias:
        return table
    columns = tuple(
        replace(column, type="json", charset=None, collation=None) if column.name in alias else column
        for column in table.columns
    )
    checks = tuple(
        check for check in table.checks if not ((match := _VALID.match(check.expression)) and match["column"] in alias)
    )
    return changed(table, columns=columns, checks=checks)


def _is_text(table: Table, column: Column) -> bool:
    return column.type == "longtext" and of_column(table, column)[1] == "utf8mb4_bin"
