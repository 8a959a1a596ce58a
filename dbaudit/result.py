"""What a command hands to the report: one envelope for every command, plus the command's own keys.

The JSON form is stable: `format` counts up when a field changes its meaning (docs/json.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any

from dbaudit import __version__
from dbaudit.errors import Exit
from dbaudit.finding import Finding, Skipped, Step, Verdict
from dbaudit.record import Failure, StepRecord

FORMAT = 1
EXIT_OF = {Verdict.CLEAN: Exit.CLEAN, Verdict.WARNINGS: Exit.WARNINGS, Verdict.FAILED: Exit.FAILED}


class Basis(StrEnum):
    """What a verdict rests on."""

    PREDICTED = "predicted"
    STRUCTURE = "rehearsed-structure"
    REHEARSED = "rehearsed"


class Status(StrEnum):
    """How a step ended."""

    OK = "ok"
    FAILED = "failed"
    NOT_RUN = "not-run"


@dataclass(frozen=True, slots=True)
class StepResult:
    """One pending step, run or not. `revisions` are those that it applied, where a step is a phase.

    `record` is what was observed while it ran, None where it did not run or nobody looked; `failure` is set where it
    failed, `timed_out` says that it was stopped by its time limit. `database` is the plan's name of the database, None
    where a command looks at one. `production` is the range of seconds that it would take there, None where nobody
    knows.
    """

    step: Step
    title: str
    status: Status = Status.NOT_RUN
    seconds: float | None = None
    error: str | None = None
    revisions: tuple[str, ...] = ()
    output: str | None = None
    record: StepRecord | None = None
    database: str | None = None
    production: tuple[float, float] | None = None
    failure: Failure | None = None
    timed_out: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The step as JSON has it; a time is rounded to milliseconds."""
        return {
            "step": str(self.step),
            "title": self.title,
            "status": str(self.status),
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "error": self.error,
            "revisions": list(self.revisions),
            "output": self.output,
            "timed_out": self.timed_out,
            "failure": None if self.failure is None else self.failure.as_dict(),
            "record": None if self.record is None else self.record.as_dict(),
            **({} if self.database is None else {"database": self.database}),
            **({} if self.production is None else {"production_seconds": [round(each, 3) for each in self.production]}),
        }


@dataclass(frozen=True, slots=True)
class DatabaseResult:
    """A database that was looked at.

    `version` maps a repository to its number, or a service to its Alembic revisions; `label` is the plan's name of it.
    """

    name: str | None
    operand: str
    service: str | None = None
    release: str | None = None
    version: Mapping[str, int | str] = field(default_factory=dict)
    server: str | None = None
    complete: bool | None = None
    tables: int | None = None
    rows: int | None = None
    bytes: int | None = None
    label: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The database as JSON has it."""
        known = (name for name in self.__slots__ if name != "label" or self.label is not None)
        return {name: _plain(getattr(self, name)) for name in known}


@dataclass(frozen=True, slots=True)
class Result:
    """The envelope. `notes` are sentences for people; `extra` the command's own keys."""

    command: str
    verdict: Verdict
    target: str | None = None
    basis: Basis | None = None
    rehearsed_on: str | None = None
    databases: tuple[DatabaseResult, ...] = ()
    findings: tuple[Finding, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    steps: tuple[StepResult, ...] = ()
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exit(self) -> Exit:
        """The exit code that the verdict gives."""
        return EXIT_OF[self.verdict]

    def as_dict(self) -> dict[str, Any]:
        """The envelope as JSON has it."""
        return {
            "format": FORMAT,
            "command": self.command,
            "dbaudit": __version__,
            "verdict": str(self.verdict),
            "target": self.target,
            "basis": None if self.basis is None else str(self.basis),
            "rehearsed_on": self.rehearsed_on,
            "databases": [each.as_dict() for each in self.databases],
            "findings": [each.as_dict() for each in self.findings],
            "skipped": [each.as_dict() for each in self.skipped],
            "steps": [each.as_dict() for each in self.steps],
            "notes": list(self.notes),
            **self.extra,
        }


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def plain(value: Any) -> Any:
    """A value that JSON has no form of: bytes as hex, times in ISO 8601, sets as lists, all else as its text."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, (set, frozenset, tuple)):
        return sorted(value, key=str)
    return str(value)
