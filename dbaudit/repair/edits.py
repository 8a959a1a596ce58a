"""Changes of single rows that belong together, as they are planned; `prepared.py` carries them out.

For work that no Select over one table can say: rows of many tables get new ids at once. The rows are named, with the
values that they had when the plan was made; a row that is not so any more stops everything. Every table must have the
primary key `id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dbaudit.errors import DbauditError

OWN_ID = "\0id"  # as a new value: the row's own id, which is how soft deletes are spelled
Value = str | None


class Changed(DbauditError):
    """A row is not as it was when the plan was made."""


@dataclass(frozen=True, slots=True)
class Edit:
    """New values of one row; `was` are the old ones of the same columns. The column `id` moves the row."""

    table: str
    id: int
    was: Mapping[str, Value]
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Insert:
    """A new row. Without an `id` the server gives one."""

    table: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Guard:
    """A row that a change depends on: it must be as it was, and stay so until the change is committed."""

    table: str
    id: int
    was: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Edits:
    """Everything that becomes of one database.

    `through` has columns of a table in unique keys whose values may be swapped: ids, and names.
    """

    edits: tuple[Edit, ...] = ()
    inserts: tuple[Insert, ...] = ()
    through: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    guards: tuple[Guard, ...] = ()

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that are written."""
        return tuple(sorted({e.table for e in self.edits} | {i.table for i in self.inserts}))

    def __len__(self) -> int:
        return len(self.edits) + len(self.inserts)
