"""One chunk: what happens inside one transaction, and in which order.

Lock the rows by primary key on their own table alone; lock the guards shared; evaluate the check on these keys with a
fresh view; copy before-images; change; copy after-images; demand that all numbers agree; journal, renew the lease,
commit. A locking read through a join would lock production's parent rows, and a view from before the locks would still
see a row that was healed meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, func, select, update

from dbaudit.change import Delete, Guard, Update
from dbaudit.check import Tables
from dbaudit.errors import DbauditError
from dbaudit.repair.closure import Closure
from dbaudit.repair.images import copy_before, images_of
from dbaudit.repair.journal import Journal
from dbaudit.repair.walk import Key, Values, among, text_of
from dbaudit.repair.work import Part


class Mismatch(DbauditError):
    """The numbers of a chunk do not agree; it was rolled back."""


class TooBig(Exception):
    """A chunk is more than the cluster takes as one write set; it is to be tried with half the rows."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one transaction may hold on this server: rows and bytes, images included; None for no bound."""

    rows: int | None = None
    bytes: int | None = None


class Chunker:
    """Statements of one part: what the next stretch is, which rows of it are bad, and how they are changed."""

    def __init__(self, part: Part, closure: Closure, journal: Journal, tables: Tables, bounds: Bounds) -> None:
        self.part, self.closure, self.bounds = part, closure, bounds
        self.key: Key = closure.root.key
        self.tables = tables
        self.table = getattr(tables, part.table)
        self.images = images_of(journal, closure)
        self.bad: Select[Any] = part.rows(tables)

    @property
    def journaled(self) -> bool:
        """Whether images are kept."""
        return not self.part.derived

    def stretch(self, last: Values | None, end: Values, rows: int) -> tuple[str, dict[str, Any]]:
        """The statement for the last key of the next stretch."""
        return text_of(self.key.stretch(self.table, last, end, rows))

    def behind(self, end: Values) -> tuple[str, dict[str, Any]]:
        """The statement that counts bad rows behind a key."""
        keys = self.key.of(self.table)
        found = self._only(keys).where(*self.key.after(self.table, end)).with_hint(self.table, self.key.hint, "mysql")
        return text_of(select(func.count()).select_from(found.distinct().subquery("behind")))

    def candidates(self, last: Values | None, bound: Values, rows: int) -> tuple[str, dict[str, Any]]:
        """The statement for the keys of bad rows in a stretch; it locks nothing."""
        keys = self.key.of(self.table)
        found = self._only(keys).where(*self.key.after(self.table, last), *self.key.up_to(self.table, bound))
        return text_of(found.with_hint(self.table, self.key.hint, "mysql").order_by(*keys).limit(rows))

    def locking(self, keys: Sequence[Values]) -> tuple[str, dict[str, Any]]:
        """The statement that locks rows by their primary key."""
        columns = self.key.of(self.table)
        found = select(*columns).where(among(columns, keys)).order_by(*columns)
        return text_of(found.with_hint(self.table, self.key.hint, "mysql").with_for_update())

    def change(self, cursor: Any, run: int, seq: int, keys: Sequence[Values]) -> int:
        """Lock, look again, copy, change, copy. Gives how many rows were changed; the caller journals and commits."""
        _execute(cursor, self.locking(keys))
        there = [tuple(row) for row in cursor.fetchall()]
        if not there:
            return 0
        for guard in self.part.change.guards:
            self._lock_guard(cursor, guard, there)
        columns = self.key.of(self.table)
        again = self._only(columns).where(among(columns, there)).with_hint(self.table, self.key.hint, "mysql")
        _execute(cursor, text_of(again.distinct()))
        still = [tuple(row) for row in cursor.fetchall()]
        if not still:
            return 0
        condition = among(columns, still)
        if self.journaled:
            copied = copy_before(cursor, run, seq, self.closure, self.images, _bare(condition))
            _agree(self.part, "copied", copied, len(still))
            self._keep_within(cursor, run, seq)
        _execute(cursor, text_of(self._statement(condition)))
        _agree(self.part, "changed", int(cursor.rowcount), len(still))
        if self.journaled:
            self._copy_after(cursor, run, seq, len(still))
        return len(still)

    def _only(self, columns: Sequence[Any]) -> Select[Any]:
        return self.bad.with_only_columns(*columns, maintain_column_froms=True)

    def _statement(self, condition: Any) -> Any:
        change = self.part.change
        if isinstance(change, Delete):
            return delete(self.table).where(condition)
        # In this order: the servers see columns that were set in expressions behind them.
        changed = update(self.table).where(condition).with_hint(self.key.hint, dialect_name="mysql")
        return changed.ordered_values(*_values(change, self.tables).items())

    def _lock_guard(self, cursor: Any, guard: Guard, keys: Sequence[Values]) -> None:
        other = getattr(self.tables, guard.table)
        found = [other.c[name] == value for name, value in guard.constants.items()]
        if guard.columns:
            own = [self.table.c[name] for name in guard.columns]
            _execute(cursor, text_of(select(*own).where(among(self.key.of(self.table), keys)).distinct()))
            values = [tuple(row) for row in cursor.fetchall() if None not in row]
            if not values:
                return
            found.append(among([other.c[name] for name in guard.columns.values()], values))
        _execute(cursor, text_of(select(1).select_from(other).where(*found).with_for_update(read=True)))
        cursor.fetchall()

    def _copy_after(self, cursor: Any, run: int, seq: int, rows: int) -> None:
        for name, images in self.images.items():
            there = images.copy_after(cursor, run, seq)
            if name == self.part.table:
                _agree(self.part, "copied afterwards", there, 0 if self.part.deletes else rows)

    def _keep_within(self, cursor: Any, run: int, seq: int) -> None:
        if self.bounds.rows is None and self.bounds.bytes is None:
            return
        rows, size = 0, 0
        for images in self.images.values():
            width = " + ".join(f"IFNULL(LENGTH(i.`{column}`), 0)" for column in images.of.columns)
            cursor.execute(
                f"SELECT COUNT(*), COALESCE(SUM({width}), 0) FROM {images.table} i WHERE {images.here('i', 0)}",
                (run, seq),
            )
            found = cursor.fetchone()
            rows, size = rows + int(found[0]), size + int(found[1])
        # A row is written as it was, as its images, and in the secondary indexes' keys: three times covers it.
        if (self.bounds.rows is not None and rows * 3 > self.bounds.rows) or (
            self.bounds.bytes is not None and size * 3 > self.bounds.bytes
        ):
            raise TooBig


def check_change(part: Part, closure: Closure, tables: Tables, referred: frozenset[str]) -> None:
    """Refuse an update that an undo could not follow: of the primary key, of what foreign keys refer to, generated."""
    if not isinstance(part.change, Update):
        return
    names = set(_values(part.change, tables))
    for reason, forbidden in (
        ("the primary key", set(closure.root.key.columns)),
        ("what foreign keys refer to", referred),
    ):
        if names & forbidden:
            raise DbauditError(f"{part.name} would change {reason} of `{part.table}`: {', '.join(sorted(names))}")
    if names - set(closure.root.columns):
        raise DbauditError(f"`{part.table}` has no column {', '.join(sorted(names - set(closure.root.columns)))}")


def _values(change: Update, tables: Tables) -> Mapping[str, Any]:
    return change.values(tables)


def _bare(condition: Any) -> tuple[str, dict[str, Any]]:
    return text_of(condition)


def _execute(cursor: Any, statement: tuple[str, dict[str, Any]]) -> None:
    cursor.execute(*statement)


def _agree(part: Part, what: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise Mismatch(
            f"{part.name}: {wanted} row(s) of `{part.table}` were read, but {found} {what}; nothing of it was done",
            "look at what else writes this table, and report this if nothing does",
        )
