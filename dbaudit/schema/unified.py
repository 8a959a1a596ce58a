"""Two schemas as a unified diff of their canonical SQL, which people and tools that review patches can read."""

from __future__ import annotations

import difflib
from dataclasses import replace

from dbaudit.schema.canon import canonical
from dbaudit.schema.model import Schema, Table
from dbaudit.schema.render import render_others, render_table


def unified(left: Schema, right: Schema, names: tuple[str, str], context: int = 3) -> str:
    """The differences as a patch, object by object; empty where the canonical SQL is the same.

    Only in the canonical spelling, so that keys are sorted by name and those of the server's making have none.
    """
    lines: list[str] = []
    old, new = _texts(canonical(left)), _texts(canonical(right))
    for key in sorted({*old, *new}):
        before, after = old.get(key, ""), new.get(key, "")
        if before != after:
            head = (f"{names[0]}:{key[1]}" if before else "/dev/null", f"{names[1]}:{key[1]}" if after else "/dev/null")
            lines += difflib.unified_diff(before.splitlines(), after.splitlines(), *head, lineterm="", n=context)
    return "\n".join(lines) + "\n" if lines else ""


def sorted_keys(table: Table) -> Table:
    """The table with its keys in an order that only their definition decides."""
    return replace(
        table,
        indexes=tuple(sorted(table.indexes, key=lambda each: (each.name != "PRIMARY", each.name.lower()))),
        foreign_keys=tuple(sorted(table.foreign_keys, key=lambda each: (each.name.lower(), each.columns))),
        checks=tuple(sorted(table.checks, key=lambda each: (each.name.lower(), each.expression))),
    )


def _texts(schema: Schema) -> dict[tuple[bool, str], str]:
    """The objects' SQL by name, those that are no tables last."""
    tables = {(False, name): render_table(sorted_keys(table)) + ";" for name, table in schema.tables.items()}
    return tables | {(True, name): sql + ";" for name, sql in render_others(schema)}
