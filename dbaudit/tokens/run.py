"""A flush from the lease to the end: what the command line calls with `--apply`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pymysql

from dbaudit.errors import BusyError, UsageError
from dbaudit.progress import Watch, silent
from dbaudit.repair.faults import text_of
from dbaudit.repair.journal import init_journal
from dbaudit.repair.lease import Lease
from dbaudit.repair.refusal import refuse_if_unsafe
from dbaudit.repair.run import Interrupted
from dbaudit.repair.target import Target
from dbaudit.repair.throttle import Throttle
from dbaudit.result import Result
from dbaudit.tokens import outcome
from dbaudit.tokens.archive import Archive
from dbaudit.tokens.entry import WORK, Entry
from dbaudit.tokens.flush import Flush, Means, Profile, Report
from dbaudit.tokens.mend import mend
from dbaudit.tokens.metrics import write_metrics
from dbaudit.tokens.opened import Opened

if TYPE_CHECKING:
    from dbaudit.server.server import Connection


@dataclass(frozen=True, slots=True)
class Run:
    """How a flush is run. `metrics` is the Prometheus textfile that it leaves behind."""

    throttle: Throttle
    rate: float | None = None
    archive: Path | None = None
    optimize: bool = False
    metrics: Path | None = None
    watch: Watch = silent


def carry_out(opened: Opened, run: Run, profile: Profile) -> Result:
    """Flush, and tell what was done; the metrics are written also where it ends early.

    Raises BusyError where another run is at work or it is held back for too long, Interrupted after a signal.
    """
    report, began, success = Report(profile), time.monotonic(), False
    busy = False
    try:
        flush(opened, run, report)
        success = True
    except BusyError:
        busy = report.run is None  # then the metrics are the other run's
        raise
    finally:
        result = outcome.flushed(opened, report)
        if run.metrics and not busy:
            values = {
                "success": float(success), "duration_seconds": time.monotonic() - began,
                "cutoff_timestamp_seconds": opened.cutoff.microseconds / 1e6, "held_back_seconds": run.throttle.waited,
            }  # fmt: skip
            write_metrics(run.metrics, result, values)
    return result


def refuse(target: Target, run: Run) -> None:
    """Raise DbauditError where nothing can be deleted in safety on this server at all."""
    if run.optimize and target.galera:
        raise UsageError(
            "--optimize would stop every node of the Galera cluster until the table is built anew",
            "leave it out, and build the table node by node with wsrep_OSU_method=RSU",
        )
    with target.session() as connection:
        refuse_if_unsafe(connection, target)


def flush(opened: Opened, run: Run, report: Report) -> None:
    """Delete what is dead, and tell `report` what was done, whether or not it comes to its end.

    Raises BusyError where another run is at work, or when it is held back for too long.
    """
    target = opened.target
    refuse(target, run)
    init_journal(target)
    with held(target) as lease, contextlib.ExitStack() as stack:
        archive = _archive(opened, run, report, stack)
        entry = stack.enter_context(_entry(opened, lease, report))
        work = Flush(Means(target, lease, entry, report.profile, run.throttle, archive, run.rate, run.watch))
        report.done, report.run = work.done, entry.run
        try:
            work.run(opened.families)
        finally:
            report.archived = archive.rows if archive else 0
        if run.throttle.stop.wanted:
            rows = sum(each.tally.rows for each in report.done)
            raise Interrupted(f"stopped after {rows:,} rows, between two chunks", "run it again: it goes on")
        if run.optimize:
            _optimize(opened, report)


@contextlib.contextmanager
def _entry(opened: Opened, lease: Lease, report: Report) -> Iterator[Entry]:
    """The run in the journal, closed when the block ends."""
    target = opened.target
    with target.session() as connection:
        entry = Entry(target, lease, connection, {"cutoff": opened.cutoff.at.isoformat() + "Z", "journal": "none"})
    try:
        yield entry
    finally:
        complete = len(report.done) == len(opened.families) and all(each.complete for each in report.done)
        with contextlib.suppress(Exception), contextlib.closing(target.connect()) as connection:
            entry.end(connection, complete=complete)


def _archive(opened: Opened, run: Run, report: Report, stack: contextlib.ExitStack) -> Archive | None:
    """The archive, without what the run before did not come to delete; one connection writes to it."""
    if run.archive is None:
        return None
    archive = Archive(run.archive)
    stack.callback(archive.close)
    report.profile = replace(report.profile, connections=1)
    with opened.target.session() as connection:
        report.mended = mend(archive, connection, opened.schema)
    return archive


def _optimize(opened: Opened, report: Report) -> None:
    """Build the tables that lost rows anew, so that the disk gets their space back. DDL, only on demand.

    It stays out of the binary log: replicas are to be built anew at a time of their own.
    """
    target = opened.target
    local = "NO_WRITE_TO_BINLOG " if target.variables.get("log_bin", "OFF").upper() in ("ON", "1") else ""
    for done in report.done:
        if not done.tally.rows:
            continue
        with contextlib.closing(target.connect()) as connection, connection.cursor() as cursor:
            try:
                cursor.execute(f"OPTIMIZE {local}TABLE {done.survey.family.name}")
                said = [str(row[3]) for row in cursor.fetchall() if str(row[2]).lower() in ("error", "status")]
            except pymysql.MySQLError as error:  # the rows are gone all the same, and are to be reported
                said = [f"not done: {text_of(error)}; MySQL 9 wants GRANT OPTIMIZE_LOCAL_TABLE ON *.*"]
        report.optimized[done.survey.family.table] = said[-1] if said else "nothing said"


@contextlib.contextmanager
def held(target: Target) -> Iterator[Lease]:
    """The lease of the database while the block runs."""
    with target.session() as connection:
        lease = Lease.take(connection, target.journal, target.database, WORK)
        try:
            yield lease
        finally:
            _release(lease, target, connection)


def _release(lease: Lease, target: Target, connection: Connection) -> None:
    """Give it back, over a new connection where the old one is gone; a lease that stays expires by itself."""
    with contextlib.suppress(Exception):
        try:
            lease.release(connection)
        except Exception:  # noqa: BLE001 - the connection broke while others worked
            with contextlib.closing(target.connect()) as another:
                lease.release(another)
