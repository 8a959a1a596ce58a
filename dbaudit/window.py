"""How long the window is that an upgrade needs: the seconds of its steps, service by service.

Databases of one stage that are upgraded side by side (cells) take as long as the longest of them. What is not in it:
stopping and starting services, backups, and everything else that is no migration step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dbaudit.result import Result, Status, StepResult


@dataclass(frozen=True, slots=True)
class Stage:
    """Databases that take the same place in the order of an upgrade, by their labels; None for a lone database.

    `parallel` says that they are upgraded side by side, as cells are.
    """

    service: str
    labels: tuple[str | None, ...]
    parallel: bool = False
    name: str = ""

    @property
    def title(self) -> str:
        """What reports call it: `nova cells`, else the service."""
        return self.name or self.service


@dataclass(frozen=True, slots=True)
class Span:
    """How long a stage takes: seconds, None where that is not known, and then why.

    `production` is the range of seconds that it would take there, None where nobody knows.
    """

    stage: Stage
    seconds: float | None
    reason: str | None = None
    production: tuple[float, float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "service": self.stage.service,
            "stage": self.stage.title,
            "databases": [each for each in self.stage.labels if each is not None],
            "parallel": self.stage.parallel,
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "reason": self.reason,
            "production_seconds": None if self.production is None else [round(each, 3) for each in self.production],
        }


def lone_stage(result: Result) -> tuple[Stage, ...]:
    """The one stage of a run over one database."""
    service = result.databases[0].service if result.databases else None
    return (Stage(service or "database", (None,)),)


def spans(result: Result, stages: Sequence[Stage]) -> Iterator[Span]:
    """How long each stage takes, in order."""
    for stage in stages:
        times = [_time(result, label) for label in stage.labels]
        unknown = next((each for each in times if isinstance(each, str)), None)
        if unknown is not None:
            yield Span(stage, None, unknown)
        else:
            known = [each for each in times if not isinstance(each, str)]
            seconds = max(known, default=0.0) if stage.parallel else sum(known)
            yield Span(stage, seconds, production=_production(result, stage))


def whole(found: Sequence[Span]) -> Span:
    """The window of all stages, one after the other."""
    unknown = next((each for each in found if each.seconds is None), None)
    stage = Stage("all", tuple(label for each in found for label in each.stage.labels), name="in all")
    if unknown is not None:
        return Span(stage, None, unknown.reason)
    ranges = [each.production for each in found if each.production is not None]
    there = (sum(low for low, _ in ranges), sum(high for _, high in ranges)) if len(ranges) == len(found) else None
    return Span(stage, sum(each.seconds or 0.0 for each in found), production=there)


def steps_of(result: Result, label: str | None) -> tuple[StepResult, ...]:
    """The steps of the database of that label."""
    return tuple(step for step in result.steps if step.database == label)


def _time(result: Result, label: str | None) -> float | str:
    """Seconds of the steps of a database, or why they are not known."""
    steps, of = steps_of(result, label), f" of {label}" if label else ""
    unrun = next((step for step in steps if step.status is not Status.OK or step.seconds is None), None)
    if unrun is not None:
        return f"step {unrun.step}{of} {'failed' if unrun.status is Status.FAILED else 'was not run'}"
    if not steps:
        database = next((each for each in result.databases if each.label == label), None)
        if database is None or database.release is None or database.release != result.target:
            return f"no step{of} was run"
    return sum(step.seconds or 0.0 for step in steps)


def _production(result: Result, stage: Stage) -> tuple[float, float] | None:
    """The range of a stage in production; None where one of its steps has none."""
    lows, highs = [], []
    for label in stage.labels:
        ranges = [step.production for step in steps_of(result, label)]
        known = [each for each in ranges if each is not None]
        if len(known) < len(ranges) or not ranges:
            return None
        lows.append(sum(low for low, _ in known))
        highs.append(sum(high for _, high in known))
    return (max(lows), max(highs)) if stage.parallel else (sum(lows), sum(highs))
