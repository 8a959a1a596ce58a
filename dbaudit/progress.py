"""How long work tells how far it is. The command line draws it; libraries only call `Watch`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One sign of life: `done` of `total` units (bytes, tables, steps); `total` None when it is not known."""

    stage: str
    done: int
    total: int | None
    unit: str = "bytes"
    detail: str = ""


Watch = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """A watch for callers that do not look."""
