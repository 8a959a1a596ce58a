"""The connection that a run writes over: opened anew when it is lost, and never to another server.

A COMMIT whose answer was lost may have happened. The caller asks the journal after `again`, which waits for a
transaction of ours that may still be committing.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pymysql

from dbaudit.errors import BusyError
from dbaudit.repair import faults
from dbaudit.repair.stop import Stop
from dbaudit.repair.target import Target, identify

if TYPE_CHECKING:
    from dbaudit.repair.lease import Lease
    from dbaudit.server.server import Connection

# Seconds for which a lost server is waited for: a restart takes some ten, a failover is found out sooner.
PATIENCE = 60.0
_log = logging.getLogger(__name__)


class Failover(BusyError):
    """Another server answers where the run began on this one."""


class Link:
    """A connection to a target, and how to get it back."""

    def __init__(self, target: Target, stop: Stop, patience: float = PATIENCE) -> None:
        self.target, self._stop, self._patience = target, stop, patience
        self.connection: Connection = target.connect()

    def again(self, lease: Lease, absent: Callable[[Connection], tuple[int, ...]]) -> None:
        """Connect anew to the same server and wait for what may be left of our transaction.

        Raises Failover where another server answers, with the chunks that it does not have; LeaseLost where the lease
        is another's; BusyError where no server answers in time.
        """
        self.close()
        _log.info("the connection to %s is lost", self.target.shown)
        deadline = time.monotonic() + self._patience
        while True:
            try:
                self.connection = self.target.connect()
                self._settle(lease, absent)
            except (pymysql.MySQLError, OSError) as error:
                self.close()
                if not (faults.is_lost(error) or faults.is_conflict(error)):
                    raise
                if time.monotonic() >= deadline or self._stop.wanted:
                    raise BusyError(
                        f"the connection to {self.target.shown} was lost and does not come back: "
                        f"{faults.text_of(error)}",
                        "run it again when the server is back: it goes on where it stopped",
                    ) from error
                self._stop.sleep(0.5)
            else:
                _log.info("connected again")
                return

    def _settle(self, lease: Lease, absent: Callable[[Connection], tuple[int, ...]]) -> None:
        found = identify(self.connection)
        if found != self.target.identity:
            gone = absent(self.connection)
            raise Failover(
                f"another server answers at {self.target.shown}: {found}, not {self.target.identity}; "
                + (
                    f"it lacks the chunks {', '.join(map(str, gone))} of this run"
                    if gone
                    else "it has every chunk so far"
                ),
                "make sure that the old server takes no writes any more, then run it again",
            )
        with self.connection.cursor() as cursor:
            lease.lock(cursor)
        self.connection.commit()

    def rollback(self) -> None:
        """Undo what is not committed; a connection that is gone did so itself."""
        with contextlib.suppress(pymysql.MySQLError, OSError):
            self.connection.rollback()

    def close(self) -> None:
        """Close it, whatever state it is in."""
        with contextlib.suppress(Exception):
            self.connection.close()
