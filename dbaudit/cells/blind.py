"""Databases that lack a table: what its rows would tell is skipped there, and is neither drift nor a pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dbaudit.cells.fault import Fault
from dbaudit.comparison.side import Side
from dbaudit.finding import Finding, Skipped, Verdict, verdict

# nova's migration that made instance_extra.flavor: from there on the table tells what an instance embeds.
EXTRA_FROM = 270


@dataclass(frozen=True, slots=True)
class Blind:
    """The kinds of faults that cannot be judged, by the label of the database that lacks their table.

    A database of `everywhere` is what all others are compared with.
    """

    kinds: Mapping[str, Mapping[str, str]]  # label: kind: table
    everywhere: frozenset[str] = frozenset()

    def __or__(self, other: Blind) -> Blind:
        return Blind({**self.kinds, **other.kinds}, self.everywhere | other.everywhere)

    def seen(self, faults: Iterable[Fault]) -> tuple[Fault, ...]:
        """The faults that do not depend on a table which is not there."""
        return tuple(fault for fault in faults if not any(self._hides(label, fault) for label in self.kinds))

    def _hides(self, label: str, fault: Fault) -> bool:
        about = (fault.database, fault.facts.get("reference"), fault.group)
        return fault.kind in self.kinds[label] and (label in about or label in self.everywhere)

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What could not be checked, and why."""
        return tuple(
            Skipped(kind, f"{label} has no table {table}")
            for label, kinds in self.kinds.items()
            for kind, table in kinds.items()
        )

    def verdict(self, findings: tuple[Finding, ...]) -> Verdict:
        """That of the findings; at best warnings where something could not be checked."""
        said = verdict(findings)
        return Verdict.WARNINGS if said is Verdict.CLEAN and self.kinds else said


def blind(sides: Sequence[Side], labels: Sequence[str], needed: Mapping[str, Sequence[str]]) -> Blind:
    """What cannot be judged in these databases; `needed` names for each table the kinds of faults that need it."""
    found: dict[str, dict[str, str]] = {}
    for side, label in zip(sides, labels, strict=True):
        for table, kinds in needed.items():
            if table not in side.schema.tables and _is_due(side, table):
                found.setdefault(label, {}).update((kind, table) for kind in kinds)
    return Blind(found)


def _is_due(side: Side, table: str) -> bool:
    return table != "instance_extra" or (side.versions.numbers.get("nova") or 0) >= EXTRA_FROM
