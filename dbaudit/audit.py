"""Run checks against one database and yield an outcome each: findings, or why the check could not be made.

A check that raises becomes a skip with its reason; the audit goes on. What was not looked at is never a pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.exc import SQLAlchemyError

from dbaudit.check import Audited, Cannot, Check, Fact, Unknown, key_text
from dbaudit.finding import KEYS_SHOWN, Finding, Skipped
from dbaudit.packs import STEPS, checks

EVIDENCE_SHOWN = 5  # sample rows written out in a finding; more would bury the message


def audit(audited: Audited) -> Iterator[Finding | Skipped]:
    """What the checks of the service, and those that hold for any service's steps, find in a database.

    Hazards (checks bound to a step) run only where their step is pending; the others where `releases` has the
    release at which the database stands.
    """
    for check in (*checks(STEPS), *checks(audited.service)):
        if not applies(check, audited):
            continue
        yield from run(check, audited)


def applies(check: Check, audited: Audited) -> bool:
    """Whether the check has anything to say about this database and this upgrade."""
    if check.beside and audited.beside is None:
        return False
    if check.service == STEPS:
        return bool(audited.pending)
    if check.steps:
        return audited.stage(*check.steps) is not None
    return audited.release is not None and audited.release in check.releases


def run(check: Check, audited: Audited) -> Iterator[Finding | Skipped]:
    """The outcome of one check; a skip where it cannot be made."""
    absent = [name for name in check.needs if name not in audited.schema.tables]
    if absent and _made_before(check, audited, absent):
        return
    if absent:
        yield Skipped(check.id, f"there is no table {', '.join(f'`{name}`' for name in absent)}")
        return
    if missing := [service for service in check.beside if service not in (audited.beside or {})]:
        yield Skipped(check.id, f"it needs the database of {', '.join(missing)} too: name it beside this one")
        return
    try:
        yield from list(_facts(check, audited) if check.facts_query else _rows(check, audited))
    except Cannot as reason:
        yield Skipped(check.id, str(reason))
    except SQLAlchemyError as error:
        yield Skipped(check.id, f"its query failed: {_first_line(error)}")
    except Exception as error:  # noqa: BLE001 - one broken check must not hide what the others find
        yield Skipped(check.id, f"the check itself failed: {type(error).__name__}: {_first_line(error)}")


def _made_before(check: Check, audited: Audited, absent: list[str]) -> bool:
    """Whether a pending step makes these tables before the check's own: they are empty then, and nothing is wrong."""
    stage = audited.stage(*check.steps)
    return stage is not None and all(name in stage.before.tables for name in absent)


def _rows(check: Check, audited: Audited) -> Iterator[Finding]:
    assert check.rows_query is not None
    query = check.rows_query(audited.tables)
    bad = query.subquery()
    total = int(audited.one(select(func.count().label("n")).select_from(bad))["n"])
    if not total:
        return
    sample = list(audited.rows(_ordered(query, check).limit(KEYS_SHOWN)))
    yield finding(
        check,
        Fact(
            object=check.table,
            facts={"count": total},
            count=total,
            keys=tuple(key_text(row, check.key) for row in sample),
            evidence=tuple(check.each.format(**row) for row in sample[:EVIDENCE_SHOWN]) if check.each else (),
        ),
        sample[0],
    )


def _ordered(query: Select[Any], check: Check) -> Select[Any]:
    columns = query.selected_columns
    return query.order_by(*(columns[name] for name in check.key))


def _facts(check: Check, audited: Audited) -> Iterator[Finding | Skipped]:
    assert check.facts_query is not None, f"{check.id} has neither rows nor facts"
    for fact in check.facts_query(audited):
        yield Skipped(check.id, fact.reason) if isinstance(fact, Unknown) else finding(check, fact)


def finding(check: Check, fact: Fact, example: Mapping[str, Any] | None = None) -> Finding:
    """The finding that a fact makes, with the check's sentence filled in; `example` is the first of its rows."""
    values: Mapping[str, Any] = {**(example or {}), "count": f"{fact.count:,}", "object": fact.object, **fact.facts}
    remedy = check.remedy if fact.remedy is None else fact.remedy
    return Finding(
        check=check.id,
        severity=fact.severity or check.severity,
        effect=fact.effect or check.effect,
        object=fact.object,
        message=check.message.format(**values),
        step=fact.step or check.before,
        certainty=fact.certainty or check.certainty,
        expected=check.expected if fact.expected is None else fact.expected,
        count=fact.count,
        keys=fact.keys[:KEYS_SHOWN],
        facts=fact.facts,
        evidence=fact.evidence,
        remedy=remedy.format(**values),
    )


def split(outcomes: Iterable[Finding | Skipped]) -> tuple[tuple[Finding, ...], tuple[Skipped, ...]]:
    """Findings and skips apart, in the order in which they came."""
    every = list(outcomes)
    return (
        tuple(each for each in every if isinstance(each, Finding)),
        tuple(each for each in every if isinstance(each, Skipped)),
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:300]
