"""One difference between two schemas: a value that reports and policies look at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

# The attribute of a renamed table whose other case is another table to the servers.
MATTERS = "case"


class Change(StrEnum):
    """What became of an object from left to right. Renamed and reordered things do the same as before."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    RENAMED = "renamed"
    REORDERED = "reordered"


class Kind(StrEnum):
    """What an object is."""

    DATABASE = "database"
    TABLE = "table"
    COLUMN = "column"
    INDEX = "index"
    FOREIGN_KEY = "foreign key"
    CHECK = "check"
    VIEW = "view"
    TRIGGER = "trigger"
    ROUTINE = "routine"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. `left` and `right` are SQL text or a value as text, None where there is nothing.

    `table` is the table that the object belongs to, None for what belongs to none; `name` is the object's name (the
    left one for a renamed object, '' for keys that the server named); `attribute` is the field that differs, '' for
    whole objects.
    """

    change: Change
    kind: Kind
    table: str | None
    name: str
    attribute: str = ""
    left: str | None = None
    right: str | None = None

    @property
    def harmless(self) -> bool:
        """Whether both sides hold and refuse the same rows: only a name or an order is another."""
        return self.change in (Change.RENAMED, Change.REORDERED) and self.attribute != MATTERS

    def reversed(self) -> Difference:
        """The same difference seen from the other side."""
        turned = {Change.ADDED: Change.REMOVED, Change.REMOVED: Change.ADDED}.get(self.change, self.change)
        name = (self.right or "") if self.change is Change.RENAMED else self.name
        return replace(self, change=turned, name=name, left=self.right, right=self.left)


# Fields of the model that are not compared as such, and why. A test holds every other field to being seen.
NOT_COMPARED = {
    "Schema.name": "says where the schema was read, not what it is",
    "Schema.lower_case_table_names": "says how the server takes names; tables are paired by it",
    "Table.name": "tables are paired by it",
    "Column.name": "columns are paired by it",
    "View.name": "views are paired by it",
    "Trigger.name": "triggers are paired by it",
    "Routine.name": "routines are paired by it and by their kind",
    "Event.name": "events are paired by it",
    "CheckConstraint.column": "a CHECK behind a column and one at the end of the table refuse the same rows",
}
