"""One run under its lease: begin or go on, every part chunk by chunk, end. What interrupts it leaves whole chunks."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import Any

import pymysql

from dbaudit import __version__
from dbaudit.errors import BusyError, DbauditError, Exit
from dbaudit.progress import Progress, Watch
from dbaudit.repair import faults, records
from dbaudit.repair.chunk import Bounds, Chunker, TooBig
from dbaudit.repair.endurance import ATTEMPTS, Endurance
from dbaudit.repair.images import images_of, make_images
from dbaudit.repair.insistence import insist
from dbaudit.repair.lease import Lease
from dbaudit.repair.limits import Limits, Outcome, check_limits
from dbaudit.repair.link import Link
from dbaudit.repair.pace import Pace
from dbaudit.repair.plan import PartPlan, Plan, make_plan
from dbaudit.repair.target import Target
from dbaudit.repair.throttle import Throttle, Throttled
from dbaudit.repair.walk import Values
from dbaudit.repair.walker import Walker, asking, check_plan
from dbaudit.repair.work import Work

# Rows that one transaction changes at most: undo logs and replicas bear it, and a list of keys stays within the memory
# that MySQL's range optimizer allows itself (8 MB), beyond which it would read the table.
MOST_ROWS = 2_000
# Rows above the plan's count at which a run stops, as a share of it.
TOLERANCE = 0.01
_log = logging.getLogger(__name__)


class Interrupted(DbauditError):
    """Stopped by a signal after a whole chunk (exit 130)."""

    exit = Exit.INTERRUPTED


class Run(Endurance):
    """One run under its lease."""

    def __init__(self, work: Work, link: Link, lease: Lease, throttle: Throttle, limits: Limits, watch: Watch) -> None:
        super().__init__(work.name, link, lease, throttle.stop)
        self.work, self.throttle, self.limits, self.watch = work, throttle, limits, watch
        self.rows, self.chunks, self.later = 0, 0, 0
        self.began = time.monotonic()

    def carry_out(self, plan: Plan | None = None) -> Outcome:
        """Begin or go on, do every part, end. `plan` is one since which nobody else was at work."""
        state = records.STOPPED
        try:
            plan = plan or make_plan(self.work, self.target, self.link.connection)
            check_limits(plan, self.limits)
            self._between()  # what holds it back does so before the first row
            resumed = self.survive(lambda: self._begin(plan))
            if not self.run:
                return Outcome(None, self.work.name, 0, 0, self._seconds(), 0.0, resumed=False, later=0, plan=plan)
            for part in plan.parts:
                self._do(part)
            state = records.DONE
            return Outcome(
                self.run, self.work.name, self.rows, self.chunks, self._seconds(), self.throttle.waited, resumed,
                self.later, plan,
            )  # fmt: skip
        finally:
            self._end(state)

    def recount(self) -> None:
        """Compute the derived parts anew, without a run in the journal; for an undo, which keeps the lease."""
        for part in make_plan(self.work, self.target, self.link.connection).parts:
            if part.part.derived:
                self._do(part)

    def _seconds(self) -> float:
        return time.monotonic() - self.began

    def _begin(self, plan: Plan) -> bool:
        """A new run, or the last one of this work if it stopped; none where there is nothing to do."""
        with self.link.connection.cursor() as cursor:
            self.lease.lock(cursor)
            old = records.resumable(cursor, self.target, self.work.fingerprint)
            if old:
                self.run, self.rows = old.run, old.changed
                records.set_state(cursor, self.target, self.run, records.RUNNING)
            elif any(each.rows for each in plan.parts):
                self.run = records.begin(
                    cursor, self.target, self.work.name, self.work.fingerprint, plan.rows, self._details(plan),
                    undoable=True,
                )  # fmt: skip
            if self.run:
                self.seq = records.next_seq(cursor, self.target, self.run)
                self.lease.renew(cursor, self.run)
        self.link.connection.commit()
        for each in plan.parts:
            if self.run and not each.part.derived:
                images = images_of(self.target.journal, each.closure)
                make_images(self.link.connection, self.target, self.run, list(images.values()))
        if old:
            _log.info("goes on with run %s, which changed %s rows before", self.run, f"{old.changed:,}")
        return old is not None

    def _details(self, plan: Plan) -> dict[str, Any]:
        return {
            "dbaudit": __version__,
            "server": str(self.target.identity),
            "parameters": dict(self.work.parameters),
            "settled": dict(self.work.settled),
            "versions": records.versions(self.link.connection, plan.schema),
            "parts": [each.as_dict() | {"sample": []} for each in plan.parts],
        }

    def _do(self, planned: PartPlan) -> None:
        part = planned.part
        chunker = Chunker(part, planned.closure, self.target.journal, planned.tables, bounds_of(self.target))
        pace = Pace(self.limits.chunk_seconds, most=MOST_ROWS)
        walker = Walker(chunker, self.read, pace, self.limits.chunk_seconds, end=planned.end, total=planned.total)
        done, apart = 0, self.limits.looks_apart if part.change.absence else 0.0
        allowed = planned.rows + int(planned.rows * TOLERANCE)
        for found in walker.walk(apart, self._wait):
            keys = found.keys
            while keys:
                most = pace.rows if part.derived else min(pace.rows, max(allowed - done, 1))
                changed, used = self._chunk(chunker, keys[:most], pace)
                done, keys = done + changed, keys[used:]
                self.watch(Progress(part.name, done, planned.rows, "rows"))
                if not part.derived and done > allowed:
                    self._too_many(planned)
                self._between()
            self._between()
        self.later += 0 if part.derived else walker.later()

    def _too_many(self, planned: PartPlan) -> None:
        raise BusyError(
            f"{planned.part.name} meets more rows than the {planned.rows:,} of its plan: something makes new ones",
            "find out what does, look at a new plan, and run it again",
        )

    def _between(self) -> None:
        """Between two chunks: a wish to stop, what holds back, the lease."""
        if self.throttle.stop.wanted:
            raise Interrupted("stopped after a whole chunk", "run it again: it goes on where it stopped")
        self.throttle.wait(self._keep)
        self._keep()

    def _keep(self) -> None:
        self.survive(lambda: self.lease.keep(self.link.connection))

    def _wait(self, seconds: float) -> None:
        _log.info("the second look follows in %.0f s", seconds)
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self.throttle.stop.wanted:
            self.watch(Progress("second look", int(seconds - left), int(seconds), "seconds"))
            self.throttle.stop.sleep(min(left, 1.0))
            self._keep()
        self._between()

    def _chunk(self, chunker: Chunker, keys: tuple[Values, ...], pace: Pace) -> tuple[int, int]:
        """Change these rows, or the first of them. Gives how many were changed, and how many keys are dealt with."""
        for attempt in range(ATTEMPTS):
            began = time.monotonic()
            try:
                changed = self._transaction(chunker, keys)
            except TooBig:
                keys = self._smaller(keys, pace)
            except (pymysql.MySQLError, OSError) as error:
                if faults.is_too_big(error):
                    keys = self._smaller(keys, pace)
                    continue
                self.recover(error, attempt)
                if faults.is_lost(error) and (done := self.committed()) is not None:
                    return self._count(chunker, done), len(keys)
                if faults.is_conflict(error):
                    pace.halve()
                    keys = keys[: max(len(keys) // 2, 1)]
            except BaseException:
                self.link.rollback()
                raise
            else:
                pace.took(len(keys), time.monotonic() - began)
                return (self._count(chunker, changed) if changed else 0), len(keys)
        raise Throttled(
            f"{chunker.part.name}: {ATTEMPTS} attempts at a chunk met deadlocks or lock waits",
            "run it again when less is going on: it goes on where it stopped",
        )

    def _smaller(self, keys: tuple[Values, ...], pace: Pace) -> tuple[Values, ...]:
        """Half of a chunk that a cluster would not take."""
        self.link.rollback()
        if len(keys) == 1:
            raise DbauditError("one row with its cascades is more than the cluster takes at once")
        pace.halve()
        return keys[: len(keys) // 2]

    def _count(self, chunker: Chunker, changed: int) -> int:
        self.rows += 0 if chunker.part.derived else changed
        self.chunks, self.seq = self.chunks + 1, self.seq + 1
        return changed

    def _transaction(self, chunker: Chunker, keys: tuple[Values, ...]) -> int:
        connection = self.link.connection
        with connection.cursor() as cursor:
            check_plan(asking(cursor), chunker.locking(keys), chunker, len(keys))
            changed = chunker.change(cursor, self.run, self.seq, keys)
            if not changed:
                connection.rollback()
                return 0
            counted = 0 if chunker.part.derived else changed
            if self.run:
                records.note_chunk(cursor, self.target, self.run, self.seq, chunker.part.name, counted, keys[-1])
            self.lease.renew(cursor, self.run or None)
        connection.commit()
        return changed

    def _end(self, state: str) -> None:
        """Write how it ended and give the lease back, as far as the server lets us."""
        connection = self.link.connection

        def end() -> None:
            with connection.cursor() as cursor:
                self.lease.lock(cursor)
                if self.run:
                    records.set_state(cursor, self.target, self.run, state)
            connection.commit()

        with contextlib.suppress(pymysql.MySQLError, OSError, DbauditError):
            self.link.rollback()
            insist(connection, end)
        with contextlib.suppress(pymysql.MySQLError, OSError):
            self.lease.release(connection)


def bounds_of(target: Target) -> Bounds:
    """Half of what a Galera cluster takes as one write set; no bound elsewhere."""
    if not target.galera:
        return Bounds()
    rows, size = (int(target.variables.get(name, "0")) for name in ("wsrep_max_ws_rows", "wsrep_max_ws_size"))
    return Bounds(rows // 2 or None, size // 2 or None)
