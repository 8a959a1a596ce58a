"""What a reconcile says: the plan of each database, what stays as it is, and the runs that were written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dbaudit.cells.looking import database_of
from dbaudit.comparison.side import Side
from dbaudit.finding import Effect, Finding, Severity, Verdict
from dbaudit.flavors.survey import Planned
from dbaudit.result import Result

WORK = "flavors reconcile"


def result(sides: Sequence[Side], planned: Sequence[Planned], state: str, runs: tuple[str, ...]) -> Result:
    """The result; `state` is planned or done."""
    findings = []
    for one in planned:
        if one.unproven:
            findings.append(_unproven(one))
        findings += [_left(one, why) for why in one.left]
    done = state == "done"
    verdict = Verdict.WARNINGS if done and findings else Verdict.CLEAN
    notes = [*runs, *(f"{one.label}: would be refused: {why}" for one in planned for why in one.refusals)]
    notes += [_summary(one, done) for one in planned]
    return Result(
        WORK, verdict, databases=tuple(map(database_of, sides)), findings=tuple(findings), notes=tuple(notes),
        extra={"state": state, "plan": [one.as_dict() for one in planned], "runs": list(runs)},
    )  # fmt: skip


def _summary(one: Planned, done: bool) -> str:
    if not len(one.edits):
        return f"{one.label}: nothing to do"
    rows: Counter[str] = Counter(change.table for change in one.edits.edits)
    shown = ", ".join(f"{count:,} of {table}" for table, count in sorted(rows.items()))
    new = Counter(change.table for change in one.edits.inserts)
    made = ", ".join(f"{count:,} of {table}" for table, count in sorted(new.items()))
    said = "were" if done else "would be"
    return f"{one.label}: rows that {said} changed: {shown or 'none'}; made: {made or 'none'}"


def _unproven(one: Planned) -> Finding:
    return Finding(
        "flavors.unproven", Severity.WARNING, Effect.ADVICE, "instances",
        f"{len(one.unproven)} live instances in {one.label} keep their instance_type_id though flavors move, since "
        "no embedded flavor proves theirs", count=len(one.unproven), keys=tuple(sorted(one.unproven)),
        facts={"database": one.label, "instances": dict(one.unproven)},
        remedy="find their flavor out by hand; the other database may know it by uuid",
    )  # fmt: skip


def _left(one: Planned, why: str) -> Finding:
    return Finding(
        "flavors.left", Severity.WARNING, Effect.ADVICE, "instance_types", f"{one.label}: {why}",
        facts={"database": one.label},
    )  # fmt: skip
