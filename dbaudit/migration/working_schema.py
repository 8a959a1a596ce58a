"""The schema as it is between two statements of a migration step, by what the script of the step does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dbaudit.migration import key_rules
from dbaudit.migration.steps import Origin, StepFacts, Work
from dbaudit.schema.model import Column, ForeignKey, Index, Schema, Table


class WorkingSchema:
    """Begins as the schema that the step will find; `do` goes on by one statement of its work.

    `columns`, `indexes` and `keys` are those that the step makes, by table and name; `passing` are columns that the
    script makes for itself and takes away again, which the measured difference does not hold.
    """

    def __init__(self, schema: Schema, facts: StepFacts) -> None:
        self.schema, self.facts = schema, facts
        self.tables = dict(schema.tables)
        self.columns = {(c.table, c.column.name): c.column for c in facts.columns_added}
        self.indexes = {(i.table, i.index.name): i.index for i in facts.indexes_added}
        self.keys = {(k.table, k.key.name): k.key for k in facts.keys_added}
        self.server_named = {(k.table, k.key.name) for k in facts.keys_added if Origin.SERVER_NAMED in k.origins}
        for added in facts.tables_added:
            self.indexes |= {(added.table.name, i.name): i for i in added.table.indexes}
            self.keys |= {(added.table.name, k.name): k for k in added.table.foreign_keys}
            named = {n for n, origins in added.origins.items() if Origin.SERVER_NAMED in origins}
            self.server_named |= {(added.table.name, name) for name in named}
        self.passing = {(w.table, w.name) for w in facts.work if w.what == "column" and w.action == "add"} - set(
            self.columns
        )

    def do(self, work: Work) -> None:
        """Change the schema as the statement does; what is there is kept, what is absent needs no drop."""
        if work.what == "table":
            self._do_table(work)
            return
        table = self.tables.get(work.table)
        if table is None or work.action == "rows":
            return
        if work.what == "column":
            self.tables[table.name] = self._with_column(work, table)
        elif work.what in ("index", "unique"):
            self.tables[table.name] = self._with_index(work, table)
        elif work.what == "foreign key":
            self.tables[table.name] = self._with_key(work, table)

    def _do_table(self, work: Work) -> None:
        if work.action == "drop":
            self.tables.pop(work.table, None)
        elif work.table not in self.tables and (new := self.new(work)):
            self.tables[work.table] = new

    def _with_column(self, work: Work, table: Table) -> Table:
        name = work.name or ""
        if work.action == "drop":
            return replace(table, columns=tuple(c for c in table.columns if c.name != name))
        column = self.columns.get((table.name, name), Column(name, "text"))
        if work.action == "add" and table.column(name) is None:
            return replace(table, columns=(*table.columns, column))
        return table

    def _with_index(self, work: Work, table: Table) -> Table:
        name = work.name or ""
        if work.action == "drop":
            if gone := table.index(name):
                self.indexes.setdefault((table.name, name), gone)
            return replace(table, indexes=tuple(i for i in table.indexes if i.name != name))
        new = self.indexes.get((table.name, name))
        return replace(table, indexes=(*table.indexes, new)) if new and table.index(name) is None else table

    def _with_key(self, work: Work, table: Table) -> Table:
        name = work.name or ""
        if work.action == "drop":
            if gone := table.foreign_key(name):
                self.keys.setdefault((table.name, name), gone)
            return replace(table, foreign_keys=tuple(k for k in table.foreign_keys if k.name != name))
        new = tuple(k for k in self.keys_of(work) if table.foreign_key(k.name) is None)
        return replace(table, indexes=_served(table, new), foreign_keys=(*table.foreign_keys, *new))

    def keys_of(self, work: Work) -> tuple[ForeignKey, ...]:
        """The foreign keys that a statement adds: by name, or by their columns where the server names them."""
        return tuple(
            key
            for (table, name), key in self.keys.items()
            if table == work.table and (name == work.name or (work.name is None and key.columns == work.columns))
        )

    def new(self, work: Work) -> Table | None:
        """The table that a statement creates, without what later statements of the step add to it."""
        added = next((t.table for t in self.facts.tables_added if t.table.name == work.table), None)
        if added is None:
            return None
        later = {w.name for w in self.facts.work if w.table == work.table and w.name and w.what != "table"}
        table = replace(
            added,
            indexes=tuple(i for i in added.indexes if i.name not in later),
            foreign_keys=tuple(k for k in added.foreign_keys if k.name not in later),
        )
        if table.charset is None:
            table = replace(table, charset=self.schema.charset, collation=self.schema.collation)
        return table

    def as_schema(self) -> Schema:
        """What there is now."""
        return replace(self.schema, tables=self.tables)


def _served(table: Table, keys: Iterable[ForeignKey]) -> tuple[Index, ...]:
    """The table's indexes, with those that the server makes for foreign keys that have none."""
    indexes = table.indexes
    for key in keys:
        if not any(index.columns[: len(key.columns)] == key.columns for index in indexes):
            indexes = (*indexes, key_rules.implicit_index(key))
    return indexes
