"""One connection's share of a flush: walk, delete, and what to do when the server says no.

Deadlocks, lock waits and lost connections are retried with smaller chunks; of a COMMIT whose answer was lost the
journal tells whether it happened. What cannot be retried ends the run: nothing of the chunk in hand was deleted then.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pymysql

from dbaudit.errors import BusyError
from dbaudit.repair import faults
from dbaudit.repair.chunk import TooBig
from dbaudit.repair.link import Link
from dbaudit.repair.pace import Pace
from dbaudit.tokens.chunk import Changed, Deleted, Eraser, Keeper
from dbaudit.tokens.entry import Entry
from dbaudit.tokens.walk import Stretch, Walk

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# Attempts at one chunk before the run gives up, and seconds before the second; each wait is up to twice the one before.
ATTEMPTS, BACKOFF = 12, 0.05


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


@dataclass(frozen=True, slots=True)
class Calls:
    """What a worker calls: `wait` before each chunk (False ends its work), `told` after one that went through."""

    wait: Callable[[Worker], bool]
    told: Callable[[Deleted, float], None]


class Worker:
    """Deletes along walks over a connection of its own."""

    def __init__(
        self, link: Link, entry: Entry, eraser: Eraser, pace: Pace, keeper: Keeper | None, tally: Tally, calls: Calls
    ) -> None:
        self._link, self._entry, self._eraser, self._keeper = link, entry, eraser, keeper
        self._pace, self._tally, self._calls = pace, tally, calls

    @property
    def connection(self) -> Connection:
        """The connection as it is now."""
        return self._link.connection

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def along(self, walk: Walk) -> None:
        """Delete all dead rows of a walk, or those until a stop is wanted."""
        attempt, number = 0, 0
        while self._calls.wait(self):
            stretch: Stretch | None = None
            try:
                stretch = self._next(walk)
                if stretch is None:
                    return
                if stretch.dead != 0:
                    number = number or self._entry.number()
                    self._delete(stretch, number)
            except (pymysql.MySQLError, OSError, Changed, TooBig) as error:
                attempt += 1
                self._after(error, attempt)
                if stretch:
                    walk.back(stretch)
            else:
                attempt, number = 0, number if stretch.dead == 0 else 0
                self._tally.read += stretch.read
                self._tally.never += stretch.never

    def _next(self, walk: Walk) -> Stretch | None:
        with self.connection.cursor() as cursor:
            return walk.next(cursor, self._pace.rows)

    def _delete(self, stretch: Stretch, number: int) -> None:
        began, done = time.monotonic(), Deleted()
        try:
            with self.connection.cursor() as cursor:
                done = self._eraser.erase(cursor, stretch)
                # The time of the deletion alone: a commit waits for the disk, and fewer rows would not shorten that.
                self._pace.took(stretch.read, time.monotonic() - began)
                self._entry.note(cursor, self._eraser.table, number, done, stretch)
            self.connection.commit()
        except Exception as error:
            if not self._went(error, number):
                raise
        if self._keeper:
            self._keeper.settle(True)
        seconds = time.monotonic() - began
        self._calls.told(done, seconds)

    def _went(self, error: Exception, number: int) -> bool:
        """After a failure: roll back or connect anew, and tell whether the chunk went through all the same."""
        went = False
        if faults.is_lost(error):
            went = self._journaled(number)
        else:
            self._link.rollback()
        if self._keeper and not went:
            self._keeper.settle(False)
        return went

    def _journaled(self, number: int) -> bool:
        """Whether the journal has a chunk, asked over a new connection, and another where that one is lost too."""
        for _ in range(ATTEMPTS):
            self._entry.reconnect(self._link)
            try:
                with self.connection.cursor() as cursor:
                    found = self._entry.has(cursor, number)
                self.connection.commit()
            except (pymysql.MySQLError, OSError) as error:
                if not faults.is_lost(error):
                    raise
            else:
                return found
        raise BusyError(f"the connection was lost {ATTEMPTS} times on end", "run it again: it goes on")

    def _after(self, error: Exception, attempt: int) -> None:
        """Make ready for another attempt, with half the rows; raises where it cannot pass, or has not for long."""
        too_big = isinstance(error, TooBig) or faults.is_too_big(error)
        if not (too_big or faults.is_conflict(error) or faults.is_lost(error) or isinstance(error, Changed)):
            raise self._link.target.failure(error) from error
        if attempt == ATTEMPTS:
            said = "one row is more than the cluster takes at once" if too_big else faults.text_of(error)
            raise BusyError(f"gave up after {ATTEMPTS} attempts: {said}", "run it again: it goes on")
        self._tally.retries += 0 if too_big else 1
        if faults.is_lost(error):
            if not self._answers():
                self._entry.reconnect(self._link)
            return
        self._link.rollback()
        self._pace.halve()
        if too_big:
            return
        time.sleep(BACKOFF * 2 ** min(attempt, 6) * random.uniform(0.5, 1.0))

    def _answers(self) -> bool:
        try:
            self.connection.ping(reconnect=False)
        except (pymysql.MySQLError, OSError):
            return False
        return True
