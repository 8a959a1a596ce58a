"""One round of a sync: find what is due, hold back a mass delete, carry over, and say what happened.

Deletes go first: a revocation matters more than a new key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from dbaudit.ec2.base import Base
from dbaudit.ec2.conflicts import Book, Conflict
from dbaudit.ec2.exchange import Exchange, Outcome
from dbaudit.ec2.link import Link
from dbaudit.ec2.locked import lock
from dbaudit.ec2.ruling import HAVANA
from dbaudit.ec2.scan import Scan
from dbaudit.ec2.sight import NOTHING, Sight, Want
from dbaudit.ec2.survey import Survey, Tally
from dbaudit.reconcile import VALVE_SHARE, Valve, Verb, valve

_ORDER = {Verb.DELETE: 0, Verb.UPDATE: 1, Verb.FORGET: 2, Verb.AGREE: 3, Verb.CREATE: 4, Verb.CONFLICT: 5}
# What a side is called in counts.
SIDES = ("grizzly", "havana")
# Reasons for which a key is left to the next round, and nothing is wrong.
PASSING = ("busy", "later")


@dataclass
class Limits:
    """The safety valve: the share of the base that may go at once, and how many deletes are confirmed, for once."""

    share: float = VALVE_SHARE
    confirmed: int = 0


@dataclass
class Round:
    """What a round did. `counts` by (verb, side); `survey` is of the last full scan; `left` are keys, by id, that were
    in use and wait for the next round.
    """

    survey: Survey = field(default_factory=Survey)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    valve: Valve = field(default_factory=lambda: valve(0, 0))
    held: Tally = field(default_factory=Tally)
    left: set[str] = field(default_factory=set)
    new: list[Conflict] = field(default_factory=list)
    over: list[Conflict] = field(default_factory=list)
    full: bool = True

    def count(self, verb: Verb) -> dict[str, int]:
        """How many keys, by the side that was written."""
        return {side: self.counts[verb.value, side] for side in SIDES}

    @property
    def waiting(self) -> int:
        """How many keys wait for the next round."""
        return len(self.left)

    @property
    def changed(self) -> int:
        """How many rows were written."""
        return sum(self.counts.values())


@dataclass
class Carrier:
    """Carries out rounds over one link; it lasts as long as the connections do."""

    link: Link
    base: Base
    sight: Sight
    limits: Limits = field(default_factory=Limits)
    reached: Callable[[str], None] = lambda _point: None
    stopped: Callable[[], bool] = lambda: False
    size: int = 0

    def __post_init__(self) -> None:
        self.exchange = Exchange(self.link, self.base, self.sight, self.reached, self.stopped)
        self.book = Book(self.link, self.base).load()

    def full(self, seen: Scan, before: frozenset[str] | None = None) -> Round:
        """The round of a full scan; `before` are the conflicts that were open when it began."""
        known = frozenset(self.book.open) if before is None else before
        self.size = seen.base
        done = self._carry(seen.wants, seen.survey)
        if not self.stopped():
            met = {want.id for want in seen.wants} | {want.id for want in seen.troubled}
            done.over += self.book.close(known - met)
        return done

    def see(self, sight: Sight) -> None:
        """Judge by other eyes from now on: owners that were read again."""
        self.sight = self.exchange.sight = sight

    def some(self, names: Sequence[tuple[str, str]]) -> Round:
        """The round of some keys, by id and, where it is known, access key."""
        wants = self._judged([Want(id, access) for id, access in names])
        done = self._carry(wants, Survey())
        done.over += self.book.close(want.id for want in wants if want.ruling == NOTHING)
        return replace(done, full=False)

    def _judged(self, wants: list[Want]) -> list[Want]:
        """What seems to be due, by rows that are not locked: the safety valve counts before anything is done."""
        found = []
        for start in range(0, len(wants), 1000):
            part = wants[start : start + 1000]
            seen = lock(self.link, self.base, self.sight, part, how="")
            judge = self.sight.judge.again(self.link, seen.keys)
            for want in part:
                left, row = seen.left.get(want.id), seen.right.get(want.id)
                ruling = judge.rule(left, row, seen.known.get(want.id))
                key = left or (row.key if row else None)
                found.append(Want(want.id, key.access if key else want.access, ruling))
            self.link.rollback()
        return found

    def _carry(self, wants: Iterable[Want], survey: Survey) -> Round:
        todo = [want for want in wants if want.ruling.verb is not Verb.KEEP]
        todo.sort(key=lambda want: (_ORDER[want.ruling.verb], want.id))
        dying = [want for want in todo if want.ruling.verb is Verb.DELETE]
        done = Round(survey, valve=valve(len(dying), self.size, self.limits.confirmed, self.limits.share))
        if not done.valve.open:
            for want in dying:
                done.held.add(want.access or want.id)
            todo = todo[len(dying) :]
        elif not valve(len(dying), self.size, share=self.limits.share).open:
            self.limits.confirmed = 0  # used up: the next mass delete is another one
        batch: list[Outcome] = []
        for outcome in self.exchange.carry(todo):
            self._take(done, outcome)
            if outcome.ruling.verb is Verb.CONFLICT or outcome.want.id in self.book.open:
                batch.append(outcome)
        done.new, done.over = self.book.tell(batch)
        return done

    def _take(self, done: Round, outcome: Outcome) -> None:
        ruling = outcome.ruling
        if ruling.trouble in PASSING:
            done.left.add(outcome.want.id)
        elif ruling.trouble is not None and ruling.verb is Verb.KEEP:
            done.survey.note(ruling.trouble, outcome.access)
        elif ruling.prune:
            done.counts[ruling.verb.value, "grizzly"] += outcome.left
            done.counts[ruling.verb.value, "havana"] += outcome.right
        elif ruling.target is not None:
            done.counts[ruling.verb.value, "havana" if ruling.target is HAVANA else "grizzly"] += 1
            self.size += {Verb.CREATE: 1, Verb.DELETE: -1}.get(ruling.verb, 0)
