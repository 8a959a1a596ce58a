"""Hold what a dry-run found against what the site allows: its budgets, then its waivers; the verdict follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from dbaudit.budget import over_budget
from dbaudit.comparison.policy import Policy
from dbaudit.result import Result
from dbaudit.waiver import settled, waive
from dbaudit.window import Stage, lone_stage


def judge(result: Result, policy: Policy, today: date, stages: Sequence[Stage] = ()) -> Result:
    """The result with findings for what is over its budget, with what is waived marked, and the verdict of all that.

    `stages` are the databases in the order of the upgrade; none for a run over one database.
    """
    findings, skipped = over_budget(result, policy.limits, stages or lone_stage(result))
    more = replace(result, findings=(*result.findings, *findings), skipped=(*result.skipped, *skipped))
    return waive(replace(more, verdict=settled(result, more.findings)), policy.waivers, today)
