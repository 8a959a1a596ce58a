"""The checks that there are, for machines: the envelope with one object each under `checks`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dbaudit.check import Check
from dbaudit.finding import Verdict
from dbaudit.report import json
from dbaudit.result import Result


def as_json(checks: Sequence[Check]) -> str:
    """The checks as JSON text."""
    return json.render(Result("checks", Verdict.CLEAN, extra={"checks": [_plain(each) for each in checks]})).rstrip()


def _plain(check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "title": check.title,
        "severity": str(check.severity),
        "effect": str(check.effect),
        "service": check.service,
        "table": check.table or None,
        "steps": [str(step) for step in check.steps],
        "releases": str(check.releases),
        "beside": list(check.beside),
        "repair": check.repair.verb if check.repair else None,
        "remedy": check.remedy,
        "documentation": check.documentation,
    }
