"""What dbaudit finds: one list of these is behind every report format (stable fields, see docs/json.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Any

KEYS_SHOWN = 100  # keys kept in a finding; `count` is always the whole number


class Severity(StrEnum):
    """How bad a finding is by itself."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Effect(StrEnum):
    """What it does to the upgrade."""

    BLOCKS = "blocks"
    LOSES = "loses-data"
    DRIFT = "drift"
    SLOW = "slow"
    ADVICE = "advice"


class Certainty(StrEnum):
    """Whether the effect follows from what was read, or depends on something that was not."""

    WILL = "will"
    MAY = "may"


@dataclass(frozen=True, slots=True)
class Step:
    """One migration: a sqlalchemy-migrate number or an Alembic revision of a repository."""

    repository: str
    version: str

    def __str__(self) -> str:
        return f"{self.repository}:{self.version}"


def step(repository: str, version: int | str) -> Step:
    """The step as reports write it: numbers without zeros, `Glance Migrations` as `glance`."""
    name = "glance" if repository == "Glance Migrations" else repository
    return Step(name, str(version))


@dataclass(frozen=True, slots=True)
class Waived:
    """Why a finding does not count, who says so, and the last day on which that holds."""

    reason: str
    owner: str
    expires: date

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"reason": self.reason, "owner": self.owner, "expires": self.expires.isoformat()}


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault, with what proves it and what to do.

    `object` is `table`, `table.column` or a name that a person recognises; `keys` are natural keys (uuid, access key,
    flavorid), at most KEYS_SHOWN; `facts` are values for machines, `evidence` lines for people; no secret in either.
    `confirmed` is None until the step ran; `expected` marks what upstream does by design; `waived` what the site has
    decided to live with. `database` is the plan's name of the database, None where a command looks at one.
    """

    check: str
    severity: Severity
    effect: Effect
    object: str
    message: str
    step: Step | None = None
    certainty: Certainty = Certainty.WILL
    confirmed: bool | None = None
    expected: bool = False
    count: int = 1
    keys: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    remedy: str = ""
    waived: Waived | None = None
    database: str | None = None

    def confirm(self, outcome: bool | None) -> Finding:
        """The same finding after its step ran."""
        return replace(self, confirmed=outcome)

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON has it."""
        return {
            "check": self.check,
            "severity": str(self.severity),
            "effect": str(self.effect),
            "step": None if self.step is None else str(self.step),
            "certainty": str(self.certainty),
            "confirmed": self.confirmed,
            "expected": self.expected,
            "object": self.object,
            "count": self.count,
            "keys": list(self.keys),
            "message": self.message,
            "facts": dict(self.facts),
            "evidence": list(self.evidence),
            "remedy": self.remedy,
            **({} if self.waived is None else {"waived": self.waived.as_dict()}),
            **({} if self.database is None else {"database": self.database}),
        }


@dataclass(frozen=True, slots=True)
class Skipped:
    """A check that could not be made, and why. It is never a pass."""

    check: str
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """The skip as JSON has it."""
        return {"check": self.check, "reason": self.reason}


class Verdict(StrEnum):
    """What a command concludes; exit codes 0, 1, 2."""

    CLEAN = "clean"
    WARNINGS = "warnings"
    FAILED = "failed"


def verdict(findings: tuple[Finding, ...]) -> Verdict:
    """The verdict that findings alone allow; those that are waived do not count."""
    findings = tuple(finding for finding in findings if finding.waived is None)
    if any(_fails(finding) for finding in findings):
        return Verdict.FAILED
    if any(_warns(finding) for finding in findings):
        return Verdict.WARNINGS
    return Verdict.CLEAN


def _fails(finding: Finding) -> bool:
    if finding.confirmed is False:
        return False  # its step ran, and did not do what was predicted
    if finding.effect is Effect.BLOCKS or finding.severity is Severity.ERROR:
        return True
    return finding.effect is Effect.LOSES and not finding.expected


def _warns(finding: Finding) -> bool:
    if finding.severity is Severity.WARNING or finding.confirmed is False:
        return True
    if finding.effect is Effect.DRIFT:
        return finding.severity is not Severity.NOTE
    return finding.effect in (Effect.SLOW, Effect.LOSES)
