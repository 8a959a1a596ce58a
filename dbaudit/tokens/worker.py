"""One connection's share of a flush: walk, delete, and what to do when the server says no.

Deadlocks, lock waits and lost connections are retried with smaller chunks; a COMMIT of which nobody knows whether it
happened is looked up. What cannot be retried ends the run: nothing of the chunk in hand was deleted then.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pymysql

from dbaudit.errors import BusyError
from dbaudit.repair import faults
from dbaudit.repair.lease import Lease
from dbaudit.repair.pace import Pace
from dbaudit.repair.target import Target, identify
from dbaudit.tokens.chunk import Changed, Deleted, Eraser, Keeper
from dbaudit.tokens.walk import Stretch, Walk

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# Attempts at one chunk before the run gives up, and seconds before the second; each wait is up to twice the one before.
ATTEMPTS, BACKOFF = 12, 0.05
# Seconds for which a server that went away is tried again: a restart, or a failover.
RECONNECT_WITHIN = 60.0


@dataclass(slots=True)
class Tally:
    """What was done to one table so far. `longest` is of one chunk, in seconds."""

    rows: int = 0
    read: int = 0
    never: int = 0
    chunks: int = 0
    retries: int = 0
    longest: float = 0.0
    children: dict[str, int] = field(default_factory=dict)

    def add(self, done: Deleted, seconds: float) -> None:
        """Count a chunk that went through."""
        self.rows += done.rows
        self.chunks += 1
        self.longest = max(self.longest, seconds)
        for table, rows in done.children.items():
            self.children[table] = self.children.get(table, 0) + rows


class Worker:
    """Deletes along walks over a connection of its own. `wait` is called before each chunk, `told` after it."""

    def __init__(
        self, target: Target, lease: Lease, eraser: Eraser, pace: Pace, keeper: Keeper | None, tally: Tally,
        wait: Callable[[Worker], bool], told: Callable[[Deleted, float], None],
    ) -> None:  # fmt: skip
        self._target, self._lease, self._eraser, self._keeper = target, lease, eraser, keeper
        self.pace, self._tally, self._wait, self._told = pace, tally, wait, told
        self.connection: Connection = target.connect()

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(Exception):
            self.connection.close()

    def along(self, walk: Walk) -> None:
        """Delete all dead rows of a walk, or those until a stop is wanted."""
        while self._wait(self):
            stretch = self._retried(walk, lambda: self._next(walk))
            if stretch is None:
                return
            self._tally.read += stretch.read
            self._tally.never += stretch.never
            if stretch.dead != 0:
                self._retried(walk, lambda stretch=stretch: self._delete(walk, stretch))  # type: ignore[misc]

    def _next(self, walk: Walk) -> Stretch | None:
        with self.connection.cursor() as cursor:
            return walk.next(cursor, self.pace.rows)

    def _delete(self, walk: Walk, stretch: Stretch) -> None:
        began, done = time.monotonic(), Deleted()
        try:
            with self.connection.cursor() as cursor:
                done = self._eraser.erase(cursor, stretch)
            self.connection.commit()
        except Exception as error:
            if not self._committed(error, stretch):
                raise
        if self._keeper:
            self._keeper.settle(True)
        seconds = time.monotonic() - began
        self.pace.took(stretch.read, seconds)
        self._told(done, seconds)

    def _committed(self, error: Exception, stretch: Stretch) -> bool:
        """After a failure: roll back or reconnect, and tell whether the chunk went through all the same."""
        went = False
        if faults.is_lost(error):
            self._reconnect(error)
            with self.connection.cursor() as cursor:
                self._lease.lock(cursor)  # waits for a transaction of ours that the server may still be committing
                went = not self._eraser.remains(cursor, stretch)
            self.connection.commit()
        else:
            with contextlib.suppress(pymysql.MySQLError, OSError):
                self.connection.rollback()
        if self._keeper and not went:
            self._keeper.settle(False)
        return went

    def _retried(self, walk: Walk, work: Callable[[], Any]) -> Any:
        """Do it, again after what may pass; on giving up the chunk is rolled back and the error raised."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return work()
            except (pymysql.MySQLError, OSError, Changed) as error:
                passing = faults.is_conflict(error) or faults.is_lost(error) or isinstance(error, Changed)
                if not passing:
                    raise self._failure(error) from error
                if attempt == ATTEMPTS:
                    raise BusyError(
                        f"gave up after {ATTEMPTS} attempts: {error}", "run it again: it goes on"
                    ) from error
                self._tally.retries += 1
                if faults.is_lost(error) and not self._alive():
                    self._reconnect(error)
                self.pace.halve()
                time.sleep(BACKOFF * 2 ** min(attempt, 6) * random.uniform(0.5, 1.0))
        raise AssertionError

    def _failure(self, error: BaseException) -> Exception:
        return error if isinstance(error, Changed) else self._target.failure(error)

    def _alive(self) -> bool:
        try:
            self.connection.ping(reconnect=False)
        except (pymysql.MySQLError, OSError):
            return False
        return True

    def _reconnect(self, error: BaseException) -> None:
        """Connect again, for a while; BusyError where another server answers, or none."""
        end = time.monotonic() + RECONNECT_WITHIN
        self.close()
        while True:
            try:
                self.connection = self._target.connect()
                found = identify(self.connection)
                break
            except (pymysql.MySQLError, OSError) as again:
                if time.monotonic() > end:
                    raise BusyError(f"the server went away: {faults.text_of(error)}", "run it again") from again
                time.sleep(0.5)
        if found != self._target.identity:
            raise BusyError(
                f"another server answers now ({found}, before {self._target.identity}): what was deleted on the old "
                "one in the last moments may be there again",
                "run it again: it deletes what is left",
            ) from error
