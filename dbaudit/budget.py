"""What the migrations may cost, as `dbaudit.toml` says it, and the steps that cost more.

    [[budget]]
    step = "cinder:*"             # each step of this pattern by itself
    seconds = 60
    rows = 100_000                # rows inserted, updated and deleted, as the storage engine counts them
    growth = "500 MB"             # of the tables; or "20 %" of what they were before; or bytes
    severity = "warning"          # or error, which is the default

    [[budget]]
    service = "nova"              # without step: all steps of this service together (seconds: its window)
    database = "cell1"            # or of one database of a plan, by its name there
    seconds = 1800                # without any of these: the whole run

What was not measured is skipped with its reason; it is never within a limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase

from dbaudit.errors import DbauditError
from dbaudit.finding import Effect, Finding, Severity, Skipped, Step
from dbaudit.result import Result, Status, StepResult
from dbaudit.settings import Entry
from dbaudit.window import Span, Stage, spans, steps_of, whole

_KEYS = ("step", "service", "database", "seconds", "rows", "growth", "severity")
_SEVERITIES = {"error": Severity.ERROR, "warning": Severity.WARNING}
# Decimal units, as the reports have them.
_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "": 1}


class Measure(StrEnum):
    """What a limit is about."""

    SECONDS = "seconds"
    ROWS = "rows"
    GROWTH = "growth"  # bytes
    SHARE = "growth-share"  # growth by what the tables were before, 0.2 for 20 %


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: for each step of a pattern, for a service, a plan's database, or for the run where all are None."""

    measure: Measure
    value: float
    severity: Severity
    step: str | None
    service: str | None
    database: str | None
    where: str


@dataclass(frozen=True, slots=True)
class Bill:
    """What was measured of a step or of several; None with the reason where it could not be."""

    name: str
    value: float | None
    reason: str = ""
    step: Step | None = None
    database: str | None = None


def read_limits(entry: Entry) -> Iterator[Limit]:
    """The limits of one [[budget]]. Raises DbauditError that names what is wrong."""
    entry.only(*_KEYS)
    severity = entry.text("severity") or "error"
    if severity not in _SEVERITIES:
        raise DbauditError(f"{entry.where}: severity {severity!r}", f"severities: {', '.join(_SEVERITIES)}")
    limits = [(Measure(name), entry.number(name)) for name in ("seconds", "rows")]
    if "growth" in entry.values:
        limits.append(_growth(entry))
    if all(value is None for _, value in limits):
        raise DbauditError(f"{entry.where} has no limit", "give seconds, rows or growth")
    for measure, value in limits:
        if value is not None:
            step, service, database = (entry.text(key) or None for key in ("step", "service", "database"))
            yield Limit(measure, value, _SEVERITIES[severity], step, service, database, entry.where)


def _growth(entry: Entry) -> tuple[Measure, float | None]:
    value = entry.values["growth"]
    if not isinstance(value, str):
        return Measure.GROWTH, entry.number("growth")
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%|[kmgt]?b)?\s*", value.lower())
    if not found:
        raise DbauditError(f"{entry.where}: growth {value!r}", 'write "500 MB", "20 %", or a number of bytes')
    if found[2] == "%":
        return Measure.SHARE, float(found[1]) / 100
    return Measure.GROWTH, float(found[1]) * _UNITS[found[2] or ""]


def over_budget(
    result: Result, limits: Sequence[Limit], stages: Sequence[Stage]
) -> tuple[tuple[Finding, ...], tuple[Skipped, ...]]:
    """A finding for each limit that was passed, a skip for each that could not be measured, a note for each unused."""
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    services = {each.service for each in result.databases} | {stage.service for stage in stages}
    labels = {label for stage in stages for label in stage.labels}
    for limit in limits:
        if limit.service not in (None, *services) or limit.database not in (None, *labels):
            continue
        bills = tuple(_bills(result, limit, stages))
        findings += [_finding(limit, bill) for bill in bills if bill.value is not None and bill.value > limit.value]
        skipped += _unmeasured(limit, [bill for bill in bills if bill.reason])
        if not bills and limit.step is not None:
            skipped.append(Skipped(f"budget.{limit.measure}", f"{limit.where}: no pending step is {limit.step}"))
    return tuple(findings), tuple(skipped)


def _bills(result: Result, limit: Limit, stages: Sequence[Stage]) -> Iterator[Bill]:
    """What a limit is held against: each of the steps that it names, or one sum."""
    mine = tuple(_mine(limit, stages))
    steps = [step for stage in mine for label in stage.labels for step in steps_of(result, label)]
    if limit.step is not None:
        yield from (_step_bill(step, limit.measure) for step in steps if fnmatchcase(str(step.step), limit.step))
        return
    name = limit.database or limit.service or "the run"
    if limit.measure is Measure.SECONDS:
        span = whole(tuple(spans(result, mine)))
        yield _lower_bound(name, span, steps)
        return
    yield _sum_bill(name, steps, limit.measure)


