"""What one migration step does to a database: values, as `catalogue` loads them.

Objects are those of `schema.model`. A table whose charset is None is created without one, so that it gets the
database's default charset. Facts are of MySQL; what a step decides while it runs is said in its `note`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dbaudit.migration.others import Others
from dbaudit.release import Release
from dbaudit.schema.model import Column, ForeignKey, Index, Table


class Origin(StrEnum):
    """Who made or removed an index or key, or chose its name, where that was not the script."""

    SERVER_NAMED = "server-named"  # the script gave no name: it can be another one elsewhere
    IMPLICIT = "implicit"  # the server made the index for a foreign key
    SERVER = "server"  # the server removed the index, or cut it, with a column or under a new index


@dataclass(frozen=True, slots=True)
class TableAdded:
    """A new table; `origins` by the name of an index or foreign key of it."""

    table: Table
    origins: Mapping[str, frozenset[Origin]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ColumnAdded:
    """A new column; `after` is the column before it, None for the first."""

    table: str
    column: Column
    after: str | None


@dataclass(frozen=True, slots=True)
class ColumnDropped:
    """A column that goes, with its values, and what it was."""

    table: str
    column: Column


@dataclass(frozen=True, slots=True)
class ColumnRenamed:
    """A column that gets another name; it is among the added and the dropped ones too."""

    table: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class ColumnChanged:
    """A column that keeps its name and changes its type, nullability or default."""

    table: str
    before: Column
    after: Column


@dataclass(frozen=True, slots=True)
class ColumnMoved:
    """A column that stands at another place afterwards, because the script made it anew."""

    table: str
    column: str
    after: str | None


@dataclass(frozen=True, slots=True)
class IndexAdded:
    """A new index or unique key."""

    table: str
    index: Index
    origins: frozenset[Origin] = frozenset()


@dataclass(frozen=True, slots=True)
class IndexDropped:
    """An index that goes, as it is on an upstream database."""

    table: str
    index: Index
    origins: frozenset[Origin] = frozenset()


@dataclass(frozen=True, slots=True)
class KeyAdded:
    """A new foreign key."""

    table: str
    key: ForeignKey
    origins: frozenset[Origin] = frozenset()


@dataclass(frozen=True, slots=True)
class KeyDropped:
    """A foreign key that goes, as it is on an upstream database."""

    table: str
    key: ForeignKey


@dataclass(frozen=True, slots=True)
class DropByName:
    """An index or key that the script drops by a name written in it.

    `kind` is `index`, `foreign key` or `primary key`. Where it is `required`, the step fails when the name
    is not there (error 1091, or an exception of the script).
    """

    kind: str
    table: str
    name: str
    required: bool


@dataclass(frozen=True, slots=True)
class DropLookedUp:
    """An index or key that the script finds by its columns: `name` is upstream's and does not matter;
    `how` is text.
    """

    kind: str
    table: str
    name: str
    how: str


@dataclass(frozen=True, slots=True)
class RowWork:
    """What a step does to rows.

    `writes` is None (nothing), `always` (seen on a database with rows) or `maybe` (only if there are such
    rows); `changed` holds the columns per table whose values were seen to change; `one_by_one` says that
    the script sends a statement a row, so that its time grows with the rows.
    """

    writes: str | None = None
    why: str = ""
    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    one_by_one: bool = False


_WORK = re.compile(
    r"(?P<action>create|drop|add|change|rows:) "
    r"(?P<what>table|column|index|unique|foreign key|primary key|insert|update|delete) "
    r"(?P<table>\w+)(?:\.(?P<name>\w+)|\((?P<columns>[^)]*)\))?$"
)


@dataclass(frozen=True, slots=True)
class Work:
    """One statement or one kind of row work, in the order in which the script does it.

    `action` is create, drop, add, change or rows; `what` is table, column, index, unique, foreign key,
    primary key, or insert, update, delete; `name` is None for tables, rows, primary keys and keys that the
    server names.
    """

    text: str
    action: str
    what: str
    table: str
    name: str | None = None
    columns: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> Work:
        """Work from a line such as `add column volumes.bootable`. Raises ValueError for any other form."""
        match = _WORK.match(text)
        if match is None:
            raise ValueError(f"not a line of a step's work: {text!r}")
        columns = tuple(match["columns"].split(",")) if match["columns"] else ()
        action = match["action"].removesuffix(":")
        return cls(text, action, match["what"], match["table"], match["name"], columns)


@dataclass(frozen=True, slots=True)
class StepFacts:
    """Everything known about one step. `id` is `<repository>:<number>`, as reports write it.

    `release` is the first whose db sync runs it by itself; `available` the first that ships it (an
    extension of keystone can be synced by hand before). `outside` marks work that db sync does after the
    scripts, which has the number of the step that it follows. `rerunnable` says that the script, run again
    on its complete result, passes and changes nothing: then it tolerates what it creates; `rerun_error` is
    what it fails with otherwise. `idle` steps do nothing on MySQL, `placeholder` ones nothing at all.
    """

    repository: str
    number: int
    title: str
    file: str
    release: Release
    available: Release
    placeholder: bool = False
    idle: bool = False
    outside: bool = False
    tables_added: tuple[TableAdded, ...] = ()
    tables_dropped: tuple[str, ...] = ()
    columns_added: tuple[ColumnAdded, ...] = ()
    columns_dropped: tuple[ColumnDropped, ...] = ()
    columns_renamed: tuple[ColumnRenamed, ...] = ()
    columns_changed: tuple[ColumnChanged, ...] = ()
    columns_moved: tuple[ColumnMoved, ...] = ()
    indexes_added: tuple[IndexAdded, ...] = ()
    indexes_dropped: tuple[IndexDropped, ...] = ()
    keys_added: tuple[KeyAdded, ...] = ()
    keys_dropped: tuple[KeyDropped, ...] = ()
    drops_by_name: tuple[DropByName, ...] = ()
    drops_looked_up: tuple[DropLookedUp, ...] = ()
    others: Others = field(default_factory=Others)
    work: tuple[Work, ...] = ()
    rows: RowWork = field(default_factory=RowWork)
    rerunnable: bool | None = None
    rerun_error: str | None = None
    seconds: float | None = None
    note: str = ""

    @property
    def id(self) -> str:
        """The step as reports name it, `cinder:11`."""
        return f"{self.repository}:{self.number}"
