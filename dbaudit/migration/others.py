"""What a step does besides columns, indexes and keys: options of tables, CHECKs, views, triggers, routines, events.

As it stands in a step catalogue, and as it is measured and applied. Steps of Grizzly to Kilo do none of it; catalogues
that are built for later releases, or for a site's own steps, hold it:

    "change_options": [{"table", "before", "after"}]      the text behind the bracket of CREATE TABLE, partitions too
    "add_checks", "drop_checks": [{"table", "sql", "column"}]      `column` is the one behind which it is written
    "add_objects": [{"sql"}], "drop_objects": [{"kind", "name"}]   a changed one is dropped and added
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dbaudit.schema.canon import canonical_table
from dbaudit.schema.column import read_column
from dbaudit.schema.definition import read_table
from dbaudit.schema.model import CheckConstraint, Schema, Table
from dbaudit.schema.render import render_check, render_options, render_others
from dbaudit.schema.script import read_script

_FIELDS = ("engine", "charset", "collation", "row_format", "comment", "options", "partitions")
_KINDS = ("views", "triggers", "routines", "events")
# A table around what is read alone.
_AROUND = "CREATE TABLE `x` (\n  `x` int"


@dataclass(frozen=True, slots=True)
class OptionsChanged:
    """A table that gets other options; `before` and `after` are tables with nothing but those."""

    table: str
    before: Table
    after: Table


@dataclass(frozen=True, slots=True)
class CheckFact:
    """A CHECK that comes or goes."""

    table: str
    check: CheckConstraint


@dataclass(frozen=True, slots=True)
class Others:
    """All of it in one step; `objects_added` is a schema without tables, `objects_dropped` are kinds and names."""

    options_changed: tuple[OptionsChanged, ...] = ()
    checks_added: tuple[CheckFact, ...] = ()
    checks_dropped: tuple[CheckFact, ...] = ()
    objects_added: Schema = field(default_factory=Schema)
    objects_dropped: tuple[tuple[str, str], ...] = ()

    @property
    def objects(self) -> bool:
        """Whether a view, trigger, routine or event comes or goes."""
        return bool(self.objects_dropped) or self.objects_added != Schema()


def read_others(entry: Mapping[str, Any]) -> Others:
    """Of an entry of a catalogue. Raises KeyError, ValueError, TypeError or DbauditError for another form."""
    script = "".join(f"{item['sql']};;\n\n" for item in entry.get("add_objects", ()))
    return Others(
        tuple(
            OptionsChanged(item["table"], _optioned(item["before"]), _optioned(item["after"]))
            for item in entry.get("change_options", ())
        ),
        tuple(_check(item) for item in entry.get("add_checks", ())),
        tuple(_check(item) for item in entry.get("drop_checks", ())),
        read_script(script) if script else Schema(),
        tuple((_of_kind(item["kind"]), item["name"]) for item in entry.get("drop_objects", ())),
    )


def _optioned(text: str) -> Table:
    table = read_table(f"{_AROUND}\n){text}")
    if table.unsupported:
        raise ValueError(f"not the options of a table: {text!r}")
    return replace(table, columns=())


def _check(item: Mapping[str, Any]) -> CheckFact:
    sql, column = item["sql"], item.get("column", "")
    if sql.startswith("CONSTRAINT"):
        found = read_table(f"{_AROUND},\n  {sql}\n)").checks
    else:
        found = tuple(CheckConstraint("", text) for text in read_column(f"`x` int {sql}").checks)
    if len(found) != 1:
        raise ValueError(f"not a CHECK: {sql!r}")
    return CheckFact(item["table"], replace(found[0], column=column))


def _of_kind(kind: str) -> str:
    if f"{kind}s" not in _KINDS:
        raise ValueError(f"not a kind of object: {kind!r}")
    return f"{kind}s"


def measure_others(before: Schema, after: Schema) -> Iterator[tuple[str, dict[str, Any]]]:
    """Keys of an entry with one item each, for a step that made `after` of `before`."""
    for name in sorted(before.tables.keys() & after.tables.keys()):
        yield from _measure_table(before.tables[name], after.tables[name])
    for kind in _KINDS:
        old, new = getattr(before, kind), getattr(after, kind)
        changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        for name in changed:
            if name in old:
                yield "drop_objects", {"kind": kind.removesuffix("s"), "name": name}
            if name in new:
                objects: dict[str, Any] = {kind: {name: new[name]}}
                alone = Schema(**objects)
                yield from (("add_objects", {"sql": sql}) for _, sql in render_others(alone))


def _measure_table(old: Table, new: Table) -> Iterator[tuple[str, dict[str, Any]]]:
    if _options(canonical_table(old)) != _options(canonical_table(new)):
        yield "change_options", {"table": old.name, "before": render_options(old), "after": render_options(new)}
    for key, one, two in (("drop_checks", old, new), ("add_checks", new, old)):
        for check in one.checks:
            if check not in two.checks:
                item = {"table": old.name, "sql": render_check(check)}
                yield key, item | ({"column": check.column} if check.column else {})


def _options(table: Table) -> tuple[object, ...]:
    return tuple(getattr(table, field) for field in _FIELDS)


def apply_options(schema: Schema, others: Others) -> Schema:
    """The schema with the options of its tables as they are after the step."""
    tables = dict(schema.tables)
    for each in others.options_changed:
        if each.table in tables:
            tables[each.table] = replace(tables[each.table], **{field: getattr(each.after, field) for field in _FIELDS})
    return replace(schema, tables=tables)


def apply_others(schema: Schema, others: Others) -> Schema:
    """The schema with its CHECKs and its other objects as they are after the step. What is absent needs no drop."""
    tables = dict(schema.tables)
    for gone in others.checks_dropped:
        if table := tables.get(gone.table):
            tables[gone.table] = replace(table, checks=tuple(each for each in table.checks if each != gone.check))
    for new in others.checks_added:
        if (table := tables.get(new.table)) and new.check not in table.checks:
            tables[new.table] = replace(table, checks=(*table.checks, new.check))
    objects: dict[str, Any] = {kind: dict(getattr(schema, kind)) for kind in _KINDS}
    for kind, name in others.objects_dropped:
        objects[kind].pop(name, None)
    for kind, there in objects.items():
        there.update(getattr(others.objects_added, kind))
    return replace(schema, tables=tables, **objects)
