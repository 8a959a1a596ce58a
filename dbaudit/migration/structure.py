"""Pending steps as checks see them: the schema that each will find, what will not go through, what it drops for good.

Structure alone is looked at; what the rows of a database make a step trip over is for hazards to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from dbaudit.check import Drop, Stage
from dbaudit.finding import step as step_id
from dbaudit.migration import delta
from dbaudit.migration.steps import StepFacts
from dbaudit.migration.walk import clashes
from dbaudit.schema.model import Schema

# Steps that convert every table to InnoDB, which shows in no measured difference: the measured ones were InnoDB.
CONVERTS_ENGINE = {"keystone:27"}


def stages(schema: Schema, pending: Sequence[StepFacts]) -> tuple[Stage, ...]:
    """Each pending step with the schema that it will find, its clashes, and what it drops."""
    found = []
    moved: set[str] = set()
    for facts in pending:
        drops = tuple(_drops(schema, facts, moved))
        step = step_id(facts.repository, facts.number)
        found.append(Stage(step, facts.title, schema, clashes(schema, facts), drops, facts.release))
        moved |= {work.table for work in facts.work if work.action == "rows" and work.what != "insert"}
        schema = delta.apply(schema, facts)
        if facts.id in CONVERTS_ENGINE:
            schema = replace(schema, tables={n: replace(t, engine="InnoDB") for n, t in schema.tables.items()})
    return tuple(found)


def _drops(schema: Schema, facts: StepFacts, moved: set[str]) -> Iterator[Drop]:
    """Tables and columns that go while no step up to this one has written their rows elsewhere."""
    if any(work.action == "rows" for work in facts.work):
        return  # the step moves values: what it forgets is for hazards to say
    yield from (Drop(name) for name in facts.tables_dropped if name in schema.tables and name not in moved)
    renamed = {(each.table, each.old) for each in facts.columns_renamed}
    for each in facts.columns_dropped:
        table = schema.tables.get(each.table)
        if table and table.column(each.column.name) and (each.table, each.column.name) not in renamed:
            yield Drop(each.table, each.column.name)
