"""One side of a comparison: a schema, where it is from, and what could not be read of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from dbaudit.migration.standing import Versions
from dbaudit.release import Release
from dbaudit.schema.model import Schema


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: a file, the offset in bytes of its (decompressed) content, a line counted from 1."""

    file: str
    offset: int
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}, byte {self.offset}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something of an operand that cannot be read, or is odd.

    `id` names the kind of fault (`unreadable-table`); `hides` says that a difference may hide behind it.
    """

    id: str
    object: str
    message: str
    place: Place | None = None
    hides: bool = True


class Data(Protocol):
    """The rows behind a schema, where they are at hand."""

    def size(self, table: str) -> int | None:
        """Bytes that reading the table's rows takes, roughly; None where it has none to read."""

    def values(self, table: str, columns: tuple[str, ...]) -> Iterator[tuple[object, ...]]:
        """The values of these columns, row by row, in any order."""


@dataclass(frozen=True)
class Side:
    """A schema read from an operand. `operand` is as it may be shown, `what` says what kind of thing it is.

    `reference` is the release whose shipped reference this is, None for a real database.
    """

    operand: str
    what: str
    schema: Schema
    service: str | None = None
    release: Release | None = None
    reference: Release | None = None
    versions: Versions = field(default_factory=Versions)
    server: str | None = None
    complete: bool | None = None
    bytes: int | None = None
    faults: tuple[Fault, ...] = ()
    data: Data | None = None

    @property
    def label(self) -> str:
        """The operand and its database, for people."""
        name = self.schema.name
        return f"{self.operand} ({name})" if name and name not in self.operand else self.operand
