"""What a manifest is: everything that is remembered of a database to tell later what it lost. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dbaudit.proof.token import Token
from dbaudit.proof.value import Kind

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Checksum:
    """Sum and exclusive or of two halves of the hashes of values; equal sets of values have equal ones."""

    sum: str
    xor: str


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """A column and its values. `low` and `high` are the least and greatest number or time; text tells lengths only."""

    name: str
    type: str
    kind: Kind
    collation: str | None
    default: str | None
    nulls: int
    checksum: Checksum
    shortest: int | None = None
    longest: int | None = None
    low: str | None = None
    high: str | None = None


@dataclass(frozen=True, slots=True)
class SoftDeleted:
    """Rows by their `deleted`: not deleted, deleted, and NULL, which is neither."""

    live: int
    deleted: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key, as far as it tells what goes with what."""

    columns: tuple[str, ...]
    table: str
    referred: tuple[str, ...]
    cascades: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """What is kept of each row: `keys` identify it, `names` are what people call it; tokens by column, in row order."""

    identity: tuple[str, ...]
    keys: tuple[str, ...]
    names: tuple[str, ...]
    tokens: Mapping[str, tuple[Token, ...]]


@dataclass(frozen=True, slots=True)
class TableProfile:
    """A table. `rows` is None where it has more rows than are kept one by one: then only sums can be compared.

    `uniques` are the columns of primary and unique keys, `indexed` the first column of each index.
    """

    name: str
    count: int
    checksum: Checksum
    columns: tuple[ColumnProfile, ...]
    auto_increment: int | None = None
    soft: SoftDeleted | None = None
    references: tuple[Reference, ...] = ()
    uniques: tuple[tuple[str, ...], ...] = ()
    indexed: tuple[str, ...] = ()
    rows: Rows | None = None

    def column(self, name: str) -> ColumnProfile | None:
        """The column of that name."""
        return next((each for each in self.columns if each.name.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Item:
    """A thing that must survive: what people call it, where it was found, hashes of its values by field.

    `row` is the key of the row that it was found in.
    """

    name: str
    object: str
    fields: Mapping[str, Token]
    live: bool = True
    row: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """All things of one kind, by the hash of their natural key."""

    kind: str
    items: Mapping[str, Item]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A database at one instant. `at` is that instant in UTC by the server's clock; for a dump, when it was restored.

    `key` is that of the hashes: two manifests can be compared only if they have the same.
    """

    at: str
    operand: str
    server: str
    key: bytes = field(repr=False)
    service: str | None = None
    release: str | None = None
    versions: Mapping[str, int | str] = field(default_factory=dict)
    tables: Mapping[str, TableProfile] = field(default_factory=dict)
    kept: Mapping[str, Kept] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
