"""What a plan or a round comes to, as a result: counts, findings, sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dbaudit.ec2.conflicts import Conflict
from dbaudit.ec2.findings import CONFLICT, HELD, finding, findings
from dbaudit.ec2.round import Round
from dbaudit.ec2.ruling import HAVANA
from dbaudit.ec2.scan import Scan
from dbaudit.ec2.sides import described
from dbaudit.ec2.survey import Tally
from dbaudit.finding import Finding, Skipped, Verdict
from dbaudit.reconcile import Clash, Verb, valve
from dbaudit.result import Result

if TYPE_CHECKING:
    from dbaudit.ec2.sync import Work

COMMAND = "ec2 sync"


def planned(work: Work, seen: Scan) -> Result:
    """The result of a plan."""
    todo: dict[str, dict[str, int]] = {}
    for want in seen.wants:
        if want.ruling.verb in (Verb.CREATE, Verb.UPDATE, Verb.DELETE):
            side = "both" if want.ruling.prune else "havana" if want.ruling.target is HAVANA else "grizzly"
            counts = todo.setdefault(want.ruling.verb.value, {})
            counts[side] = counts.get(side, 0) + 1
    told = [*findings(seen.survey), *_clashes(seen)]
    dying = sum(want.ruling.verb is Verb.DELETE for want in seen.wants)
    limit = valve(dying, seen.base, work.wishes.limits.confirmed, work.wishes.limits.share)
    if not limit.open:
        told.append(_held([want.access or want.id for want in seen.wants if want.ruling.verb is Verb.DELETE]))
    verdict = Verdict.FAILED if not limit.open else Verdict.WARNINGS if told or todo else Verdict.CLEAN
    words = [f"{verb} {count:,} in {side.title()}" for verb, sides in todo.items() for side, count in sides.items()]
    note = f"it would {', '.join(words)}; nothing was written: --apply does" if words else "nothing is to be done"
    undo = "what a sync writes is not journaled and cannot be undone"
    return _result(work, verdict, told, (note, undo), {"applied": False, "todo": todo, "in_step": seen.survey.same})


def applied(work: Work, done: Round, open_: list[Conflict], seen: Scan) -> Result:
    """The result of a round."""
    told = [*findings(done.survey), *conflict_findings(open_)]
    if not done.valve.open:
        told.append(_held(done.held.keys, done.held.count))
    stopped = work.wishes.stopped()
    reported = bool(told or done.waiting or stopped)
    verdict = Verdict.FAILED if not done.valve.open else Verdict.WARNINGS if reported else Verdict.CLEAN
    notes = (sentence(done), *(("stopped before the end: run it again",) if stopped else ()))
    extra = {"applied": True, "in_step": seen.survey.same, **facts(done, open_)}
    return _result(work, verdict, told, notes, extra)


def facts(done: Round, open_: Sequence[Conflict]) -> dict[str, Any]:
    """A round's counts, as JSON has them."""
    return {
        "created": done.count(Verb.CREATE),
        "updated": done.count(Verb.UPDATE),
        "deleted": done.count(Verb.DELETE),
        "deletes_held": done.held.count,
        "waiting": done.waiting,
        "conflicts": [each.as_dict() for each in open_],
    }


def sentence(done: Round) -> str:
    """What a round did, for people."""
    words = [
        f"{name} {done.count(verb)[side]:,} in {side.title()}"
        for verb, name in ((Verb.CREATE, "created"), (Verb.UPDATE, "updated"), (Verb.DELETE, "deleted"))
        for side in ("grizzly", "havana")
        if done.count(verb)[side]
    ]
    left = f"; {done.waiting:,} keys were in use and are left to the next round" if done.waiting else ""
    return (", ".join(words) or "nothing was to be done") + left


def conflict_findings(open_: Sequence[Conflict]) -> list[Finding]:
    """A finding for each kind of conflict."""
    tallies: dict[str, Tally] = {}
    for each in sorted(open_, key=lambda conflict: conflict.access):
        tallies.setdefault(each.kind, Tally()).add(each.access)
    return [finding(CONFLICT, tally, why) for why, tally in sorted(tallies.items())]


def _clashes(seen: Scan) -> list[Finding]:
    clashes = [want for want in seen.wants if want.ruling.verb is Verb.CONFLICT]
    kinds = [Conflict(want.access, (want.ruling.clash or Clash.DIFFERENT).value, "", "") for want in clashes]
    return conflict_findings(kinds)


def _held(keys: Sequence[str], count: int | None = None) -> Finding:
    tally = Tally(len(keys) if count is None else count, list(keys)[:100])
    return finding(HELD, tally)


def _result(
    work: Work, verdict: Verdict, told: Sequence[Finding], notes: tuple[str, ...], extra: dict[str, Any]
) -> Result:
    skips = (Skipped("ec2.orphan", "users live elsewhere (--external-identity)"),) if work.wishes.external else ()
    return Result(
        command=COMMAND,
        verdict=verdict,
        databases=tuple(described(side) for side in work.pair.sides),
        findings=tuple(told),
        skipped=skips,
        notes=notes,
        extra={"ec2": extra},
    )
