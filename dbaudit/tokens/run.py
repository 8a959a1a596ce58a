"""A flush from the lease to the end: what the command line calls with `--apply`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbaudit.errors import DbauditError
from dbaudit.progress import Watch, silent
from dbaudit.repair.journal import init_journal
from dbaudit.repair.lease import Lease
from dbaudit.repair.target import Target
from dbaudit.repair.throttle import Throttle
from dbaudit.tokens.flush import WORK, Done, Flush, Means, Profile
from dbaudit.tokens.opened import Opened

if TYPE_CHECKING:
    from dbaudit.server.server import Connection


@dataclass(frozen=True, slots=True)
class Run:
    """How a flush is run."""

    profile: Profile
    throttle: Throttle
    rate: float | None = None
    watch: Watch = silent


def refuse(target: Target) -> None:
    """Raise DbauditError where nothing can be deleted in safety on this server at all."""
    variables = target.variables
    if variables.get("log_bin") == "ON" and variables.get("binlog_format") == "STATEMENT":
        raise DbauditError(
            f"{target.shown} logs statements (binlog_format=STATEMENT): a chunk could delete other rows on a replica",
            "set binlog_format to ROW or MIXED",
        )
    if variables.get("read_only") in ("ON", "1"):
        raise DbauditError(f"{target.shown} is read-only: a replica, or closed on purpose", "name the primary's URL")


def flush(opened: Opened, run: Run) -> Sequence[Done]:
    """Delete what is dead. Raises BusyError where another run is at work, or when it is held back for too long."""
    refuse(opened.target)
    init_journal(opened.target)
    with held(opened.target) as lease:
        means = Means(opened.target, lease, run.profile, run.throttle, rate=run.rate, watch=run.watch)
        work = Flush(means)
        work.run(opened.families)
        return work.done


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
