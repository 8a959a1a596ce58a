"""A migration step applied to a schema: the structure only, as the server would leave it.

Lenient on purpose, since the schema may be a site's own: what exists already is kept as it is, and a drop of what is
absent does nothing. Whether the real step would fail there is for `structure` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from dbaudit.migration.others import apply_options, apply_others
from dbaudit.migration.steps import ColumnAdded, ColumnMoved, StepFacts
from dbaudit.schema.model import Column, ForeignKey, Index, Schema, Table


def apply(schema: Schema, step: StepFacts) -> Schema:
    """The schema after `step`.

    The order is that of the measured facts: tables go and come, then keys, indexes and columns go, then options
    of tables and columns change, columns move and come, then indexes, keys, CHECKs and other objects come.
    """
    schema = apply_options(schema, step.others)
    tables = {name: table for name, table in schema.tables.items() if name not in step.tables_dropped}
    for added in step.tables_added:
        table = added.table
        if table.charset is None:
            table = replace(table, charset=schema.charset, collation=schema.collation)
        tables.setdefault(table.name, table)
    for name, edit in _edits(step):
        if name in tables:
            tables[name] = edit(tables[name])
    return apply_others(replace(schema, tables=tables), step.others)


def _edits(step: StepFacts) -> Iterator[tuple[str, Callable[[Table], Table]]]:
    """The names of tables and what to do with them, in order."""
    for key_dropped in step.keys_dropped:
        yield key_dropped.table, partial(_without_key, key=key_dropped.key)
    for index_dropped in step.indexes_dropped:
        yield index_dropped.table, partial(_without_index, index=index_dropped.index)
    for column_dropped in step.columns_dropped:
        yield column_dropped.table, partial(_without_column, name=column_dropped.column.name)
    for column_changed in step.columns_changed:
        yield column_changed.table, partial(_with_changed, after=column_changed.after)
    for moved in step.columns_moved:
        yield moved.table, partial(_with_moved, moved=moved)
    for column_added in step.columns_added:
        yield column_added.table, partial(_with_column, added=column_added)
    for index_added in step.indexes_added:
        yield index_added.table, partial(_with_index, index=index_added.index)
    for key_added in step.keys_added:
        yield key_added.table, partial(_with_key, key=key_added.key)


def _with_moved(table: Table, moved: ColumnMoved) -> Table:
    column = table.column(moved.column)
    return _insert(_without_column(table, moved.column), column, moved.after) if column else table


def _with_changed(table: Table, after: Column) -> Table:
    """The column with its new type, nullability and default, and its old charset where the step names none."""
    columns = tuple(
        (after if after.charset else replace(after, charset=column.charset, collation=column.collation))
        if column.name == after.name
        else column
        for column in table.columns
    )
    return replace(table, columns=columns)


def _with_column(table: Table, added: ColumnAdded) -> Table:
    return table if table.column(added.column.name) else _insert(table, added.column, added.after)


def _insert(table: Table, column: Column, after: str | None) -> Table:
    names = [each.name for each in table.columns]
    place = 0 if after is None else names.index(after) + 1 if after in names else len(names)
    return replace(table, columns=(*table.columns[:place], column, *table.columns[place:]))


def _without_column(table: Table, name: str) -> Table:
    return replace(table, columns=tuple(column for column in table.columns if column.name != name))


def _with_index(table: Table, index: Index) -> Table:
    return table if table.index(index.name) else replace(table, indexes=(*table.indexes, index))


def _without_index(table: Table, index: Index) -> Table:
    """Without the index of that name, or else of those columns."""
    found = table.index(index.name) or next(
        (each for each in table.indexes if (each.kind, each.parts) == (index.kind, index.parts)), None
    )
    return replace(table, indexes=tuple(each for each in table.indexes if each is not found))


def _with_key(table: Table, key: ForeignKey) -> Table:
    return table if table.foreign_key(key.name) else replace(table, foreign_keys=(*table.foreign_keys, key))


def _without_key(table: Table, key: ForeignKey) -> Table:
    """Without the foreign key of that name, or else of those columns and that reference."""

    def where(each: ForeignKey) -> tuple[object, ...]:
        return each.columns, each.referred_table, each.referred_columns

    found = table.foreign_key(key.name) or next(
        (each for each in table.foreign_keys if where(each) == where(key)), None
    )
    return replace(table, foreign_keys=tuple(each for each in table.foreign_keys if each is not found))
