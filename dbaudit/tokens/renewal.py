"""`tokens flush --rebuild` as the command line calls it: the plan of a rebuild, and the deed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from dbaudit.repair.journal import init_journal
from dbaudit.result import Result
from dbaudit.tokens import outcome
from dbaudit.tokens.metrics import write_metrics
from dbaudit.tokens.opened import Opened
from dbaudit.tokens.rebuild import Rebuild, Rebuilt, family_of, old_name, reverse
from dbaudit.tokens.run import Run, held, refuse


def plan_rebuild(opened: Opened) -> Result:
    """What a rebuild would do, its reverse first. Reads only; DbauditError where the table cannot be built anew."""
    family = family_of(opened)
    result = outcome.plan(replace(opened, families=(family,)))
    return _with(result, {"old_table": old_name(opened, family), "reverse": reverse(family, old_name(opened, family))})


def rebuild(opened: Opened, run: Run) -> Result:
    """Build the token table anew. Raises BusyError where another run is at work, DbauditError where it fails."""
    began, family = time.monotonic(), family_of(opened)
    refuse(opened.target, run)
    init_journal(opened.target)
    with held(opened.target) as lease, opened.target.session() as connection:
        done = Rebuild(opened, family, lease, run.throttle, run.watch).run(connection)
    result = outcome.flushed(replace(opened, families=()), outcome.nothing())
    result = _with(result, {**_told(done), "reverse": reverse(family, done.old)})
    if run.metrics:
        values = {"success": 1.0, "duration_seconds": time.monotonic() - began,
                  "cutoff_timestamp_seconds": opened.cutoff.microseconds / 1e6}  # fmt: skip
        write_metrics(run.metrics, result, values)
    return result


def _told(done: Rebuilt) -> Mapping[str, Any]:
    told = asdict(done)
    told["old_table"] = told.pop("old")
    return {**told, "seconds": round(done.seconds, 3), "locked": round(done.locked, 3)}


def _with(result: Result, told: Mapping[str, Any]) -> Result:
    return replace(result, extra={"flush": {**result.extra["flush"], "rebuild": told}})
