"""Carry keys over, a chunk at a time, by what the locked rows say.

Both rows of a key are locked by their primary keys, the rulings are given again, and only what still holds is written;
a key that its user changes at that moment wins. On one server the pair and the base change in one transaction. On two,
the base is on Havana's server, and the order of commits is safe wherever it breaks off:

1. Havana's server: Havana's rows with the base, and an intent for each key that Grizzly's server is to write;
2. Grizzly's server: its rows, with the number of the chunk;
3. Havana's server: the base of the intents, and the intents go.

What breaks off before 2 is void, what breaks off after it is finished by `base.recover`, which knows by the number.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pymysql

from dbaudit.ec2.base import Base, forget, record, recover
from dbaudit.ec2.changes import Changes, mend, put_in_base, write_grizzly, write_havana
from dbaudit.ec2.form import Trouble
from dbaudit.ec2.link import Link
from dbaudit.ec2.locked import Locked, lock
from dbaudit.ec2.ruling import HAVANA, Ruling
from dbaudit.ec2.sight import Sight, Want
from dbaudit.reconcile import Verb
from dbaudit.repair import faults
from dbaudit.repair.pace import Pace

if TYPE_CHECKING:
    from dbaudit.packs.keystone._ec2 import Key

# Keys of a transaction at most; how many it is follows the time that a chunk takes, for which a user's own change to
# one of its keys waits.
MOST = 2_000
# How often a chunk that met another transaction is tried again before it is left for the next round.
TRIES = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a key: the ruling that was carried out, or why it was not; on which sides it was."""

    want: Want
    access: str
    ruling: Ruling
    stamp: str = ""
    left: bool = False
    right: bool = False


