"""Carry out a plan: chunk by chunk, throttled, journaled, under a lease; or stop so that running it again goes on."""

from __future__ import annotations

import pymysql

from dbaudit.progress import Watch, silent
from dbaudit.repair.journal import init_journal
from dbaudit.repair.lease import Lease
from dbaudit.repair.limits import Limits, Outcome, check_limits
from dbaudit.repair.link import Link
from dbaudit.repair.plan import make_plan
from dbaudit.repair.refusal import refuse_if_held
from dbaudit.repair.run import Run
from dbaudit.repair.target import Target
from dbaudit.repair.throttle import Throttle
from dbaudit.repair.work import Work


def apply(work: Work, target: Target, throttle: Throttle, limits: Limits, watch: Watch = silent) -> Outcome:
    """Repair. Raises BusyError (75) where another run is at work or this one is held back, Interrupted on a signal."""
    with target.session() as connection:
        number = refuse_if_held(connection, target)
        plan = make_plan(work, target, connection)
    check_limits(plan, limits)
    init_journal(target)
    link = Link(target, throttle.stop, limits.patience)
    try:
        lease = Lease.take(link.connection, target.journal, target.database, work.name, limits.lease_seconds)
        run = Run(work, link, lease, throttle, limits, watch)
        return run.carry_out(plan if lease.number == number + 1 else None)  # as it stands, or made anew
    except pymysql.MySQLError as error:
        raise target.failure(error) from error
    finally:
        link.close()
