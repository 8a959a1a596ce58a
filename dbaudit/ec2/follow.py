"""`dbaudit ec2 sync --follow`: round after round, through lost connections and failovers, until it is asked to stop.

With triggers a round looks at the marked keys, and a scan of everything runs beside it every minute. Without them each
round scans. A scan reads only what changed since the last one of the session (see `memory`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pymysql

from dbaudit.ec2.conflicts import Conflict
from dbaudit.ec2.link import linked, open_ends
from dbaudit.ec2.marks import delete_marks, read_marks
from dbaudit.ec2.memory import Memory
from dbaudit.ec2.results import facts
from dbaudit.ec2.round import Carrier, Round
from dbaudit.ec2.scan import Scan, scan
from dbaudit.ec2.sight import Sight
from dbaudit.ec2.status import Status
from dbaudit.ec2.sync import Work, session
from dbaudit.ec2.triggers import complete
from dbaudit.errors import BusyError, DbauditError
from dbaudit.repair import faults
from dbaudit.repair.lease import RENEW_AFTER, Lease
from dbaudit.repair.stop import Stop

# Seconds between full scans where marks are relied on: the longest for which a mark that was missed matters.
FULL = 60.0
# Seconds that a scan beside the rounds rests after each thousand rows, so that a round does not wait for it.
REST = 0.01
# Seconds to wait before connecting again, doubled each time up to the last.
BACKOFF, LONGEST = 0.5, 30.0

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Course:
    """How to follow: seconds between rounds, who is told of events and of the state after each round."""

    stop: Stop
    interval: float = 1.0
    emit: Callable[[Event], None] = lambda _event: None
    show: Callable[[Status], None] = lambda _status: None
    full: float = FULL


@dataclass
class Follower:
    """Follows one pair of databases. `begun` is called once, as soon as the first session holds the leases."""

    work: Work
    course: Course
    status: Status = field(default_factory=Status)
    kept: list[Lease] = field(default_factory=list)
    begun: Callable[[], None] = lambda: None
    sessions: int = 0

    def run(self) -> Status:
        """Follow until asked to stop. What is refused at the start, or held by another run, is raised."""
        wait = BACKOFF
        while not self.course.stop.wanted:
            began = time.monotonic()
            try:
                self._session()
            except (pymysql.MySQLError, OSError, DbauditError) as error:
                if not self.sessions and isinstance(error, DbauditError):
                    raise
                if time.monotonic() - began > LONGEST:
                    wait = BACKOFF
                self._lost(error)
                self.course.stop.sleep(wait)
                wait = min(wait * 2, LONGEST)
        self._tell("stopped", rounds=self.status.rounds)
        return self.status

    def _session(self) -> None:
        if self.sessions:
            self.work = replace(self.work, ends=open_ends(self.work.pair, self.work.wishes.journal))
        with session(self.work, self.kept, (lambda: None) if self.sessions else self.begun) as carrier:
            self.sessions += 1
            self.status.connected = True
            marks = complete(self.work.ends)
            servers = {"grizzly": str(self.work.ends.grizzly.identity), "havana": str(self.work.ends.havana.identity)}
            moved = self.status.servers not in ({}, servers)
            self.status.servers = servers
            self._tell("failover" if moved else "connected", servers=servers, triggers=marks)
            _Rounds(self, carrier, marks).run()

    def _lost(self, error: Exception) -> None:
        """A server is gone, read-only or busy; what it said may quote a row, so that only its number is told."""
        self.status.connected = False
        self.status.lost += 1
        what = error.what if isinstance(error, DbauditError) else f"error {faults.number_of(error)}"
        self._tell("lost", what=what, busy=isinstance(error, BusyError))
        self.course.show(self.status)

    def _tell(self, event: str, **more: Any) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.course.emit({"at": at, "event": event, **more})


class _Rounds:
    """The rounds of one session."""

    def __init__(self, follower: Follower, carrier: Carrier, marks: bool) -> None:
        self.follower, self.carrier, self.marks = follower, carrier, marks
        self.course, self.status = follower.course, follower.status
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="ec2-scan")
        self.scanning: Future[tuple[Scan, Sight]] | None = None
        self.before: frozenset[str] = frozenset()
        self.scanned = 0.0
        self.memory = Memory()

    def run(self) -> None:
        try:
            self._full()
            due = time.monotonic()
            while not self.course.stop.wanted:
                due = max(due + self.course.interval, time.monotonic())
                while not self.course.stop.wanted and (left := due - time.monotonic()) > 0:
                    self.course.stop.sleep(min(left, RENEW_AFTER))
                    self.carrier.link.keep()
                if not self.course.stop.wanted:
                    self._round()
        finally:
            self.pool.shutdown(wait=True, cancel_futures=True)

    def _round(self) -> None:
        if not self.marks:
            self._full()
            return
        self._marked()
        if self.scanning is not None and self.scanning.done():
            seen, sight = self.scanning.result()
            self.scanning = None
            self.carrier.see(sight)
            self._done(self.carrier.full(seen, self.before), time.monotonic() - self.scanned, 0.0)
        elif self.scanning is None and time.monotonic() - self.scanned >= self.course.full:
            self._recheck()
            if not self.marks:
                self._full()
                return
            self.before, self.scanned = frozenset(self.carrier.book.open), time.monotonic()
            self.scanning = self.pool.submit(self._look)

    def _recheck(self) -> None:
        """Marks are relied on only while all triggers are there: somebody may have removed them."""
        there = complete(self.follower.work.ends)
        if there != self.marks:
            self.marks = there
            self.follower._tell("triggers", triggers=there)

    def _look(self) -> tuple[Scan, Sight]:
        """A scan beside the rounds, over connections of its own."""
        work = self.follower.work
        with linked(work.ends) as link:
            sight = work.sight(self.carrier.sight.judge.digests, work.census(link))
            return scan(link, self.carrier.base, replace(sight, rest=lambda: time.sleep(REST)), self.memory), sight

    def _full(self) -> None:
        began, work = time.monotonic(), self.follower.work
        if self.scanned and not self.marks and began - self.scanned >= self.course.full:
            self._recheck()  # before the scan: what comes behind it leaves a mark
        marks = read_marks(self.carrier.link)
        if not self.scanned or began - self.scanned >= self.course.full:
            self.carrier.see(work.sight(self.carrier.sight.judge.digests, work.census(self.carrier.link)))
            self.scanned = began
        done = self.carrier.full(scan(self.carrier.link, self.carrier.base, self.carrier.sight, self.memory))
        if not self.course.stop.wanted:
            delete_marks(self.carrier.link, marks, but=done.left)
        seconds = time.monotonic() - began
        self._done(done, seconds, max(marks.age, seconds))

    def _marked(self) -> None:
        began = time.monotonic()
        marks = read_marks(self.carrier.link)
        done = self.carrier.some(marks.names) if marks.names else Round(full=False)
        if marks.names and not self.course.stop.wanted:  # what is in use is looked at again in the next round
            delete_marks(self.carrier.link, marks, but=done.left)
        seconds = time.monotonic() - began
        self._done(done, seconds, marks.age + seconds if marks.names else 0.0)

    def _done(self, done: Round, seconds: float, lag: float) -> None:
        open_ = list(self.carrier.book.open.values())
        held = self.status.held
        told = self.status.take(done, seconds, lag, open_, self.carrier.size)
        tell = self.follower._tell
        for conflict in done.new:
            tell("conflict", **_conflict(conflict))
        for conflict in done.over:
            tell("resolved", access=conflict.access)
        if self.status.held != held:
            tell("deletes-held", count=self.status.held, keys=done.held.keys)
        for kind, tally in told.items():
            tell("reported", kind=kind, count=tally.count, keys=tally.keys)
        if done.changed or done.full:
            counts = {name: value for name, value in facts(done, open_).items() if name != "conflicts"}
            tell("round", full=done.full, seconds=round(seconds, 3), lag=round(lag, 3), **counts,
                 conflicts=len(open_), health=self.status.health)  # fmt: skip
        self.course.show(self.status)


def _conflict(conflict: Conflict) -> dict[str, str]:
    return {"access": conflict.access, "why": conflict.kind, "since": conflict.since}