@dataclass
class Exchange:
    """Carries keys over one link, until `stopped`. `reached` is told of each point where a crash must do no harm."""

    link: Link
    base: Base
    sight: Sight
    reached: Callable[[str], None] = lambda _point: None
    stopped: Callable[[], bool] = lambda: False
    finished: list[str] = field(default_factory=list)
    pace: Pace = field(default_factory=lambda: Pace(most=MOST))

    def carry(self, wants: Sequence[Want]) -> Iterator[Outcome]:
        """Carry these keys over, chunk by chunk."""
        start = 0
        while start < len(wants) and not self.stopped():  # what is left is found again
            began, chunk = time.monotonic(), wants[start : start + self.pace.rows]
            yield from self._tried(chunk)
            self.pace.took(len(chunk), time.monotonic() - began)
            start += len(chunk)

    def _tried(self, wants: Sequence[Want]) -> list[Outcome]:
        for _ in range(TRIES):
            try:
                return self._chunk(wants)
            except pymysql.MySQLError as error:
                if faults.is_lost(error) or faults.is_read_only(error) or faults.is_denied(error):
                    raise
                self.link.rollback()
                recover(self.link, self.base)  # the intents of a chunk that Grizzly's server did not take
                if not faults.is_conflict(error) or len(wants) > 1:
                    return self._halves(wants) if len(wants) > 1 else [self._refused(wants[0], error)]
        return [Outcome(want, want.access, Ruling(Verb.KEEP, trouble="busy")) for want in wants]

    def _halves(self, wants: Sequence[Want]) -> list[Outcome]:
        middle = len(wants) // 2
        return [*self._tried(wants[:middle]), *self._tried(wants[middle:])]

    def _refused(self, want: Want, error: pymysql.MySQLError) -> Outcome:
        """What the server would not take; its text may quote a value, so that only its number is told."""
        number = faults.number_of(error)
        troubles = {1062: Trouble.COLLIDING, 1452: Trouble.ORPHAN, 1366: Trouble.LETTERS, 1406: Trouble.TOO_LONG}
        return Outcome(want, want.access, Ruling(Verb.KEEP, trouble=troubles.get(number, f"error {number}")))

    def _chunk(self, wants: Sequence[Want]) -> list[Outcome]:
        self.link.demand_writable()
        seen = lock(self.link, self.base, self.sight, wants)
        changes, outcomes = self._ruled(wants, seen)
        if self.link.ends.one:
            self._together(changes)
        else:
            self._apart(changes)
        return outcomes

    def _ruled(self, wants: Sequence[Want], seen: Locked) -> tuple[Changes, list[Outcome]]:
        changes, outcomes = Changes(), []
        judge = self.sight.judge.again(self.link, seen.keys)
        for want in wants:
            left, row, known = seen.left.get(want.id), seen.right.get(want.id), seen.known.get(want.id)
            ruling = judge.rule(left, row, known)
            if ruling.verb is Verb.DELETE and want.ruling.verb is not Verb.DELETE:
                ruling = Ruling(Verb.KEEP, trouble="later")  # not counted by the safety valve: the next round's
            elif ruling.verb is Verb.CREATE and ruling.target is not HAVANA and want.id in seen.colliding:
                ruling = Ruling(Verb.KEEP, trouble=Trouble.COLLIDING)
            right = row.key if row is not None else None
            changes.add(want, ruling, left, right, judge)
            key = left or right
            stamp = self._stamp(left, right) if ruling.verb is Verb.CONFLICT else ""
            access = key.access if key else want.access
            outcomes.append(Outcome(want, access, ruling, stamp, left is not None, right is not None))
        return changes, outcomes

    def _stamp(self, left: Key | None, right: Key | None) -> str:
        """Tells one conflict about a key from another, without its secrets."""
        digests = self.sight.judge.digests
        sides = [digests.of(key) + "".join(key.limits) if key else "" for key in (left, right)]
        return digests.fast(sides[0], sides[1], None, None)

    def _together(self, changes: Changes) -> None:
        link, base = self.link, self.base
        with link.h.cursor() as cursor:
            write_grizzly(cursor, link.ends, changes)
            self.reached("grizzly written")
            write_havana(cursor, link.ends, changes, self.sight)
            self.reached("havana written")
            put_in_base(cursor, base, changes)
            record(cursor, base, changes.intended)
            forget(cursor, base, changes.undone)
            link.renew(cursor)
        self.reached("before commit")
        link.h.commit()
        self.reached("after commit")

    def _apart(self, changes: Changes) -> None:
        link, base = self.link, self.base
        nonce = secrets.token_hex(16)
        with link.h.cursor() as cursor:
            write_havana(cursor, link.ends, changes, self.sight)
            put_in_base(cursor, base, changes)
            mend(cursor, base, changes, nonce)
            link.renew(cursor)
        self.reached("before havana's commit")
        link.h.commit()
        self.reached("after havana's commit")
        if not changes.far:
            link.g.rollback()  # its rows were locked until Havana had them
            return
        with link.g.cursor() as cursor:
            write_grizzly(cursor, link.ends, changes)
            applied = link.ends.far("ec2_applied")
            cursor.execute(f"INSERT INTO {applied} (nonce, done, at) VALUES (%s, 1, UTC_TIMESTAMP(6))", (nonce,))
            if self.finished:
                cursor.execute(f"DELETE FROM {applied} WHERE nonce IN %s", (tuple(self.finished),))
            else:  # what earlier runs left, each its last
                cursor.execute(f"DELETE FROM {applied} WHERE at < UTC_TIMESTAMP(6) - INTERVAL 1 DAY")
            link.renew(cursor)
        self.reached("before grizzly's commit")
        link.g.commit()
        self.reached("after grizzly's commit")
        self._settle(changes, nonce)

    def _settle(self, changes: Changes, nonce: str) -> None:
        link, base = self.link, self.base
        with link.h.cursor() as cursor:
            record(cursor, base, changes.intended)
            forget(cursor, base, changes.undone)
            cursor.execute(
                f"DELETE FROM {base.ends.table('ec2_intent')} WHERE pair = %s AND nonce = %s", (base.pair, nonce)
            )
            link.renew(cursor)
        self.reached("before the base's commit")
        link.h.commit()
        self.reached("after the base's commit")
        self.finished = [nonce]
