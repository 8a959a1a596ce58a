"""What a failed step left behind, and whether it could be run again, by what was observed and the step catalogue."""

from __future__ import annotations

import contextlib

import pymysql

from dbaudit.errors import DbauditError
from dbaudit.migration.fingerprint import half_applied
from dbaudit.migration.observation import Observed
from dbaudit.migration.revisions import standing
from dbaudit.migration.runner import StepOutcome, Target
from dbaudit.migration.steps import StepFacts
from dbaudit.record import Failure, StepRecord
from dbaudit.schema.read import read_live

TRIED = "tried"
CATALOGUE = "catalogue"
NOTHING_LEFT = "nothing left behind"


def find_failure(
    target: Target, facts: StepFacts | None, outcome: StepOutcome, observed: Observed | None, record: StepRecord | None
) -> Failure:
    """What is known of a step that failed."""
    left = record.schema if record else None
    rows = None if record is None or record.rows is None else {
        name: counts.changed for name, counts in record.rows.items() if counts.changed
    }  # fmt: skip
    retry, by, error = _retry(facts, left, rows)
    return Failure(
        statement=observed.failure if observed else None,
        left=left,
        half=_half_applied(target),
        changed=rows,
        retry=retry,
        by=by,
        error=error,
        doing=observed.sampler.doing if observed and outcome.timed_out else None,
    )


def _retry(
    facts: StepFacts | None, left: tuple[str, ...] | None, rows: dict[str, int] | None
) -> tuple[bool | None, str | None, str | None]:
    """Whether a retry would work once the cause is repaired, from what that is known, and what it would fail with."""
    if left is None or rows is None:
        return None, None, None
    if not left and not rows:
        return True, NOTHING_LEFT, None
    if facts is None or facts.rerunnable is None:
        return None, None, None
    return facts.rerunnable, CATALOGUE, facts.rerun_error


def _half_applied(target: Target) -> str | None:
    """The work of the next step that is done and that is not, where a catalogue knows it."""
    with contextlib.suppress(DbauditError, pymysql.MySQLError):
        with contextlib.closing(target.server.admin()) as connection:
            said = [name.partition(":") for name in standing(connection, target.database)]
            schema = read_live(connection, target.database)
        numbers = {repository: int(number) for repository, _, number in said if number.isdigit()}
        half = half_applied(target.service, schema, numbers)
        return half.sentence if half else None
    return None
