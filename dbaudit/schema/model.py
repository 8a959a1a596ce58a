"""What a schema is, whichever way it was read: a live server, a dump or a shipped reference.

Values only: reading is in `read`, spelling differences between servers in `canon`, comparison in `diff`.
Names keep the case in which they were written. Text of expressions and bodies is kept as the server prints
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class IndexKind(StrEnum):
    """What an index enforces or is built as."""

    PRIMARY = "primary"
    UNIQUE = "unique"
    PLAIN = "plain"
    FULLTEXT = "fulltext"
    SPATIAL = "spatial"
    VECTOR = "vector"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `type` is the server's own spelling in lower case, without charset and collation.

    `default` is SQL text (`'x'`, `0`, `current_timestamp()`), None for no default; DEFAULT NULL on a column
    that may be NULL is None too. `charset` and `collation` are None where the column inherits the table's.
    """

    name: str
    type: str
    null: bool = True
    default: str | None = None
    on_update: str | None = None
    auto_increment: bool = False
    charset: str | None = None
    collation: str | None = None
    comment: str = ""
    generated: str | None = None
    stored: bool = False
    invisible: bool = False
    srid: int | None = None
    compressed: str | None = None


@dataclass(frozen=True, slots=True)
class IndexPart:
    """A column of an index (with its prefix length in characters) or an expression; never both."""

    column: str | None
    length: int | None = None
    descending: bool = False
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """An index or a key. The primary key's name is PRIMARY."""

    name: str
    kind: IndexKind
    parts: tuple[IndexPart, ...]
    using: str | None = None
    parser: str | None = None
    comment: str = ""
    visible: bool = True
    block_size: int | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, expressions left out."""
        return tuple(part.column for part in self.parts if part.column is not None)

    @property
    def unique(self) -> bool:
        """Whether two rows with equal keys are refused."""
        return self.kind in (IndexKind.PRIMARY, IndexKind.UNIQUE)


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key.

    `referred_schema` is None for the table's own; actions are upper case, None for the default.
    """

    name: str
    columns: tuple[str, ...]
    referred_table: str
    referred_columns: tuple[str, ...]
    referred_schema: str | None = None
    on_delete: str | None = None
    on_update: str | None = None


@dataclass(frozen=True, slots=True)
class CheckConstraint:
    """A CHECK; `expression` without the outer parentheses; `column` is the one behind which it is written, else ''."""

    name: str
    expression: str
    enforced: bool = True
    column: str = ""


class _Hashed:
    """A place for the hash of a value that is large, that does not change and that is looked up often."""

    __slots__ = ("_hash",)
    _hash: int


@dataclass(frozen=True, slots=True)
class Table(_Hashed):
    """A base table. `options` holds what has no field of its own, keys in lower case.

    `unsupported` is the reason why this table cannot be represented whole; it is then never called equal.
    """

    name: str
    columns: tuple[Column, ...] = ()
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[CheckConstraint, ...] = ()
    engine: str | None = None
    charset: str | None = None
    collation: str | None = None
    row_format: str | None = None
    comment: str = ""
    options: tuple[tuple[str, str], ...] = ()
    partitions: str | None = None
    unsupported: str | None = None

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            found = hash(tuple(getattr(self, name) for name in self.__match_args__))
            object.__setattr__(self, "_hash", found)
            return found

    def column(self, name: str) -> Column | None:
        """The column of that name; names of columns do not depend on case."""
        lower = name.lower()
        return next((column for column in self.columns if column.name.lower() == lower), None)

    def index(self, name: str) -> Index | None:
        """The index of that name; names of indexes do not depend on case."""
        lower = name.lower()
        return next((index for index in self.indexes if index.name.lower() == lower), None)

    def foreign_key(self, name: str) -> ForeignKey | None:
        """The foreign key of that name."""
        lower = name.lower()
        return next((key for key in self.foreign_keys if key.name.lower() == lower), None)

    @property
    def primary_key(self) -> Index | None:
        """The primary key, None where the table has none."""
        return next((index for index in self.indexes if index.kind is IndexKind.PRIMARY), None)

    def charset_of(self, column: Column) -> str | None:
        """The charset that a column has, inherited or its own."""
        return column.charset or self.charset


@dataclass(frozen=True, slots=True)
class View:
    """A view; `select` is its query as the server prints it, `columns` their names where those stand before it."""

    name: str
    select: str
    security: str | None = None
    check_option: str | None = None
    algorithm: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger; `timing` BEFORE or AFTER, `event` INSERT, UPDATE or DELETE."""

    name: str
    table: str
    timing: str
    event: str
    body: str


@dataclass(frozen=True, slots=True)
class Routine:
    """A procedure or function; `kind` PROCEDURE, FUNCTION or PACKAGE; `body` is all that follows the name."""

    name: str
    kind: str
    body: str


@dataclass(frozen=True, slots=True)
class Event:
    """A scheduled event; `body` is all that follows the name."""

    name: str
    body: str


@dataclass(frozen=True, slots=True)
class Schema:
    """All objects of one database.

    `charset` and `collation` are the database's defaults, None where not known; `lower_case_table_names` is what the
    server does with names of tables (0 keeps them, 1 stores them in lower case, 2 compares them so), None where not
    known.
    """

    name: str | None = None
    charset: str | None = None
    collation: str | None = None
    tables: Mapping[str, Table] = field(default_factory=dict)
    views: Mapping[str, View] = field(default_factory=dict)
    triggers: Mapping[str, Trigger] = field(default_factory=dict)
    routines: Mapping[str, Routine] = field(default_factory=dict)
    events: Mapping[str, Event] = field(default_factory=dict)
    lower_case_table_names: int | None = None

    def table(self, name: str) -> Table | None:
        """The table of that name, or else the one that only its case tells apart from it."""
        if name in self.tables:
            return self.tables[name]
        found = [each for each in self.tables.values() if each.name.lower() == name.lower()]
        return found[0] if len(found) == 1 else None
