"""One table into another of the same name, as clauses of ALTER TABLE; foreign keys are left to `alter`.

What is compared is the canonical form, what is written is the right side's own. Names that servers made count as names
here only where the server needs one to drop the object.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from dbaudit.schema.canon import canonical_table
from dbaudit.schema.canon._charsets import of_column
from dbaudit.schema.explicit import explicit
from dbaudit.schema.loss import is_text, losses
from dbaudit.schema.model import CheckConstraint, Column, Index, IndexKind, Table
from dbaudit.schema.render import render_check, render_column, render_index
from dbaudit.schema.table_diff import COLUMN_FIELDS
from dbaudit.schema.table_options import options_changed
from dbaudit.schema.text import name


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause; `loses` says what it may lose, `columns` and `index` what it works on; `entangled` that it goes only
    together with all other clauses of its table. `before` and `after` are the objects, where it is no more than a
    column or index that comes (in the last place), goes or changes (in its place).
    """

    sql: str
    loses: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    index: str = ""
    entangled: bool = False
    before: Column | Index | None = None
    after: Column | Index | None = None


@dataclass
class TableChange:
    """The change of one table. `touched` are columns that are changed in a way that foreign keys over them feel."""

    left: Table
    right: Table
    clauses: list[Clause] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._old, self._new = canonical_table(self.left), canonical_table(self.right)
        self._modified = set(self._changed_columns())
        self._remade = {each for each in self._modified if self._made_anew(each)}
        self.touched |= self._modified
        columns = list(self._columns())
        self.clauses += [*self._checks_dropped(), *self._indexes_dropped(), *columns, *self._indexes_added()]
        self.clauses += [*self._checks_added(), *map(Clause, options_changed(self._old, self._new))]

    @property
    def statements(self) -> list[tuple[list[Clause], bool]]:
        """The clauses in the groups in which they can be run; True for a group that loses something.

        An index that changes in its comment or parser alone goes in a statement of its own: MySQL 5.6 and 9 take DROP
        and ADD of it in one ALTER TABLE for no change.
        """
        alike = [each for each in self.clauses if self._comes_back_alike(each)]
        rest = [each for each in self.clauses if each not in alike]
        return [*([(alike, False)] if alike else []), *self._groups(rest)]

    @staticmethod
    def _groups(clauses: list[Clause]) -> list[tuple[list[Clause], bool]]:
        losing = [each for each in clauses if each.loses]
        if not losing:
            return [(clauses, False)] if clauses else []
        if any(each.entangled for each in clauses):
            return [(clauses, True)]
        columns = {column for each in losing for column in each.columns}
        late = {each.index for each in clauses if each.index and columns & set(each.columns)}
        second = [each for each in clauses if each.loses or each.index in late - {""}]
        first = [each for each in clauses if each not in second]
        return [*([(first, False)] if first else []), (second, True)]

    def _comes_back_alike(self, clause: Clause) -> bool:
        """Whether the clause drops an index that another makes over the same parts; a counter's needs its index."""
        old = clause.before
        if clause.after is not None or not isinstance(old, Index) or old.kind is IndexKind.PRIMARY:
            return False
        new = self.right.index(old.name)
        counters = {column.name for column in (*self.left.columns, *self.right.columns) if column.auto_increment}
        alike = new is not None and (new.kind, new.parts) == (old.kind, old.parts)
        return alike and counters.isdisjoint(old.columns)

    def _common(self) -> Iterator[tuple[Column, Column]]:
        for column in self.left.columns:
            other = self.right.column(column.name)
            if other is not None:
                yield column, other

    def _changed_columns(self) -> Iterator[str]:
        gone = {check.column.lower() for check in self.left.checks if check.column and self._unwanted(check)}
        for before, after in self._common():
            one, two = self._effective(self._old, before), self._effective(self._new, after)
            differs = any(getattr(one, each) != getattr(two, each) for each in COLUMN_FIELDS)
            if differs or before.name.lower() in gone:
                yield before.name.lower()

    def _unwanted(self, check: CheckConstraint) -> bool:
        plain = _plain_check(self.left, check)
        return plain is not None and plain not in self._new.checks

    @staticmethod
    def _effective(canonical: Table, raw: Column) -> Column:
        """The canonical column, with the charset that it has in any way."""
        column = canonical.column(raw.name)
        assert column is not None
        if not is_text(column):
            return replace(column, charset=None, collation=None)
        charset, collation = of_column(canonical, column)
        return replace(column, charset=charset, collation=collation)

    def _made_anew(self, key: str) -> bool:
        """Whether the column must be dropped and added, since servers do not change how a column is computed."""
        before, after = self._old.column(key), self._new.column(key)
        assert before is not None and after is not None
        return (before.generated, before.stored) != (after.generated, after.stored)

    def _columns(self) -> Iterator[Clause]:
        kept = [column.name.lower() for column in self.left.columns if self.right.column(column.name)]
        wanted = [column.name.lower() for column in self.right.columns if self.left.column(column.name)]
        still = _longest_common(kept, wanted)
        for column in self.left.columns:
            if self.right.column(column.name) is None:
                self.touched.add(column.name.lower())
                loss = (f"drops {self.left.name}.{column.name}",) if column.generated is None else ()
                yield Clause(
                    f"DROP COLUMN {name(column.name)}",
                    loss,
                    (column.name,),
                    entangled=_entangled(column),
                    before=column,
                )
        before: str | None = None
        for column in self.right.columns:
            old = self.left.column(column.name)
            after = f" AFTER {name(before)}" if before is not None else " FIRST"
            text = render_column(explicit(self.right, column), self.right.checks)
            if old is None:
                new = explicit(self.right, column) if self._comes_last(column) else None
                yield Clause(f"ADD COLUMN {text}{after}", (), (column.name,), entangled=_entangled(column), after=new)
            else:
                yield from self._kept(old, column, text, "" if column.name.lower() in still else after, after)
            before = column.name

    def _kept(self, old: Column, new: Column, text: str, moved: str, after: str) -> Iterator[Clause]:
        key = new.name.lower()
        if key not in self._modified and not moved and old.name == new.name:
            return
        loss = tuple(losses(self._old, self._effective(self._old, old), self._new, self._effective(self._new, new)))
        entangled = old.auto_increment != new.auto_increment or old.generated != new.generated
        if key in self._remade:
            yield Clause(f"DROP COLUMN {name(old.name)}", loss, (new.name,), entangled=True)
            yield Clause(f"ADD COLUMN {text}{after}", loss, (new.name,), entangled=True)
        else:
            plain = not moved and old.name == new.name
            yield Clause(
                f"CHANGE COLUMN {name(old.name)} {text}{moved}", loss, (new.name,), entangled=entangled,
                before=old if plain else None, after=explicit(self.right, new) if plain else None,
            )  # fmt: skip

    def _comes_last(self, column: Column) -> bool:
        """Whether the column and all that follow are new, so that they stand where ADD COLUMN puts them."""
        place = self.right.columns.index(column)
        return all(self.left.column(each.name) is None for each in self.right.columns[place:])

    def _indexes(self) -> tuple[list[Index], list[Index]]:
        """The indexes to drop and to add, seen as if the left side had the right one's foreign keys already."""
        future = canonical_table(replace(self.left, foreign_keys=self.right.foreign_keys))
        old, new = [*future.indexes], [*self._new.indexes]
        for index in future.indexes:
            same = next((each for each in new if _same(each, index)), None)
            if same is not None and not {column.lower() for column in index.columns} & self._remade:
                old.remove(index)
                new.remove(same)
        return old, new

    def _indexes_dropped(self) -> Iterator[Clause]:
        for index in self._indexes()[0]:
            self.touched |= {column.lower() for column in index.columns}
            what = "PRIMARY KEY" if index.kind is IndexKind.PRIMARY else f"INDEX {name(index.name)}"
            yield Clause(
                f"DROP {what}", (), index.columns, index.name.lower(), entangled=index.kind is IndexKind.PRIMARY,
                before=index,
            )  # fmt: skip

    def _indexes_added(self) -> Iterator[Clause]:
        for index in self._indexes()[1]:
            self.touched |= {column.lower() for column in index.columns}
            yield Clause(
                f"ADD {render_index(index)}", (), index.columns, index.name.lower(),
                entangled=index.kind is IndexKind.PRIMARY, after=index,
            )  # fmt: skip

    def _checks(self) -> tuple[list[CheckConstraint], list[CheckConstraint]]:
        """CHECKs to drop and to add; those behind a column that is written anew go and come with it."""
        gone = {column.name.lower() for column in self.left.columns if self.right.column(column.name) is None}
        come = {column.name.lower() for column in self.right.columns if self.left.column(column.name) is None}
        written = self._modified | come
        old = [each for each in self.left.checks if each.column.lower() not in self._modified | gone]
        new = [each for each in self.right.checks if each.column.lower() not in written]
        dropped = []
        for check in old:
            plain = _plain_check(self.left, check)
            same = next((each for each in new if _plain_check(self.right, each) == plain), None)
            if same is not None:
                new.remove(same)
            elif plain is not None:
                dropped.append(check)
        return dropped, [each for each in new if _plain_check(self.right, each) is not None]

    def _checks_dropped(self) -> Iterator[Clause]:
        for check in self._checks()[0]:
            if check.name:
                yield Clause(f"DROP CONSTRAINT {name(check.name)}")

    def _checks_added(self) -> Iterator[Clause]:
        for check in self._checks()[1]:
            plain = _plain_check(self.right, check)
            yield Clause(f"ADD {render_check(replace(check, name=plain.name if plain else ''))}")


def _plain_check(table: Table, check: CheckConstraint) -> CheckConstraint | None:
    """The CHECK in its one spelling; None where the spelling of its column says it already."""
    return next(iter(canonical_table(replace(table, checks=(check,))).checks), None)


def _same(one: Index, two: Index) -> bool:
    return replace(one, name="") == replace(two, name="") and one.name.lower() == two.name.lower()


def _entangled(column: Column) -> bool:
    return column.auto_increment or column.generated is not None


def _longest_common(one: list[str], two: list[str]) -> set[str]:
    """The most names that stand in the same order in both lists of the same names."""
    place = {each: number for number, each in enumerate(two)}
    best: list[list[str]] = []
    for each in one:
        before = _longest([chain for chain in best if place[chain[-1]] < place[each]])
        best.append([*before, each])
    return set(_longest(best))


def _longest(chains: list[list[str]]) -> list[str]:
    return max(chains, key=lambda chain: len(chain), default=[])