def _mine(limit: Limit, stages: Sequence[Stage]) -> Iterator[Stage]:
    """The stages of the databases that a limit is about."""
    for stage in stages:
        labels = tuple(label for label in stage.labels if limit.database in (None, label))
        if labels and limit.service in (None, stage.service):
            yield replace(stage, labels=labels)


def _lower_bound(name: str, span: Span, steps: Sequence[StepResult]) -> Bill:
    """The window; where it is not known, what is known of it is compared all the same: it can only be longer."""
    if span.seconds is not None:
        return Bill(name, span.seconds)
    by_database: dict[str | None, float] = {}
    for step in steps:
        by_database[step.database] = by_database.get(step.database, 0.0) + (step.seconds or 0.0)
    return Bill(name, max(by_database.values(), default=0.0), span.reason or "not known")


def _step_bill(step: StepResult, measure: Measure) -> Bill:
    name = str(step.step)
    value, reason = _measured(step, measure)
    if step.status is Status.FAILED and value is not None:
        reason = "it failed, and would take more"
    return Bill(name, value, reason, step.step, step.database)


def _sum_bill(name: str, steps: Sequence[StepResult], measure: Measure) -> Bill:
    """The sum over steps; the reason of the first that could not be measured."""
    if not steps:
        return Bill(name, None, "no step was run")
    found = [_measured(step, Measure.GROWTH if measure is Measure.SHARE else measure) for step in steps]
    reason = next((f"{step.step}: {why}" for step, (_, why) in zip(steps, found, strict=True) if why), "")
    value = sum(each for each, _ in found if each is not None)
    if measure is not Measure.ROWS and reason:
        return Bill(name, None, reason)  # a later step may give back what an earlier one took
    if measure is Measure.SHARE:
        before = sum(_before(next(step for step in steps if step.database == each)) for each in _databases(steps))
        return Bill(name, value / before) if before else Bill(name, None, "there were no tables before")
    return Bill(name, value, reason)


def _databases(steps: Sequence[StepResult]) -> tuple[str | None, ...]:
    return tuple(dict.fromkeys(step.database for step in steps))


def _measured(step: StepResult, measure: Measure) -> tuple[float | None, str]:
    """What a step cost, or why that is not known."""
    if step.status is Status.NOT_RUN:
        return None, "it was not run"
    if measure is Measure.SECONDS:
        return step.seconds, "" if step.seconds is not None else "its time was not measured"
    record = step.record
    if record is None:
        return None, "nobody looked while it ran"
    if measure is Measure.ROWS:
        rows = record.total
        return (None, _why(record.not_observed, "rows")) if rows is None else (rows.changed, "")
    growth = record.growth
    if growth is None or measure is Measure.GROWTH:
        return growth, _why(record.not_observed, "bytes") if growth is None else ""
    before = _before(step)
    return (growth / before, "") if before else (None, "there were no tables before")


def _before(step: StepResult) -> int:
    """Bytes of all tables before the step."""
    found = step.record.bytes if step.record else None
    return sum(before or 0 for before, _ in (found or {}).values())


def _why(not_observed: Sequence[str], name: str) -> str:
    """The reason that the record gives for what it does not hold."""
    return next((each for each in not_observed if each.startswith(name)), f"{name} were not observed")


def _finding(limit: Limit, bill: Bill) -> Finding:
    assert bill.value is not None
    least = "at least " if bill.reason else ""
    return Finding(
        check=f"budget.{limit.measure}",
        severity=limit.severity,
        effect=Effect.SLOW,
        object=bill.name,
        message=f"{bill.name} {_SAY[limit.measure].format(least + _amount(limit.measure, bill.value))}; "
        f"the budget is {_amount(limit.measure, limit.value)}",
        step=bill.step,
        confirmed=True,
        facts={"limit": limit.value, "measured": bill.value, "unit": _UNIT[limit.measure], "where": limit.where},
        remedy="Make it cheaper before the upgrade (purge what is deleted or expired), or raise the limit.",
        database=bill.database,
    )


_SAY = {
    Measure.SECONDS: "took {}", Measure.ROWS: "changed {}", Measure.GROWTH: "made the tables {} larger",
    Measure.SHARE: "made the tables {} larger",
}  # fmt: skip
_UNIT = {Measure.SECONDS: "s", Measure.ROWS: "rows", Measure.GROWTH: "bytes", Measure.SHARE: "of the bytes before"}


def _amount(measure: Measure, value: float) -> str:
    if measure is Measure.SECONDS:
        return f"{value:,.2f} s"
    if measure is Measure.SHARE:
        return f"{value:.1%}"
    return f"{value:,.0f} {_UNIT[measure]}"


def _unmeasured(limit: Limit, bills: Sequence[Bill]) -> Iterator[Skipped]:
    """One skip for each reason, however many steps share it."""
    by_reason: dict[str, list[Bill]] = {}
    for bill in bills:
        if bill.value is None or bill.value <= limit.value:
            by_reason.setdefault(bill.reason, []).append(bill)
    for reason, same in by_reason.items():
        more = f" and {len(same) - 1} more" if len(same) > 1 else ""
        yield Skipped(f"budget.{limit.measure}", f"{same[0].name}{more}: {reason}")
