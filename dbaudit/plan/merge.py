"""One report for all databases of a plan: every finding, step and note with its database, and the window of it all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from dbaudit.comparison.policy import Policy
from dbaudit.dryrun.judging import judge
from dbaudit.errors import DbauditError
from dbaudit.finding import Effect, Finding, Severity, Skipped, Verdict
from dbaudit.plan.file import Plan
from dbaudit.result import Basis, DatabaseResult, Result
from dbaudit.window import Stage

# From the weakest: a report rests on the weakest of its parts.
_BASES = (Basis.PREDICTED, Basis.STRUCTURE, Basis.REHEARSED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a database: its result, or the error that kept it from one. `taken_from`: kept by a run then."""

    result: Result | None
    error: DbauditError | None = None
    where: str = ""
    taken_from: str | None = None


def merge(
    plan: Plan, stages: Sequence[Stage], outcomes: Mapping[str, Outcome], notes: Sequence[str], policy: Policy,
    today: date,
) -> Result:  # fmt: skip
    """The report of a plan; its databases in the order of the upgrade."""
    labels = [str(label) for stage in stages for label in stage.labels]
    services = {label: stage.service for stage in stages for label in stage.labels}
    parts = {label: _labelled(label, outcomes[label].result) for label in labels}
    known = [part for part in parts.values() if part is not None]
    merged = Result(
        command="dry-run",
        verdict=max((part.verdict for part in known), key=list(Verdict).index, default=Verdict.WARNINGS),
        target=plan.target.name,
        basis=min((part.basis or Basis.PREDICTED for part in known), key=_BASES.index, default=Basis.PREDICTED),
        rehearsed_on=", ".join(sorted({part.rehearsed_on for part in known if part.rehearsed_on})) or None,
        databases=tuple(_database(label, part, plan, services) for label, part in parts.items()),
        findings=tuple(finding for part in known for finding in part.findings),
        skipped=tuple(skip for part in known for skip in part.skipped),
        steps=tuple(step for part in known for step in part.steps),
        notes=(*notes, *_course(outcomes, labels), *(note for part in known for note in part.notes)),
    )
    errors = tuple(_not_rehearsed(label, outcomes[label]) for label in labels if outcomes[label].error is not None)
    judged = judge(replace(merged, findings=(*errors, *merged.findings)), policy, today, stages)
    return replace(judged, extra={**judged.extra, "by_database": _by_database(parts)})


def _labelled(label: str, part: Result | None) -> Result | None:
    """The result of one database with its label everywhere."""
    if part is None:
        return None
    return replace(
        part,
        databases=tuple(replace(each, label=label) for each in part.databases),
        findings=tuple(replace(each, database=label) for each in part.findings),
        skipped=tuple(Skipped(each.check, f"{label}: {each.reason}") for each in part.skipped),
        steps=tuple(replace(each, database=label) for each in part.steps),
        notes=tuple(f"{label}: {each}" for each in part.notes),
    )


def _database(label: str, part: Result | None, plan: Plan, services: Mapping[str | None, str]) -> DatabaseResult:
    if part is not None and part.databases:
        return part.databases[0]
    operand = next(member.request.operand for member in plan.members if member.label == label)
    return DatabaseResult(None, operand, services[label], label=label)


def _not_rehearsed(label: str, outcome: Outcome) -> Finding:
    assert outcome.error is not None
    where = f" (on {outcome.where})" if outcome.where else ""
    return Finding(
        check="plan.not-rehearsed",
        severity=Severity.ERROR,
        effect=Effect.ADVICE,
        object=label,
        message=f"{label} was not rehearsed{where}: {outcome.error.what}",
        remedy=outcome.error.hint,
        database=label,
    )


def _course(outcomes: Mapping[str, Outcome], labels: Sequence[str]) -> Iterator[str]:
    """Which databases are from a run that was stopped."""
    for label in labels:
        if taken := outcomes[label].taken_from:
            yield f"{label} was rehearsed at {taken}, by a run of this plan that was stopped; --fresh rehearses it anew"


def _by_database(parts: Mapping[str, Result | None]) -> dict[str, Any]:
    """What is one database's alone."""
    return {
        label: {
            "verdict": str(part.verdict), "basis": part.basis and str(part.basis), "rehearsed_on": part.rehearsed_on,
            **part.extra,
        }
        for label, part in parts.items() if part is not None
    }  # fmt: skip
