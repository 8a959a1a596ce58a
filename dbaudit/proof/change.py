"""Two manifests laid side by side: tables that are the same, rows known again, where the others may have gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property

from dbaudit.proof.design import Design
from dbaudit.proof.manifest import ColumnProfile, Manifest, Rows, TableProfile
from dbaudit.proof.survivors import Survivors
from dbaudit.proof.token import Token, text_token
from dbaudit.proof.value import Kind

_HASHED = (Kind.TEXT, Kind.BINARY)


@dataclass(frozen=True)
class TableChange:
    """A table before and after. It may have another name after."""

    before: TableProfile
    after: TableProfile
    key: bytes

    @cached_property
    def rows(self) -> tuple[Rows, Rows] | None:
        """The rows of both, None where they cannot be told apart or paired."""
        before, after = self.before.rows, self.after.rows
        if before is None or after is None or before.identity != after.identity:
            return None
        return before, after

    @cached_property
    def place_after(self) -> dict[str, int]:
        """Where a row stands after, by its key."""
        return {key: place for place, key in enumerate(self.rows[1].keys)} if self.rows else {}

    @cached_property
    def vanished(self) -> tuple[int, ...]:
        """Places (before) of rows that are not there any more."""
        return tuple(i for i, key in enumerate(self.rows[0].keys) if key not in self.place_after) if self.rows else ()

    @cached_property
    def appeared(self) -> tuple[int, ...]:
        """Places (after) of rows that were not there."""
        known = set(self.rows[0].keys) if self.rows else set()
        return tuple(i for i, key in enumerate(self.rows[1].keys) if key not in known) if self.rows else ()

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Places before and after of rows that are still there."""
        if not self.rows:
            return ()
        found = ((i, self.place_after.get(key)) for i, key in enumerate(self.rows[0].keys))
        return tuple((i, j) for i, j in found if j is not None)

    @cached_property
    def shared(self) -> tuple[tuple[ColumnProfile, ColumnProfile], ...]:
        """The columns that both have."""
        return tuple((own, other) for own in self.before.columns if (other := self.after.column(own.name)))

    def cells(
        self, own: ColumnProfile, other: ColumnProfile, pairs: Sequence[tuple[int, int]] | None = None
    ) -> Iterator[tuple[int, Token, Token]]:
        """Values of a column that are not what they were: place before, token before and after."""
        if not self.rows:
            return
        before, after = self.rows[0].tokens[own.name], self.rows[1].tokens[other.name]
        for i, j in self.pairs if pairs is None else pairs:
            if before[i] != after[j] and not same(before[i], after[j], own.kind, other.kind, self.key):
                yield i, before[i], after[j]


def same(before: Token, after: Token, own: Kind, other: Kind, key: bytes) -> bool:
    """Whether two tokens are of one value, although the type may have changed."""
    if before is None or after is None:
        return before is after
    if own in _HASHED and other in _HASHED:
        return before.partition("|")[0] == after.partition("|")[0]
    if own in _HASHED:
        return before.partition("|")[0] == text_token(after, key).partition("|")[0]
    if other in _HASHED:
        return text_token(before, key).partition("|")[0] == after.partition("|")[0]
    if own is Kind.NUMBER and other is Kind.NUMBER:
        try:
            return Decimal(before) == Decimal(after)
        except InvalidOperation:
            return before == after
    return before == after


@dataclass(frozen=True)
class Change:
    """Two manifests with the same key, what is declared of the service, and what upstream means to do."""

    before: Manifest
    after: Manifest
    survivors: Survivors
    design: Design

    @cached_property
    def tables(self) -> tuple[TableChange, ...]:
        """Tables that are still there, under their name or, whole, under a new one; not those that were not read again,
        since nothing touched them."""
        found = ((own, self.after.tables.get(name)) for name, own in self.before.tables.items())
        kept = [(own, other) for own, other in found if own is not other]
        paired = [(own, other or self.renamed.get(own.name)) for own, other in kept]
        return tuple(TableChange(own, other, self.before.key) for own, other in paired if other is not None)

    @cached_property
    def new(self) -> tuple[TableProfile, ...]:
        """Tables that were not there before."""
        return tuple(table for name, table in self.after.tables.items() if name not in self.before.tables)

    @cached_property
    def gone(self) -> tuple[TableProfile, ...]:
        """Tables that are not there any more, under whatever name."""
        return tuple(
            table for name, table in self.before.tables.items()
            if name not in self.after.tables and name not in self.renamed
        )  # fmt: skip

    @cached_property
    def renamed(self) -> dict[str, TableProfile]:
        """Tables whose rows are all in a new table, by the old name."""
        found: dict[str, TableProfile] = {}
        for name, own in self.before.tables.items():
            if name in self.after.tables or not own.count:
                continue
            for other in self.new:
                alike = {each.name for each in own.columns} & {each.name for each in other.columns}
                whole = own.rows is not None and len(self.found_in(own, range(own.count), other)) == own.count
                sums = own.rows is None and (own.count, own.checksum) == (other.count, other.checksum)
                if len(alike) * 2 > len(own.columns) and (whole or sums):
                    found[name] = other
                    break
        return found

    def found_in(self, own: TableProfile, places: Sequence[int], other: TableProfile) -> tuple[int, ...]:
        """Those rows of a table that another one has: the same identity and the same values where both have them."""
        if own.rows is None or other.rows is None or own.rows.identity != other.rows.identity:
            return ()
        change = TableChange(own, other, self.before.key)
        wanted = set(places)
        pairs = [(i, j) for i, j in change.pairs if i in wanted]
        differing = {i for columns in change.shared for i, _, _ in change.cells(*columns, pairs)}
        return tuple(i for i, _ in pairs if i not in differing)

    def covered(self, table: str, column: str | None = None) -> bool:
        """Whether the things that must survive account for a table or a column."""
        covers = self.survivors.covers
        return table in covers or (column is not None and f"{table}.{column}" in covers)
