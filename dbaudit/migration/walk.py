"""Walk through the statements of one step, in the script's own order, over the schema that it will find.

A statement that meets what does not suit it is a clash; it is passed over, so that what follows is still looked at.
What the script is known to tolerate (it got past it when it was run on its own result) is never a clash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dbaudit.check import Clash, Trouble
from dbaudit.migration import key_rules
from dbaudit.migration.steps import StepFacts, Work
from dbaudit.migration.working_schema import WorkingSchema
from dbaudit.schema.model import ForeignKey, Schema, Table


def clashes(schema: Schema, facts: StepFacts) -> tuple[Clash, ...]:
    """What will not go through in one step, in the order in which the script comes to it, each once."""
    walk = _Walk(schema, facts)
    past = tolerated(facts)
    found = []
    for number, work in enumerate(facts.work):
        for clash in walk.look(work):
            if number >= past or walk.never_tolerated(work, clash):
                found.append(clash)
        walk.now.do(work)
    return tuple(dict.fromkeys(found))


def tolerated(facts: StepFacts) -> int:
    """How many statements, from the first, the script passes although their work is done already."""
    if facts.rerunnable:
        return len(facts.work)
    error = facts.rerun_error or ""
    if "NoSuchTable" in error:
        return 0  # the script looks at all its tables before it does anything
    for number, work in enumerate(facts.work):
        name = work.name or (work.table if work.what == "table" else "")
        if name and (f"'{name}'" in error or error.endswith(f" {name}")):
            return number
    return 0


class _Walk:
    """What a step's statements trip over, on the schema that those before them leave."""

    def __init__(self, schema: Schema, facts: StepFacts) -> None:
        self.facts = facts
        self.now = WorkingSchema(schema, facts)
        self.required = {(drop.kind, drop.table, drop.name) for drop in facts.drops_by_name if drop.required}

    def never_tolerated(self, work: Work, clash: Clash) -> bool:
        """Whether running on its own result says nothing of this clash: drops that need the name, and what the
        server refuses. A script that drops a name and makes it again finds it there the second time."""
        if clash.trouble is Trouble.MISSING and work.action == "drop":
            return self._needs_name(work)
        return clash.trouble not in (Trouble.EXISTS, Trouble.MISSING)

    def _needs_name(self, work: Work) -> bool:
        """Whether the script fails where nothing has the name that it drops."""
        kind = "index" if work.what == "unique" else work.what
        return (kind, work.table, work.name) in self.required

    def look(self, work: Work) -> Iterator[Clash]:
        """What a statement will trip over, if it were run now."""
        table = self.now.tables.get(work.table)
        if work.what == "table":
            yield from self._look_at_table(work, table)
        elif work.action == "rows":
            return  # rows of an absent table: seen where the table itself is made, changed or dropped
        elif table is None:
            yield _clash(Trouble.MISSING, work, work.table, f"1146 Table '{work.table}' doesn't exist")
        elif work.what == "column":
            yield from self._look_at_column(work, table)
        elif work.what in ("index", "unique"):
            yield from self._look_at_index(work, table)
        elif work.what == "foreign key":
            yield from self._look_at_key(work, table)

    def _look_at_table(self, work: Work, table: Table | None) -> Iterator[Clash]:
        if work.action == "create":
            if table is not None:
                yield _clash(Trouble.EXISTS, work, work.table, f"1050 Table '{work.table}' already exists")
                return
            if work.table in self.now.schema.views:
                error = f"1050 Table '{work.table}' already exists"
                yield _clash(Trouble.EXISTS, work, work.table, error, "a view of that name is there")
            child = self.now.new(work)
            for key in child.foreign_keys if child else ():
                yield from self._makes(work, child, key)
        elif table is None:
            yield _clash(Trouble.MISSING, work, work.table, f"1051 Unknown table '{work.table}'")
        elif users := key_rules.referring(self.now.as_schema(), table):
            error = "1217 Cannot delete or update a parent row: a foreign key constraint fails"
            yield _clash(Trouble.IN_USE, work, work.table, error, f"referred to by {_and(users)}")

    def _look_at_column(self, work: Work, table: Table) -> Iterator[Clash]:
        name = work.name or ""
        label, column = f"{table.name}.{name}", table.column(name)
        if work.action == "add":
            if column is not None:
                detail = f"the column there is {column.type}{self._wanted(table, name)}"
                yield _clash(Trouble.EXISTS, work, label, f"1060 Duplicate column name '{name}'", detail)
        elif column is None:
            if (table.name, name) not in self.now.passing:
                error = f"1091 Can't DROP '{name}'" if work.action == "drop" else f"1054 Unknown column '{name}'"
                yield _clash(Trouble.MISSING, work, label, error)
        elif work.action == "drop" and (users := key_rules.users(self.now.as_schema(), table, name)):
            yield _clash(Trouble.IN_USE, work, label, f"1553 Cannot drop '{name}'", f"used by {_and(users)}")

    def _wanted(self, table: Table, name: str) -> str:
        column = self.now.columns.get((table.name, name))
        return f", the step makes {column.type}" if column else ""

    def _look_at_index(self, work: Work, table: Table) -> Iterator[Clash]:
        name = work.name or ""
        label, index = f"{table.name}.{name}", table.index(name)
        if work.action != "drop":
            if index is not None:
                detail = f"the index there is on ({', '.join(index.columns)})"
                yield _clash(Trouble.EXISTS, work, label, f"1061 Duplicate key name '{name}'", detail)
            wanted = self.now.indexes.get((table.name, name))
            for column in wanted.columns if wanted else ():
                if table.column(column) is None:
                    error = f"1072 Key column '{column}' doesn't exist in table"
                    yield _clash(Trouble.MISSING, work, f"{table.name}.{column}", error)
        elif index is None:
            if self._needs_name(work):
                yield _clash(
                    Trouble.MISSING, work, label, f"1091 Can't DROP '{name}'", self._twin_of_index(table, name)
                )
        elif users := key_rules.left_without_index(self.now.as_schema(), table, index):
            error = f"1553 Cannot drop index '{name}': needed in a foreign key constraint"
            yield _clash(Trouble.IN_USE, work, label, error, f"needed by {_and(users)}")

    def _look_at_key(self, work: Work, table: Table) -> Iterator[Clash]:
        if work.action == "drop":
            name = work.name or ""
            if table.foreign_key(name) is None and self._needs_name(work):
                label = f"{table.name}.{name}"
                yield _clash(Trouble.MISSING, work, label, f"1091 Can't DROP '{name}'", self._twin_of_key(table, name))
            return
        for key in self.now.keys_of(work):
            yield from self._makes(work, table, key)

    def _makes(self, work: Work, child: Table | None, key: ForeignKey) -> Iterator[Clash]:
        if child is not None:
            named = (child.name, key.name) not in self.now.server_named
            yield from key_rules.clashes(self.now.as_schema(), child, key, work.text, named=named)

    def _twin_of_index(self, table: Table, name: str) -> str:
        """The name under which the database has the index that the step drops by another."""
        gone = next(
            (d.index for d in self.facts.indexes_dropped if (d.table, d.index.name) == (table.name, name)), None
        )
        same = [i.name for i in table.indexes if gone and (i.columns, i.unique) == (gone.columns, gone.unique)]
        return f"the same index is there as {_and(same)}" if same else ""

    def _twin_of_key(self, table: Table, name: str) -> str:
        gone = next((d.key for d in self.facts.keys_dropped if (d.table, d.key.name) == (table.name, name)), None)
        same = [k.name for k in table.foreign_keys if gone and k.columns == gone.columns]
        return f"the same foreign key is there as {_and(same)}" if same else ""


def _and(names: Iterable[str]) -> str:
    return ", ".join(names)


def _clash(trouble: Trouble, work: Work, label: str, error: str, detail: str = "") -> Clash:
    return Clash(trouble, label, work.text, error, detail)
