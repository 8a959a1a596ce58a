"""`flavors reconcile`: definitions made equal to an authority's, and ids that instances carry made right where proven.

A plan is made for every database first; with `apply` all are written, each in one transaction, and committed only
when every one of them went through and was looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import pymysql

from dbaudit.cells.looking import Looking, demand
from dbaudit.cells.parallel import each
from dbaudit.cells.source import Source, labels, opened, over
from dbaudit.comparison.live import LiveData
from dbaudit.comparison.side import Side
from dbaudit.errors import UsageError
from dbaudit.flavors.flavor import read_definitions
from dbaudit.flavors.outcome import WORK, result
from dbaudit.flavors.raw import read_raw
from dbaudit.flavors.renumber import Member, renumber
from dbaudit.flavors.stillness import Marks, living, marks, resizing
from dbaudit.flavors.survey import Order, Planned, plan_one, see
from dbaudit.reconcile import Refused
from dbaudit.repair.edits import Changed
from dbaudit.repair.prepared import Prepared, commit_all
from dbaudit.repair.run import Interrupted
from dbaudit.repair.target import Target, open_target
from dbaudit.result import Result


def plan(sides: Sequence[Side], looking: Looking, order: Order) -> Result:
    """What would be done; writes nothing."""
    planned = _plans(sides, looking, order)
    return result(sides, planned, "planned", ())


def apply(sides: Sequence[Side], looking: Looking, order: Order) -> Result:
    """Do it on all databases. Raises Refused before anything is written, DbauditError with what was written where."""
    if not all(isinstance(side.data, LiveData) for side in sides):
        raise UsageError("a dump cannot be written to", "name live databases, or leave out --apply for a plan")
    before = [_marks(side) for side in sides]
    planned = _plans(sides, looking, order)
    refused = [f"{one.label}: {why}" for one in planned for why in one.refusals]
    if refused:
        raise Refused(f"nothing was written: {'; '.join(refused)}", "end that first, then run it again")
    runs: list[str] = []
    with ExitStack() as stack:
        found = zip(sides, planned, before, strict=True)
        wanted = [(side, one, mark, _target(side, order)) for side, one, mark in found if len(one.edits)]
        # Every database is one transaction: what may hold this back does so before the first is begun.
        throttles = [order.hold(target) for *_, target in wanted]
        for throttle in throttles:
            throttle.wait()
        prepared = [_prepare(one, order, target, stack) for _, one, _, target in wanted]
        _verify(sides, planned, prepared, order)
        for (side, one, mark, _), written in zip(wanted, prepared, strict=True):
            _demand_still(side, one, mark, written)
        if any(throttle.stop.wanted for throttle in throttles):
            raise Interrupted("stopped before anything was written", "run it again")
        for target, run in commit_all(prepared):
            runs.append(f"{target.shown}: run {run}, undone by `dbaudit undo {target.shown} {run}`")
    return result(sides, planned, "done", tuple(runs))


def _target(side: Side, order: Order) -> Target:
    assert isinstance(side.data, LiveData)
    return open_target(side.data.url, order.journal)


def _marks(side: Side) -> Marks:
    assert isinstance(side.data, LiveData)
    with side.data.connected() as connection:
        return marks(side.schema, connection)


def _prepare(one: Planned, order: Order, target: Target, stack: ExitStack) -> Prepared:
    parameters = {"authority": order.authority, "delete_extra": order.delete_extra}
    prepared = Prepared(target, WORK, one.edits.tables, parameters)
    stack.callback(prepared.close)
    prepared.begin(len(one.edits))
    prepared.write(one.edits)
    return prepared


def _demand_still(side: Side, one: Planned, before: Marks, prepared: Prepared) -> None:
    """Inside of the transaction: no service came to life, no resize began, no row came, since the plan was made."""
    try:
        found = [*living(side.schema, prepared.connection)]
        if one.moves:
            found += resizing(side.schema, prepared.connection)
        if marks(side.schema, prepared.connection) != before:
            found.append("instances, or what they carry, were made or changed while the plan was made and written")
    except pymysql.MySQLError as error:
        raise prepared.target.failure(error) from error
    if found:
        raise Refused(
            f"nothing was written anywhere: {one.label}: {'; '.join(found)}", "stop nova's services, then run it again"
        )


def _plans(sides: Sequence[Side], looking: Looking, order: Order) -> list[Planned]:
    demand(sides)
    names = labels(sides)
    files = [looking.folder / f"reconcile-{number}.sqlite" for number in range(len(sides))]
    tasks = list(zip(sides, names, files, strict=True))
    seen = list(each(see, tasks, looking.jobs, "read", looking.watch))
    chosen = _authority(sides, names, order)
    planned = [plan_one(one, seen[chosen], seen, order) for one in seen]
    for file in files:
        file.unlink()
    return planned


def _authority(sides: Sequence[Side], names: Sequence[str], order: Order) -> int:
    for number, (side, name) in enumerate(zip(sides, names, strict=True)):
        if order.authority in (name, side.operand, "top" if number == 0 else name):
            return number
    raise UsageError(f"--authority {order.authority}: no such database", f"one of: top, {', '.join(names[1:])}")


def _verify(sides: Sequence[Side], planned: Sequence[Planned], prepared: Sequence[Prepared], order: Order) -> None:
    """Look at the definitions again inside of the transactions: nothing may be left to do."""
    written = {each_one.target.shown: each_one for each_one in prepared}
    now: list[Source] = []
    with ExitStack() as stack:
        for side in sides:
            target = written.get(_target(side, order).shown)
            now.append(over(target.connection, side) if target else stack.enter_context(opened(side)))
        chosen = _authority(sides, labels(sides), order)
        members = [Member(read_raw(source), read_definitions(source), {}) for source in now]
        for number, (member, one) in enumerate(zip(members, planned, strict=True)):
            if number == chosen:
                continue
            again = renumber(members[chosen], member, member.raw.ids, order.wish)
            if again.ids or again.inserts or any(True for _ in again.edits(member.raw)):
                raise Changed(
                    f"{one.label} would not be equal to the authority afterwards; nothing was written anywhere",
                    "are all services stopped? make a new plan; report this if nothing else writes there",
                )
