"""Hold what a dry-run found against what the site allows: its budgets, then its waivers; the window and the verdict
follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from dbaudit.budget import over_budget
from dbaudit.comparison.policy import Policy
from dbaudit.result import Result, Status
from dbaudit.waiver import settled, waive
from dbaudit.window import Stage, lone_stage, spans, whole


def judge(result: Result, policy: Policy, today: date, stages: Sequence[Stage] = ()) -> Result:
    """The result with findings for what is over its budget, with what is waived marked, and the verdict of all that.

    `stages` are the databases in the order of the upgrade; none for a run over one database.
    """
    stages = stages or lone_stage(result)
    findings, skipped = over_budget(result, policy.limits, stages)
    more = replace(
        result,
        findings=(*result.findings, *findings),
        skipped=(*result.skipped, *skipped),
        extra={**result.extra, **_window(result, stages)},
    )
    return waive(replace(more, verdict=settled(result, more.findings)), policy.waivers, today)


def _window(result: Result, stages: Sequence[Stage]) -> dict[str, Any]:
    """The window as the report has it; nothing where no step was run."""
    if all(step.status is Status.NOT_RUN for step in result.steps):
        return {}
    found = tuple(spans(result, stages))
    return {"window": {**whole(found).as_dict(), "stages": [span.as_dict() for span in found]}}
