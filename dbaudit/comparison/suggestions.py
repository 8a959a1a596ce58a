"""Likely renames as statements: suggestions beside a script that drops the one and makes the other, never run by it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dbaudit.comparison.renames import Candidate
from dbaudit.schema.explicit import explicit
from dbaudit.schema.model import Schema
from dbaudit.schema.render import render_column
from dbaudit.schema.statement import Suggestion
from dbaudit.schema.text import name


def suggestions(found: Iterable[Candidate], left: Schema, right: Schema) -> Iterator[tuple[Suggestion, Suggestion]]:
    """For each candidate how to rename from left to right, and back."""
    for each in found:
        forward = _statement(each.table, each.old, each.new, right)
        back = _statement(each.table, each.new, each.old, left)
        if forward is not None and back is not None:
            where = f"{each.table}." if each.table else ""
            why = ", ".join(each.evidence)
            yield (
                Suggestion(f"{each.kind} {where}{each.old} is perhaps renamed to {each.new}: {why}", forward),
                Suggestion(f"{each.kind} {where}{each.new} is perhaps renamed to {each.old}: {why}", back),
            )


def _statement(table: str | None, old: str, new: str, schema: Schema) -> str | None:
    """The statement that renames to what the schema calls new; None where the schema has none of that name."""
    if table is None:
        return f"RENAME TABLE {name(old)} TO {name(new)}"
    owner = schema.table(table)
    column = owner.column(new) if owner else None
    if owner is None or column is None:
        return None
    return f"ALTER TABLE {name(owner.name)} CHANGE COLUMN {name(old)} {render_column(explicit(owner, column))}"
