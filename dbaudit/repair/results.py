"""What the commands about repairs hand to the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dbaudit.errors import UsageError
from dbaudit.finding import Verdict
from dbaudit.repair import records
from dbaudit.repair.journal import init_journal, is_there
from dbaudit.repair.lease import held, unlock
from dbaudit.repair.limits import Limits, Outcome, check_limits
from dbaudit.repair.plan import make_plan
from dbaudit.repair.prune import prune
from dbaudit.repair.retract import Undone
from dbaudit.repair.undo import Refuse, plan_undo, refuse_nothing
from dbaudit.repair.work import Work
from dbaudit.result import DatabaseResult, Result

if TYPE_CHECKING:
    from dbaudit.repair.target import Target


def planned(command: str, work: Work, target: Target, limits: Limits) -> Result:
    """The plan of a work."""
    with target.session() as connection:
        plan = make_plan(work, target, connection)
    notes = list(plan.notes)
    try:
        check_limits(plan, limits)
    except UsageError as error:
        notes.insert(0, f"--apply refuses: {error.what}; {error.hint}")
    return _result(command, target, notes, {"applied": False, "plan": plan.as_dict()})


def done(command: str, outcome: Outcome, target: Target) -> Result:
    """What a run did."""
    extra = {"applied": True, "plan": outcome.plan.as_dict(), "outcome": outcome.as_dict()}
    return _result(command, target, outcome.plan.notes, extra)


def undo_planned(run: str, target: Target, refuse: Refuse = refuse_nothing) -> Result:
    """The plan of an undo."""
    with target.session() as connection:
        plan = plan_undo(target, connection, run)
        refuse(plan, connection)
    return _result("undo", target, (), {"applied": False, "undo": plan.as_dict()})


def undone(outcome: Undone, target: Target) -> Result:
    """What an undo did."""
    return _result("undo", target, (), {"applied": True, "undo": outcome.as_dict()})


def initialised(target: Target) -> Result:
    """The journal's tables that were made."""
    made, schema = init_journal(target), target.journal.schema
    said = f"made {', '.join(made)} in `{schema}`" if made else f"the journal `{schema}` is there already"
    return _result("journal init", target, (said,), {"journal": {"schema": schema, "made": list(made)}})


def listed(target: Target) -> Result:
    """The runs on a database, and who holds its lease. One that a kill left open is stopped: nobody is at it."""
    runs: list[Mapping[str, Any]] = []
    notes: tuple[str, ...] = ()
    with target.session() as connection:
        if is_there(connection, target):
            found = held(connection, target.journal, target.database)
            alive = found.run if found and not found.free else None
            for each in records.all_runs(connection, target):
                dead = each.state == records.RUNNING and each.run != alive
                runs.append(replace(each, state=records.STOPPED if dead else each.state).as_dict())
            if found:
                notes = (found.refusal().what,)
    return _result("runs", target, notes, {"runs": runs})


def unlocked(target: Target) -> Result:
    """The same, after a dead run's lease was taken away. Raises BusyError where it may be alive."""
    said = "nobody holds the lease"
    with target.session() as connection:
        if is_there(connection, target) and (found := unlock(connection, target.journal, target.database)):
            said = f"the lease of {found.work} ({found.holder}) was taken away"
    result = listed(target)
    return _result("runs", target, (said, *result.notes), result.extra)


def pruned(target: Target, days: int) -> Result:
    """What `runs prune` deleted."""
    with target.session() as connection:
        runs = prune(connection, target, days) if is_there(connection, target) else ()
    said = f"the images of {len(runs)} run(s) older than {days} days were deleted; they cannot be undone any more"
    return _result("runs", target, (said,), {**listed(target).extra, "pruned": list(runs)})


def _result(command: str, target: Target, notes: Sequence[str], extra: Mapping[str, Any]) -> Result:
    database = DatabaseResult(name=target.database, operand=target.shown, server=target.version.short)
    return Result(command=command, verdict=Verdict.CLEAN, databases=(database,), notes=tuple(notes), extra=extra)
