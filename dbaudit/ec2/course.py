"""What one call of `dbaudit ec2 sync` does: a plan, one round or many, with triggers made or removed around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pymysql

from dbaudit.ec2.follow import Course, Event, Follower
from dbaudit.ec2.results import COMMAND
from dbaudit.ec2.status import Status
from dbaudit.ec2.sync import Work, apply, failing, leased, plan
from dbaudit.ec2.triggers import install, installed, refusals, remove, triggers
from dbaudit.errors import BusyError, DbauditError, UsageError
from dbaudit.finding import Verdict
from dbaudit.repair.stop import Stop
from dbaudit.result import Result


@dataclass(frozen=True, slots=True)
class Mode:
    """What is asked for. `triggers` None leaves them as they are; `interval` in seconds."""

    apply: bool = False
    follow: bool = False
    interval: float = 1.0
    triggers: bool | None = None


@dataclass(frozen=True)
class Ways:
    """Whom to tell: events and the state of a follower, and sentences for people while work goes on."""

    stop: Stop | None
    emit: Callable[[Event], None] | None
    show: Callable[[Status], None]
    say: Callable[[str], None]


def run(work: Work, mode: Mode, ways: Ways) -> Result:
    """Do it. UsageError where --follow is to write nothing."""
    if mode.follow and not mode.apply:
        raise UsageError("--follow writes", "give --apply too; without --follow a plan is made")
    if not mode.apply:
        return plan(work) if mode.triggers is None else printed(work, mode.triggers)
    with failing(work.ends):
        if mode.triggers is False:
            with leased(work.ends, []) as link:  # a follower that is at work relies on them
                ways.say(f"removed {remove(work.ends, link.keep)} triggers")
        if mode.follow:
            return followed(work, mode, ways)
        done = apply(work, lambda: _arm(work, mode, ways))
        ways.show(_once(done))
        return done


def _arm(work: Work, mode: Mode, ways: Ways) -> bool:
    """Make the triggers where that is asked for, and say whether they were made. The leases are held."""
    if not mode.triggers:
        return False
    install(work.pair, work.ends, ways.say)
    if not mode.follow:
        ways.say("the triggers stay: follow with --follow, or remove them with --no-triggers --apply")
    return True


def _disarm(follower: Follower, ways: Ways) -> None:
    """Remove the triggers that this run made; not where another run has the leases now, which may rely on them."""
    try:
        with leased(follower.work.ends, follower.kept) as link:
            remove(follower.work.ends, link.keep)
    except BusyError:
        ways.say("the triggers stay: another run is at work; --no-triggers --apply removes them")
    except (pymysql.Error, OSError, DbauditError):  # whatever ended the run is what is to be told
        ways.say("the triggers could not be removed; --no-triggers --apply does")


def followed(work: Work, mode: Mode, ways: Ways) -> Result:
    """Follow until asked to stop. Triggers that it makes are removed at the end."""
    assert ways.stop is not None and ways.emit is not None
    made: list[bool] = []
    course = Course(ways.stop, mode.interval, ways.emit, ways.show)
    follower = Follower(work, course, begun=lambda: made.append(_arm(work, mode, ways)))
    try:
        status = follower.run()
    finally:
        if any(made):
            _disarm(follower, ways)
    verdict = Verdict.FAILED if status.held else Verdict.WARNINGS if status.conflicts or status.kinds else Verdict.CLEAN
    return Result(COMMAND, verdict, notes=(f"{status.rounds:,} rounds",))


def printed(work: Work, wanted: bool) -> Result:
    """The triggers as SQL, those that remove them first, and what stands against them."""
    made = triggers(work.ends)
    removal = tuple(f"{each.drop};" for each in made)
    there = sorted(installed(work.ends))
    if not wanted:
        notes = ("to be removed: " + (", ".join(there) or "none is there"), *removal)
        return Result(
            COMMAND, Verdict.CLEAN, notes=notes, extra={"ec2": {"triggers": {"remove": removal, "there": there}}}
        )
    reasons = refusals(work.pair, work.ends)
    create = tuple(f"{each.create};" for each in made)
    notes = ("in an emergency these remove the triggers:", *removal, "these make them (--apply does):", *create)
    notes += tuple(f"refused: {reason}" for reason in reasons)
    extra = {"remove": removal, "create": create, "refused": reasons, "there": there}
    return Result(
        COMMAND, Verdict.FAILED if reasons else Verdict.CLEAN, notes=notes, extra={"ec2": {"triggers": extra}}
    )


def _once(done: Result) -> Status:
    """The state after one round, for the metrics."""
    status = Status(rounds=1, connected=True)
    told = done.extra["ec2"]
    names = {"create": "created", "update": "updated", "delete": "deleted"}
    status.counts.update({(verb, side): n for verb, name in names.items() for side, n in told[name].items()})
    kinds = {each.check.removeprefix("ec2."): each.count for each in done.findings}
    conflicts = len(told["conflicts"])
    return replace(status, held=told["deletes_held"], conflicts=conflicts, waiting=told["waiting"], kinds=kinds)
