"""What is wrong, before it is said: one fault for each thing, and what a kind of fault is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dbaudit.finding import Effect, Severity


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault. `sentence` is filled with `database`, `key`, `group` and the facts of the fault.

    A kind of single things makes one finding each; one of `many` makes one a database and group, with all of them.
    """

    severity: Severity
    effect: Effect
    object: str
    sentence: str
    remedy: str = ""
    many: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one thing. `key` is a natural key (uuid, flavorid), `newest` when its rows last changed.

    `group` tells apart faults of a kind: a column, a cause.
    """

    kind: str
    database: str
    key: str
    newest: str | None = None
    group: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes it the same fault at a second look."""
        return self.kind, self.database, self.key, self.group
