"""`dbaudit ec2 sync`: one reconcile of both sides, planned or applied, and its result."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql

from dbaudit.comparison.side import Side
from dbaudit.ec2.base import find_base, make_base, make_tables, recover
from dbaudit.ec2.conflicts import Conflict
from dbaudit.ec2.digests import Digests, make_digests, read_digests
from dbaudit.ec2.fernet import Vault
from dbaudit.ec2.findings import CONFLICT, HELD, finding, findings
from dbaudit.ec2.link import Ends, Link, hold, linked, open_ends
from dbaudit.ec2.marks import delete_marks, read_marks
from dbaudit.ec2.owners import Census, census
from dbaudit.ec2.round import Carrier, Limits, Round
from dbaudit.ec2.ruling import HAVANA, Judge, Rules
from dbaudit.ec2.scan import Scan, scan
from dbaudit.ec2.sides import NEW, Pair, blob_columns, described, pair
from dbaudit.ec2.sight import Sight
from dbaudit.ec2.survey import Tally
from dbaudit.errors import DbauditError
from dbaudit.finding import Finding, Skipped, Verdict
from dbaudit.reconcile import Clash, Refused, Verb, valve
from dbaudit.repair import faults
from dbaudit.repair.journal import SCHEMA
from dbaudit.repair.lease import Lease
from dbaudit.result import Result

COMMAND = "ec2 sync"


@dataclass(frozen=True)
class Wishes:
    """What a sync is told beside its operands. `external`: users live elsewhere, so that none is taken for deleted."""

    key_file: Path
    vault: Vault = field(default_factory=Vault)
    rules: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)
    external: bool = False
    journal: str = SCHEMA
    reached: Callable[[str], None] = lambda _point: None
    stopped: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Work:
    """A sync's two databases, opened for writing, and what is wished."""

    pair: Pair
    ends: Ends
    wishes: Wishes

    @property
    def blobs(self) -> tuple[str, ...]:
        """The columns that hold blobs."""
        return blob_columns(self.pair.havana.schema.tables[NEW])

    def sight(self, digests: Digests, known: Census) -> Sight:
        """How rows are seen and judged."""
        writable = "encrypted_blob" not in self.blobs or self.wishes.vault.primary is not None
        rules = self.wishes.rules
        own = Rules(rules.policy, rules.skip_orphans, rules.prune, writable)
        return Sight(self.wishes.vault, Judge(digests, own, known), self.blobs, self.pair.single)

    def census(self, link: Link) -> Census:
        """Who is known where; nobody can be told to be missing where users live elsewhere."""
        return Census() if self.wishes.external else census(link)


def open_work(sides: Sequence[Side], wishes: Wishes) -> Work:
    """The two sides as a sync needs them. Refused where something stands against it before anything is read."""
    if wishes.external and wishes.rules.prune:
        raise Refused(
            "with --external-identity nobody can be told to be deleted, and --prune-orphans would delete valid keys",
            "leave one of them out",
        )
    both = pair(sides)
    return Work(both, open_ends(both, wishes.journal), wishes)


def plan(work: Work) -> Result:
    """What a sync would do. Reads only."""
    digests = read_digests(work.wishes.key_file)
    with failing(work.ends), linked(work.ends) as link:
        base = find_base(link.h, work.ends, digests)
        sight = work.sight(digests or Digests(b"only for comparing within one run"), work.census(link))
        seen = scan(link, base, sight)
    return planned(work, seen)


def apply(work: Work, begun: Callable[[], object] = lambda: None) -> Result:
    """Carry everything over once; `begun`: see `session`."""
    with failing(work.ends), session(work, begun=begun) as carrier:
        marks = read_marks(carrier.link)
        seen = scan(carrier.link, carrier.base, carrier.sight)
        done = carrier.full(seen)
        delete_marks(carrier.link, marks)
        return applied(work, done, list(carrier.book.open.values()), seen)


@contextlib.contextmanager
def session(
    work: Work, kept: list[Lease] | None = None, begun: Callable[[], object] = lambda: None
) -> Iterator[Carrier]:  # fmt: skip
    """Connections with leases, the base, and what an earlier run left unfinished settled.

    `kept`: see `hold`. `begun` is called as soon as the leases are held, before anything is read.
    """
    with linked(work.ends) as link:
        digests = ready(work, link)
        hold(link, [] if kept is None else kept)
        begun()
        base = make_base(link.h, work.ends, digests)
        recover(link, base)
        wishes = work.wishes
        sight = work.sight(digests, work.census(link))
        yield Carrier(link, base, sight, wishes.limits, wishes.reached, wishes.stopped)


def ready(work: Work, link: Link) -> Digests:
    """The key of the base, and tables for it. A base without its key is refused, before a new key is made."""
    find_base(link.h, work.ends, read_digests(work.wishes.key_file))
    _tables(link)
    return make_digests(work.wishes.key_file)


@contextlib.contextmanager
def leased(ends: Ends, kept: list[Lease]) -> Iterator[Link]:
    """Connections with leases and nothing else, so that no other sync is at work; `kept`: see `hold`."""
    with linked(ends) as link:
        _tables(link)
        hold(link, kept)
        yield link


def _tables(link: Link) -> None:
    make_tables(link.h, link.ends.havana, is_base=True)
    if not link.ends.one:
        make_tables(link.g, link.ends.grizzly, is_base=False)


@contextlib.contextmanager
def failing(ends: Ends) -> Iterator[None]:
    """What a server says against it is a DbauditError; its text may quote values, so that only some of it is told."""
    try:
        yield
    except pymysql.MySQLError as error:
        number = faults.number_of(error)
        if faults.is_denied(error) or faults.is_read_only(error) or faults.is_lost(error):
            raise ends.havana.failure(error) from None
        raise DbauditError(f"a server refused a statement of the sync with error {number}") from None


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
