"""The statements of one step of the catalogue, in the order in which the upstream script does its work.

Names are looked up where the script looks them up, and left to the server where the script leaves them to it, so that
what a script would trip over on this very schema is tripped over here, with the server's own error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from dbaudit.migration.steps import Origin, StepFacts, Work
from dbaudit.schema.model import Column, ForeignKey, Index, Schema, Table
from dbaudit.schema.render import render_column, render_foreign_key, render_index, render_table
from dbaudit.schema.text import name


class WorkSql:
    """Turns the work of a step into SQL; `now` reads a table as it is now, `before` is how the step found it."""

    def __init__(self, facts: StepFacts, before: Schema, now: Callable[[str], Table | None]) -> None:
        self._facts = facts
        self._now = now
        self._tables = {added.table.name: added for added in facts.tables_added}
        self._columns = {(each.table, each.column.name): each.column for each in facts.columns_added}
        self._columns |= {(each.table, each.after.name): each.after for each in facts.columns_changed}
        self._renamed = {(each.table, each.old): each.new for each in facts.columns_renamed}
        self._indexes = {(each.table, each.index.name): each.index for each in facts.indexes_added}
        self._keys = {(each.table, each.key.name): each.key for each in facts.keys_added}
        self._unnamed = {(k.table, k.key.name) for k in facts.keys_added if Origin.SERVER_NAMED in k.origins}
        for added in facts.tables_added:
            self._indexes |= {(added.table.name, each.name): each for each in added.table.indexes}
            self._keys |= {(added.table.name, each.name): each for each in added.table.foreign_keys}
            unnamed = (n for n, origins in added.origins.items() if Origin.SERVER_NAMED in origins)
            self._unnamed |= {(added.table.name, each) for each in unnamed}
        self._required = {(drop.kind, drop.table, drop.name) for drop in facts.drops_by_name if drop.required}
        self._passing = dict(_passing(facts, self._columns))
        self._before = before

    def statements(self, work: Work) -> tuple[str, ...]:
        """The SQL of one line of work; none where the script finds nothing to do, or where only rows change."""
        if work.action == "rows":
            return ()
        if work.what == "table":
            return self._table(work)
        if work.what == "column":
            return self._column(work)
        clause = self._key(work) if work.what == "foreign key" else self._index(work)
        return (f"ALTER TABLE {name(work.table)} {clause}",) if clause else ()

    def unique(self, work: Work) -> tuple[str, ...]:
        """The columns in which no two rows may be equal after a line of work; none where it makes no such key."""
        if work.action == "drop" or work.what not in ("index", "unique", "primary key"):
            return ()
        index = self._indexes.get((work.table, "PRIMARY" if work.what == "primary key" else work.name or ""))
        return index.columns if index and index.unique else ()

    # -- tables and columns ----------------------------------------------------------------------------------------

    def _table(self, work: Work) -> tuple[str, ...]:
        if work.action == "drop":
            return (f"DROP TABLE {name(work.table)}",)
        added = self._tables.get(work.table)
        if added is None:
            return ()
        # What later work adds is not there yet; indexes that only serve a foreign key are the server's to make.
        later = {each.name for each in self._facts.work if each.table == work.table and each.what != "table"}
        implicit = {each for each, origins in added.origins.items() if Origin.IMPLICIT in origins}
        keys = (each for each in added.table.foreign_keys if each.name not in later)
        table = replace(
            added.table,
            indexes=tuple(i for i in added.table.indexes if i.name not in later | implicit),
            foreign_keys=tuple(self._as_written(work.table, each) for each in keys),
        )
        return (render_table(table),)

    def _column(self, work: Work) -> tuple[str, ...]:
        head, column = f"ALTER TABLE {name(work.table)}", work.name or ""
        if work.action == "drop":
            return (f"{head} DROP COLUMN {name(column)}",)
        goal = self._passing.get((work.table, column))
        wanted = self._columns.get((work.table, goal or column))
        if work.action == "add":
            known = wanted or _column_of(self._before.tables.get(work.table), goal or column)
            return (f"{head} ADD COLUMN {render_column(replace(known, name=column))}",) if known else ()
        if goal is not None:
            final = wanted or _column_of(self._now(work.table), column)
            return (f"{head} CHANGE COLUMN {name(column)} {_rendered(final, goal)}",)
        if new := self._renamed.get((work.table, column)):
            return (f"{head} CHANGE COLUMN {name(column)} {_rendered(self._columns[work.table, new], new)}",)
        # A change that was measured as none keeps the column as it is; an absent one is the server's to refuse.
        final = self._in_charset(work.table, wanted) or _column_of(self._now(work.table), column)
        return (f"{head} MODIFY COLUMN {_rendered(final, column)}",)

    def _in_charset(self, table: str, wanted: Column | None) -> Column | None:
        """A changed column keeps its charset."""
        old = _column_of(self._now(table), wanted.name) if wanted else None
        return replace(wanted, charset=old.charset, collation=old.collation) if wanted and old else wanted

    # -- indexes and keys ------------------------------------------------------------------------------------------

    def _index(self, work: Work) -> str | None:
        label = "PRIMARY" if work.what == "primary key" else work.name or ""
        if work.action != "drop":
            index = self._indexes.get((work.table, label))
            return f"ADD {render_index(index)}" if index else None
        if work.what == "primary key":
            return "DROP PRIMARY KEY"
        there = self._index_there(work.table, label)
        if there is not None:
            self._indexes.setdefault((work.table, label), there)  # some scripts make it again
        return f"DROP INDEX {name(there.name if there else label)}" if self._drops("index", work, there) else None

    def _index_there(self, table: str, label: str) -> Index | None:
        found = self._now(table) or Table(table)
        gone = next((d.index for d in self._facts.indexes_dropped if (d.table, d.index.name) == (table, label)), None)
        if self._looked_up("index", table, label) and gone is not None:
            wanted = (gone.columns, gone.unique)
            same = [each for each in found.indexes if (each.columns, each.unique) == wanted]
            return found.index(label) if found.index(label) in same else next(iter(same), None)
        return found.index(label)

    def _key(self, work: Work) -> str | None:
        label = work.name or ""
        if work.action != "drop":
            keys = [self._as_written(work.table, each) for each in self._wanted_keys(work)]
            return ", ".join(f"ADD {render_foreign_key(key)}" for key in keys) or None
        there = self._key_there(work.table, label)
        if there is not None:
            self._keys.setdefault((work.table, label), there)
        drops = self._drops("foreign key", work, there)
        return f"DROP FOREIGN KEY {name(there.name if there else label)}" if drops else None

    def _key_there(self, table: str, label: str) -> ForeignKey | None:
        found = self._now(table) or Table(table)
        gone = next((d.key for d in self._facts.keys_dropped if (d.table, d.key.name) == (table, label)), None)
        if self._looked_up("foreign key", table, label) and gone is not None:
            return next((each for each in found.foreign_keys if each.columns == gone.columns), None)
        return found.foreign_key(label)

    def _wanted_keys(self, work: Work) -> list[ForeignKey]:
        return [
            key
            for (table, label), key in self._keys.items()
            if table == work.table and (label == work.name or (work.name is None and key.columns == work.columns))
        ]

    def _as_written(self, table: str, key: ForeignKey) -> ForeignKey:
        return replace(key, name="") if (table, key.name) in self._unnamed else key

    def _drops(self, kind: str, work: Work, there: object) -> bool:
        """Whether the script sends the statement: it does where the thing is there, or where it does not look first."""
        return there is not None or (kind, work.table, work.name) in self._required

    def _looked_up(self, kind: str, table: str, label: str) -> bool:
        return any((each.kind, each.table, each.name) == (kind, table, label) for each in self._facts.drops_looked_up)


def _passing(facts: StepFacts, known: dict[tuple[str, str], Column]) -> Iterable[tuple[tuple[str, str], str]]:
    """Columns that a script makes to take another's place, and whose place: added, the other dropped, then renamed."""
    made = {(w.table, w.name or "") for w in facts.work if (w.action, w.what) == ("add", "column")}
    gone = {(each.table, each.column.name) for each in facts.columns_dropped}
    for table, column in sorted(made - set(known)):
        dropped = [w.name for w in facts.work if (w.action, w.what, w.table) == ("drop", "column", table)]
        for other in dropped:
            if other and other != column and (table, other) not in gone:
                yield (table, column), other


def _column_of(table: Table | None, column: str) -> Column | None:
    return table.column(column) if table else None


def _rendered(column: Column | None, label: str) -> str:
    # Of a column that is not there no definition is known; the server says so.
    return render_column(replace(column, name=label)) if column else f"{name(label)} text"
