"""Carry out an undo: a chunk a transaction, newest first, under the lease; running it again goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pymysql

from dbaudit.errors import BusyError, DbauditError
from dbaudit.progress import Progress, Watch, silent
from dbaudit.repair import faults, records
from dbaudit.repair.endurance import ATTEMPTS
from dbaudit.repair.insistence import insist
from dbaudit.repair.lease import Lease
from dbaudit.repair.limits import Limits
from dbaudit.repair.link import Link
from dbaudit.repair.records import RunRecord
from dbaudit.repair.refusal import refuse_if_held
from dbaudit.repair.restore import demand_images, lock_present, replace_rows, restore_units, touched_units
from dbaudit.repair.run import Interrupted, Run
from dbaudit.repair.target import Target
from dbaudit.repair.throttle import Throttle
from dbaudit.repair.undo import LISTED, Refuse, UndoPlan, plan_undo, refuse_nothing
from dbaudit.repair.work import Work

# Gives the work that computes the counters of a run anew, from its name and parameters; None where it has none.
Counters = Callable[[RunRecord], Work | None]


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo did. `kept` has sentences on units that did not come back, at most LISTED of `kept_units`."""

    run: int
    work: str
    restored: int
    kept: tuple[str, ...]
    kept_units: int

    def as_dict(self) -> dict[str, Any]:
        """The outcome as JSON has it."""
        return {
            "run": self.run, "check": self.work, "rows": self.restored, "kept": list(self.kept),
            "kept_rows": self.kept_units,
        }  # fmt: skip


def no_counters(_: RunRecord) -> Work | None:
    """For works without derived counters."""
    return None


def undo(
    target: Target,
    run: str,
    throttle: Throttle,
    limits: Limits | None = None,
    watch: Watch = silent,
    counters: Counters = no_counters,
    refuse: Refuse = refuse_nothing,
) -> Undone:
    """Undo a run. Raises DbauditError where it is refused, BusyError where another run is at work, Interrupted."""
    limits = limits or Limits()
    with target.session() as connection:
        number = refuse_if_held(connection, target)
        plan = plan_undo(target, connection, run)
        refuse(plan, connection)
        connection.commit()
    link = Link(target, throttle.stop, limits.patience)
    try:
        lease = Lease.take(link.connection, target.journal, target.database, f"undo {run}", limits.lease_seconds)
        try:
            if lease.number != number + 1:  # another run was at work meanwhile
                plan = plan_undo(target, link.connection, run)
            done = _Undo(plan, link, lease, throttle, watch, refuse).carry_out(counters(plan.record), limits)
        finally:
            link.rollback()
            if link.connection.open:
                lease.release(link.connection)
    except pymysql.MySQLError as error:
        raise target.failure(error) from error
    finally:
        link.close()
    return done


class _Undo:
    def __init__(
        self, plan: UndoPlan, link: Link, lease: Lease, throttle: Throttle, watch: Watch, refuse: Refuse
    ) -> None:
        self.plan, self.link, self.lease, self.throttle, self.watch = plan, link, lease, throttle, watch
        self.refuse = refuse
        self.target, self.run = link.target, plan.record.run
        self.kept: dict[bytes, str] = {}
        self.kept_units = 0

    def carry_out(self, work: Work | None, limits: Limits) -> Undone:
        """Chunks, then counters, then the run's state: an undo that ends before its end is run again and counts."""
        restored = 0
        for number, seq in enumerate(self.plan.chunks, 1):
            self.throttle.wait(lambda: self.lease.keep(self.link.connection))
            if self.throttle.stop.wanted:
                raise Interrupted("stopped after a whole chunk", "run it again: it goes on where it stopped")
            restored += self._chunk(seq)
            self.watch(Progress(f"undo {self.run}", number, len(self.plan.chunks), "chunks"))
        if work is not None:
            Run(work, self.link, self.lease, self.throttle, limits, silent).recount()
        insist(self.link.connection, self._end)
        kept = tuple(self.kept.values())[:LISTED]
        return Undone(self.run, self.plan.record.work, restored, kept, self.kept_units)

    def _end(self) -> None:
        with self.link.connection.cursor() as cursor:
            self.lease.renew(cursor)
            records.set_state(cursor, self.target, self.run, records.UNDONE)
        self.link.connection.commit()

    def _chunk(self, seq: int) -> int:
        for attempt in range(ATTEMPTS):
            try:
                return self._transaction(seq)
            except (pymysql.MySQLError, OSError) as error:
                if faults.is_lost(error):
                    self.link.again(self.lease, lambda _: ())
                    if self._is_undone(seq):
                        return 0
                    continue
                self.link.rollback()
                if not faults.is_conflict(error):
                    raise
                time.sleep(0.05 * 2 ** min(attempt, 6))
        raise BusyError(f"{ATTEMPTS} attempts at a chunk met deadlocks or lock waits", "run it again: it goes on")

    def _transaction(self, seq: int) -> int:
        images, run = self.plan.images, self.run
        with self.link.connection.cursor() as cursor:
            demand_images(cursor, self.target, images, run, seq)
            lock_present(cursor, images, run, seq)
            self.refuse(self.plan, self.link.connection)  # a service may have been started since it was asked first
            bad = touched_units(cursor, images, run, seq)
            if self.plan.record.details.get(records.REPLACED):
                restored = replace_rows(cursor, images, run, seq, bad)
                if bad:
                    self.link.rollback()
                    raise DbauditError(
                        f"the undo of run {run} stopped before chunk {seq}, which comes back as a whole or not at all: "
                        f"{next(iter(bad.values()))} while it was at work",
                        "put the row back as the run left it, then undo again: it goes on where it stopped",
                    )
            else:
                restored, bad = restore_units(cursor, images, run, seq, bad)
            cursor.execute(
                f"UPDATE {self.target.journal.table('chunk')} SET undone = UTC_TIMESTAMP(6), restored = %s "
                "WHERE run = %s AND seq = %s",
                (restored, run, seq),
            )
            self.lease.renew(cursor)
        self.link.connection.commit()
        self.kept |= bad if len(self.kept) < LISTED else {}
        self.kept_units += len(bad)
        return restored

    def _is_undone(self, seq: int) -> bool:
        with self.link.connection.cursor() as cursor:
            cursor.execute(
                f"SELECT 1 FROM {self.target.journal.table('chunk')} "
                "WHERE run = %s AND seq = %s AND undone IS NOT NULL",
                (self.run, seq),
            )
            return cursor.fetchone() is not None
