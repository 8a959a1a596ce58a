"""Whether the statements of a step show in a schema: done, open, or not to be told.

Only what a statement leaves behind is looked at. A statement that leaves what was there before (an index
dropped and made again) cannot be told, and what is done to rows never can.
"""

from __future__ import annotations

from enum import Enum

from dbaudit.migration.steps import StepFacts, Work
from dbaudit.schema.canon import canonical_table
from dbaudit.schema.model import Column, Schema, Table


class State(Enum):
    """What a schema says about one statement; OTHER: the object is there, but not as the step makes it."""

    DONE = "done"
    OPEN = "open"
    OTHER = "other"
    UNKNOWN = "unknown"


def states(step: StepFacts, schema: Schema) -> tuple[State, ...]:
    """The state of every statement of `step.work`, in order, in a canonical schema."""
    return tuple(_state(step, work, schema) for work in step.work)


def _state(step: StepFacts, work: Work, schema: Schema) -> State:
    if work.action == "rows":
        return State.UNKNOWN
    table = schema.tables.get(work.table)
    if work.what == "table":
        return _is(table is not None, wanted=work.action == "create")
    if table is None:
        return State.UNKNOWN
    if work.what == "column":
        return _column(step, work, table)
    if work.what == "foreign key":
        return _foreign_key(step, work, table)
    return _index(step, work, table)


def _is(there: bool, *, wanted: bool) -> State:
    return State.DONE if there is wanted else State.OPEN


def _column(step: StepFacts, work: Work, table: Table) -> State:
    column = table.column(work.name or "")
    if work.action == "drop":
        made_anew = any((each.table, each.column) == (work.table, work.name) for each in step.columns_moved)
        return State.UNKNOWN if made_anew else _is(column is not None, wanted=False)
    if work.action == "add":
        wanted = next(
            (a.column for a in step.columns_added if (a.table, a.column.name) == (work.table, work.name)), None
        )
        if wanted is None:
            return State.UNKNOWN  # added and dropped again, or made anew under its name
        if column is None:
            return State.OPEN
        return State.DONE if _same(table, wanted, column) else State.OTHER
    changed = next((c for c in step.columns_changed if (c.table, c.after.name) == (work.table, work.name)), None)
    if changed is None or column is None:
        return State.UNKNOWN
    if _same(table, changed.after, column):
        return State.DONE
    return State.OPEN if _same(table, changed.before, column) else State.OTHER


def _same(table: Table, wanted: Column, column: Column) -> bool:
    """Whether type, nullability and default agree, spelled in any way."""
    plain = canonical_table(Table(table.name, columns=(wanted,))).columns[0]
    return (plain.type, plain.null, plain.default) == (column.type, column.null, column.default)


def _foreign_key(step: StepFacts, work: Work, table: Table) -> State:
    """By columns and reference, since canonical keys have no name where the server gave it."""
    facts = step.keys_added if work.action == "add" else step.keys_dropped
    of_table = [fact.key for fact in facts if fact.table == work.table]
    wanted = next((k for k in of_table if work.name == k.name or work.columns == k.columns), None)
    if wanted is None:
        return State.UNKNOWN
    where = (wanted.columns, wanted.referred_table, wanted.referred_columns)
    there = any((k.columns, k.referred_table, k.referred_columns) == where for k in table.foreign_keys)
    return _is(there, wanted=work.action == "add")


def _index(step: StepFacts, work: Work, table: Table) -> State:
    """By name and parts: some steps drop an index and make another of the same name."""
    name = "PRIMARY" if work.what == "primary key" else work.name
    added = next((a.index for a in step.indexes_added if (a.table, a.index.name) == (work.table, name)), None)
    dropped = next((d.index for d in step.indexes_dropped if (d.table, d.index.name) == (work.table, name)), None)
    index = table.index(name or "")
    if work.action == "drop":
        if dropped is None or any(_implicit(key_columns, dropped.columns) for key_columns in _keys(table)):
            return State.UNKNOWN
        gone = index is None or (added is not None and index.parts == added.parts)
        return _is(not gone, wanted=False)
    if added is None:
        return State.UNKNOWN
    if index is None:
        return State.OPEN
    if index.parts == added.parts:
        return State.DONE
    return State.OPEN if dropped is not None and index.parts == dropped.parts else State.OTHER


def _keys(table: Table) -> list[tuple[str, ...]]:
    return [key.columns for key in table.foreign_keys]


def _implicit(key: tuple[str, ...], index: tuple[str, ...]) -> bool:
    """Whether a foreign key over these columns hides such an index from a canonical table."""
    return key == index
