"""What a run does in the face of errors: connect anew, wait a little and try again, or give up so that it can go on."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Any, TypeVar

import pymysql

from dbaudit.errors import BusyError
from dbaudit.repair import faults, records
from dbaudit.repair.lease import Lease
from dbaudit.repair.link import Link
from dbaudit.repair.stop import Stop
from dbaudit.repair.walker import Ask, Rows, asking

T = TypeVar("T")
# Attempts at a chunk that meets deadlocks, lock waits or lost certifications before the run stops.
ATTEMPTS = 12
_log = logging.getLogger(__name__)


class Endurance:
    """The part of a run that outlives errors. `run` and `seq` name the chunk in hand."""

    def __init__(self, work: str, link: Link, lease: Lease, stop: Stop) -> None:
        self.named, self.link, self.lease, self.stop = work, link, lease, stop
        self.target = link.target
        self.run, self.seq = 0, 1

    def read(self, look: Callable[[Ask], Rows]) -> Rows:
        """Look at something in a transaction of its own, anew where the connection was lost."""

        def read() -> Rows:
            with self.link.connection.cursor() as cursor:
                rows = look(asking(cursor))
            self.link.connection.commit()
            return rows

        return self.survive(read)

    def survive(self, action: Callable[[], T]) -> T:
        """Do something that may be done twice, over a connection that may be lost meanwhile."""
        for attempt in range(ATTEMPTS):
            try:
                return action()
            except (pymysql.MySQLError, OSError) as error:
                self.recover(error, attempt)
        raise BusyError(f"{self.named}: {ATTEMPTS} attempts failed", "run it again")

    def recover(self, error: Exception, attempt: int) -> None:
        """After a lost connection: another one. After a conflict: wait a little. Other errors go up."""
        if faults.is_lost(error):
            self.link.again(self.lease, self._absent)
            return
        self.link.rollback()
        if faults.is_read_only(error):
            raise BusyError(
                f"{self.target.shown} does not take writes any more: {faults.text_of(error)}",
                "was there a failover? run it again with the primary's URL",
            ) from error
        if not faults.is_conflict(error):
            raise error
        _log.info("tries again: %s", faults.text_of(error))
        self.stop.sleep(min(0.05 * 2**attempt, 3.0) * random.uniform(0.5, 1.0))

    def _absent(self, connection: Any) -> tuple[int, ...]:
        with connection.cursor() as cursor:
            return records.absent_chunks(cursor, self.target, self.run, self.seq - 1)

    def committed(self) -> int | None:
        """What the chunk changed whose COMMIT may have been lost, None where it is not in the journal."""

        def look() -> int | None:
            with self.link.connection.cursor() as cursor:
                found = records.committed(cursor, self.target, self.run, self.seq)
            self.link.connection.commit()
            return found

        return self.survive(look)
