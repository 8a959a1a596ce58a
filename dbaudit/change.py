"""Operations that a check declares for the repair of its rows; the engine of `repair` carries them out.

Values only. An operation says what becomes of a bad row and on which rows of other tables that depends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dbaudit.check import Tables


@dataclass(frozen=True, slots=True)
class Guard:
    """Rows of another table that make a row bad by being what they are; locked shared while the row is changed.

    `columns` maps columns of the repaired table to those of `table` by which its rows are found; `constants` has
    further columns of `table` and what they must be.
    """

    table: str
    columns: Mapping[str, str]
    constants: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delete:
    """The bad rows are deleted, with what refers to them by cascading foreign keys.

    `absence` says that a row is bad because another is not there (an orphan), which no lock can hold: the row then
    has to be bad at two looks, some time apart. A check whose rows are bad by themselves says `absence=False`.
    """

    guards: tuple[Guard, ...] = ()
    absence: bool = True

    @property
    def verb(self) -> str:
        """What it does, for people."""
        return "delete"


@dataclass(frozen=True, slots=True)
class Update:
    """Columns of the bad rows get new values: `values` maps names to constants or SQL expressions over the tables.

    No part of the primary key and no column that a foreign key refers to can be changed.
    """

    values: Callable[[Tables], Mapping[str, Any]]
    guards: tuple[Guard, ...] = ()
    absence: bool = False

    @property
    def verb(self) -> str:
        """What it does, for people."""
        return "update"


Change = Delete | Update
