"""Databases that are restored beside the one that is rehearsed: nova's tool reads nova_api's to find the cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dbaudit.dryrun.inspection import inspect_one
from dbaudit.dump.restore import restore
from dbaudit.errors import UsageError
from dbaudit.progress import Watch
from dbaudit.server.server import Server


@dataclass(frozen=True, slots=True)
class Sibling:
    """A database beside: whose it is (None where it is nobody's that is known), and its schema on the server."""

    operand: str
    service: str | None
    database: str
    rows: int

    def __str__(self) -> str:
        return f"beside it: {self.operand}, {self.service or 'of no known service'}, {self.rows:,} rows, not stepped"


def restore_siblings(
    operands: Sequence[str], main: str, server: Server, space: Path, workers: int, watch: Watch
) -> tuple[Sibling, ...]:
    """Restore each, under the name that it has in its dump. Raises UsageError where two have one name."""
    found: list[Sibling] = []
    for number, operand in enumerate(operands):
        inspection = inspect_one(operand, space, database=None, watch=watch)
        name = inspection.entry.name or f"beside_{inspection.standing.service or number}"
        if name in {main, *(each.database for each in found)}:
            raise UsageError(
                f"two databases are called {name}; {operand} cannot be restored beside the other",
                "dump it under another name, or without --databases",
            )
        restored = restore(inspection.index, server, {inspection.entry.name: name}, workers=workers, watch=watch)
        found.append(Sibling(operand, inspection.standing.service, name, restored.rows))
    return tuple(found)
