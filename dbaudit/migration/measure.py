"""What a step did to a schema, as an entry of a step catalogue: the schema before it and after it, compared.

The entry is held against the measurement: applied to the schema before, it gives the schema after. What the form of the
catalogue has no words for is said in the entry's note.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dbaudit.migration import delta
from dbaudit.migration.facts import read_facts
from dbaudit.migration.others import measure_others
from dbaudit.migration.runner import RunStep
from dbaudit.schema.canon import canonical_table
from dbaudit.schema.diff import diff
from dbaudit.schema.model import Column, ForeignKey, Index, Schema, Table
from dbaudit.schema.render import render_column, render_foreign_key, render_index, render_table

Entry = dict[str, Any]
Moved = Sequence[tuple[str, str]]


def entry(step: RunStep, release: str, before: Schema, after: Schema, seconds: float, moved: Moved = ()) -> Entry:
    """The entry of a step that made `after` of `before`; keys that say nothing are left out.

    `moved` is what it did to rows, such as ("insert", "quota_classes").
    """
    old, new = before.tables, after.tables
    content: Entry = {
        "step": str(step.step),
        "title": step.title,
        "file": step.title if step.title.endswith(".sql") else "",
        "release": release,
        "add_tables": [{"sql": render_table(new[name])} for name in sorted(new.keys() - old.keys())],
        "drop_tables": sorted(old.keys() - new.keys()),
    }
    for name in sorted(old.keys() & new.keys()):
        if old[name] != new[name]:
            for key, item in _changes(old[name], new[name]):
                content.setdefault(key, []).append(item)
    for key, item in measure_others(before, after):
        content.setdefault(key, []).append(item)
    content["work"] = [*_work(content, old.keys() - new.keys()), *(f"rows: {what} {table}" for what, table in moved)]
    if moved:
        content["rows"] = {"writes": "always"}
    content["seconds"] = round(seconds, 3)
    content = {key: value for key, value in content.items() if value not in ("", [])}
    if before == after and not moved:
        content["idle"] = True
    left = diff(delta.apply(before, read_facts(content)), after)
    if left:
        objects = sorted({f"{each.kind} {each.table or each.name} {each.attribute}".strip() for each in left})
        content["note"] = f"changes more than a catalogue can say: {', '.join(objects[:8])}"
    return content


def _changes(old: Table, new: Table) -> Iterator[tuple[str, Entry]]:
    """Keys of an entry with one item each."""
    table = old.name
    yield from (("drop_keys", {"table": table, "sql": render_foreign_key(key)}) for key in _gone(old, new))
    yield from (("add_keys", {"table": table, "sql": render_foreign_key(key)}) for key in _gone(new, old))
    indexes = [index for index in old.indexes if index not in new.indexes]
    yield from (("drop_indexes", {"table": table, "sql": render_index(each)}) for each in indexes)
    fresh = [index for index in new.indexes if index not in old.indexes]
    yield from (("add_indexes", {"table": table, "sql": render_index(each)}) for each in fresh)
    yield from _columns(old, new)


def _gone(one: Table, two: Table) -> list[ForeignKey]:
    return [key for key in one.foreign_keys if key not in two.foreign_keys]


def _columns(old: Table, new: Table) -> Iterator[tuple[str, Entry]]:
    table = old.name
    for column in old.columns:
        after = new.column(column.name)
        if after is None:
            yield "drop_columns", {"table": table, "sql": render_column(column)}
        elif _plain(old, column) != _plain(new, after):
            yield "change_columns", {"table": table, "before": render_column(column), "after": render_column(after)}
    order = [column.name for column in old.columns if new.column(column.name)]
    before: str | None = None
    for column in new.columns:
        if old.column(column.name) is None:
            yield "add_columns", {"table": table, "sql": render_column(column), "after": before}
        elif order[0] == column.name:
            order.pop(0)
        else:
            order.remove(column.name)
            yield "move_columns", {"table": table, "column": column.name, "after": before}
        before = column.name


def _plain(table: Table, column: Column) -> Column | None:
    return canonical_table(table).column(column.name)


def _work(content: Entry, dropped: Sequence[str] | Any) -> Iterator[str]:
    """The statements as lines, in an order in which they could have been run: the script's own is not seen."""
    tables = [read_facts({**_EMPTY, "add_tables": content["add_tables"]}).tables_added] if content["add_tables"] else []
    facts = read_facts({**_EMPTY, **{key: value for key, value in content.items() if key not in _OWN}})
    yield from (f"create table {added.table.name}" for group in tables for added in group)
    for key in facts.keys_dropped:
        yield f"drop foreign key {key.table}.{key.key.name}"
    for index in facts.indexes_dropped:
        yield f"drop {_kind(index.index)} {index.table}{_name(index.index)}"
    for column in facts.columns_added:
        yield f"add column {column.table}.{column.column.name}"
    for changed in facts.columns_changed:
        yield f"change column {changed.table}.{changed.after.name}"
    for gone in facts.columns_dropped:
        yield f"drop column {gone.table}.{gone.column.name}"
    for new in facts.indexes_added:
        yield f"add {_kind(new.index)} {new.table}{_name(new.index)}"
    for added_key in facts.keys_added:
        yield f"add foreign key {added_key.table}.{added_key.key.name}"
    yield from (f"drop table {name}" for name in sorted(dropped))


_OWN = ("step", "title", "file", "release", "work")
_EMPTY = {"step": "x:1", "title": "", "release": "austin"}


def _kind(index: Index) -> str:
    if index.name == "PRIMARY":
        return "primary key"
    return "unique" if index.unique else "index"


def _name(index: Index) -> str:
    return "" if index.name == "PRIMARY" else f".{index.name}"
