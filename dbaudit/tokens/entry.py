"""A flush in the journal: the run that `dbaudit runs` lists, and a line for each chunk, in the chunk's transaction.

The lines tell what was committed when an answer was lost, and add up to the rows that were deleted. No rows are kept.
Two connections must not wait for each other here, or each would wait for the other's COMMIT: a chunk locks the lease
shared, which keeps another run from taking it, and writes to it only when it is due.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dbaudit.repair import records
from dbaudit.repair.lease import RENEW_AFTER, Lease
from dbaudit.repair.link import Link
from dbaudit.repair.target import Target
from dbaudit.tokens.chunk import Deleted
from dbaudit.tokens.walk import Stretch

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

WORK = "tokens.flush"


class Entry:
    """One run's entry. `run` is its number."""

    def __init__(self, target: Target, lease: Lease, connection: Connection, details: Mapping[str, Any]) -> None:
        """Begin it; an entry of this work that a kill left open is closed."""
        self._target, self._lease = target, lease
        self._numbers, self._lock, self._last = itertools.count(1), threading.Lock(), 0
        self._renewed = time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {target.journal.table('run')} r SET state = %s, ended = UTC_TIMESTAMP(6), "
                f"changed = ({self._sum('r.run')}) WHERE db = %s AND work = %s AND state = %s",
                (records.STOPPED, target.database, WORK, records.RUNNING),
            )
            fingerprint = hashlib.sha256(WORK.encode()).hexdigest()
            self.run = records.begin(cursor, target, WORK, fingerprint, 0, details, undoable=False)
            lease.renew(cursor, self.run)
        connection.commit()

    def number(self) -> int:
        """The number of a chunk, which it keeps when it is tried again."""
        with self._lock:
            self._last = next(self._numbers)
            return self._last

    def note(self, cursor: Any, table: str, number: int, done: Deleted, stretch: Stretch) -> None:
        """The chunk's line, and the lease made sure of, as the last statements of its transaction."""
        rows = done.rows + sum(done.children.values())
        records.insert_chunk(cursor, self._target, self.run, number, table, rows, stretch.range.high or ())
        if not self._due():
            self._lease.share(cursor)
            return
        self._lease.renew(cursor)
        self._add_up(cursor)

    def _due(self) -> bool:
        """Whether this chunk is to write to the lease. On Galera each one does: certification sees only writes."""
        if self._target.galera:
            return True
        with self._lock:
            due = time.monotonic() - self._renewed > RENEW_AFTER
            self._renewed = time.monotonic() if due else self._renewed
        return due

    def _add_up(self, cursor: Any) -> None:
        cursor.execute(
            f"UPDATE {self._target.journal.table('run')} SET changed = ({self._sum('%s')}) WHERE run = %s",
            (self.run, self.run),
        )

    def _sum(self, run: str) -> str:
        return f"SELECT COALESCE(SUM(c.changed), 0) FROM {self._target.journal.table('chunk')} c WHERE c.run = {run}"

    def has(self, cursor: Any, number: int) -> bool:
        """Whether a chunk was committed."""
        return records.committed(cursor, self._target, self.run, number) is not None

    def reconnect(self, link: Link) -> None:
        """Connect anew to the same server; BusyError where another one answers, or none."""
        link.again(self._lease, self._absent)

    def _absent(self, connection: Connection) -> tuple[int, ...]:
        with connection.cursor() as cursor:
            return records.absent_chunks(cursor, self._target, self.run, self._last)

    def end(self, connection: Connection, *, complete: bool) -> None:
        """Close it; a run that deleted nothing leaves no trace, since cron comes every hour."""
        with connection.cursor() as cursor:
            self._add_up(cursor)
            records.set_state(cursor, self._target, self.run, records.DONE if complete else records.STOPPED)
            cursor.execute(
                f"DELETE FROM {self._target.journal.table('run')} WHERE run = %s AND changed = 0", (self.run,)
            )
        connection.commit()
