"""One run at a time on a database: a row in the journal schema that says who runs, under which number, until when.

It is taken by one conditional UPDATE and written again in every chunk's transaction, so that a run that lost it cannot
commit, and on Galera certification settles two nodes. It is not GET_LOCK, which is local to a node and dies with the
connection. Times are the server's.
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbaudit.errors import BusyError
from dbaudit.repair.insistence import insist

if TYPE_CHECKING:
    from dbaudit.repair.journal import Journal
    from dbaudit.server.server import Connection

# Seconds for which a lease holds without being renewed. Longer than any chunk, its retries included: a run that is
# slower than that loses the lease, and its chunk is rolled back.
SECONDS = 60
# Renewed while a run waits, when it is older than this.
RENEW_AFTER = 10


class LeaseLost(BusyError):
    """Another run took the lease: this one was too slow, or was forced out. Nothing of the chunk was committed."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease. `space` tells process numbers of one host and container from those of others."""

    host: str
    pid: int
    space: str
    started: str

    def alive(self) -> bool:
        """Whether it may still run: False only where this very machine knows that the process is gone."""
        if self.space != _space() or self.host != socket.gethostname():
            return True
        return _started(self.pid) == self.started

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def this_process() -> Holder:
    """The process that runs this."""
    return Holder(socket.gethostname(), os.getpid(), _space(), _started(os.getpid()))


def _space() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""  # no Linux: then no process is ever known to be gone


def _started(pid: int) -> str:
    """When a process started, in ticks since boot, so that a number given anew is not taken for it; '' if gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]


@dataclass(frozen=True, slots=True)
class Held:
    """A lease as it stands: `seconds` until it expires by the server's clock, negative when it has."""

    holder: Holder
    work: str
    run: int | None
    number: int
    seconds: float

    @property
    def free(self) -> bool:
        """Whether it may be taken: it expired, or its process is known to be gone."""
        return self.seconds <= 0 or not self.holder.alive()

    def refusal(self) -> BusyError:
        """What a second run is told."""
        run = f", run {self.run}" if self.run else ""
        left = f"expires in {self.seconds:.0f} s unless renewed" if self.seconds > 0 else "has expired"
        return BusyError(
            f"{self.work}{run} is at work on this database: {self.holder} holds the lease, which {left}",
            "try again when it is through; if it is dead, wait until the lease expires and run "
            "`dbaudit runs URL --unlock`",
        )


class Lease:
    """A lease that this process took. `number` is the fencing number."""

    def __init__(self, journal: Journal, name: str, number: int, seconds: int = SECONDS) -> None:
        self.journal, self.name, self.number, self.seconds = journal, name, number, seconds
        self._renewed = time.monotonic()

    @classmethod
    def take(cls, connection: Connection, journal: Journal, name: str, work: str, seconds: int = SECONDS) -> Lease:
        """Take the lease of `name` (the repaired database) for `work` (a check's id, or a command).

        The journal must be there. Ends its own transaction. Raises BusyError with who holds it.
        """
        return insist(connection, lambda: cls._take(connection, journal, name, work, seconds))

    @classmethod
    def _take(cls, connection: Connection, journal: Journal, name: str, work: str, seconds: int) -> Lease:
        table = journal.table("lease")
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT IGNORE INTO {table} (name, number) VALUES (%s, 0)", (name,))
            connection.commit()
            cursor.execute(f"SELECT number FROM {table} WHERE name = %s FOR UPDATE", (name,))
            found = held(connection, journal, name)
            if found and not found.free:
                connection.rollback()
                raise found.refusal()
            number = (found.number if found else last(connection, journal, name)) + 1
            cursor.execute(
                f"UPDATE {table} SET number = %s, holder = %s, work = %s, run = NULL, "
                "expires = UTC_TIMESTAMP(6) + INTERVAL %s SECOND WHERE name = %s AND number = %s",
                (number, _written(this_process()), work, seconds, name, number - 1),
            )
            taken = cursor.rowcount
        if not taken:
            raise BusyError("another run took the lease in this instant", "try again")
        connection.commit()
        return cls(journal, name, number, seconds)

    def renew(self, cursor: Any, run: int | None = None) -> None:
        """Prolong it, in the transaction of `cursor`, which then commits only while it is ours; LeaseLost if not."""
        cursor.execute(
            f"UPDATE {self.journal.table('lease')} SET expires = UTC_TIMESTAMP(6) + INTERVAL %s SECOND, "
            "run = COALESCE(%s, run) WHERE name = %s AND number = %s",
            (self.seconds, run, self.name, self.number),
        )
        if not cursor.rowcount:
            raise LeaseLost("another run took this run's lease", "run it again: it goes on where it stopped")
        self._renewed = time.monotonic()

    def share(self, cursor: Any) -> None:
        """Make sure that it is ours until the transaction of `cursor` ends, without writing; LeaseLost if it is not.

        For runs over several connections of one server; it is no fence between the nodes of a cluster.
        """
        cursor.execute(
            f"SELECT number FROM {self.journal.table('lease')} WHERE name = %s LOCK IN SHARE MODE", (self.name,)
        )
        self._mine(cursor.fetchone())

    def keep(self, connection: Connection) -> None:
        """Prolong it between chunks, where it is due; commits."""
        if time.monotonic() - self._renewed < min(RENEW_AFTER, self.seconds / 3):
            return
        with connection.cursor() as cursor:
            self.renew(cursor)
        connection.commit()

    def lock(self, cursor: Any) -> None:
        """Lock the row, which waits for a transaction of ours that may still be committing. LeaseLost if not ours."""
        cursor.execute(f"SELECT number FROM {self.journal.table('lease')} WHERE name = %s FOR UPDATE", (self.name,))
        self._mine(cursor.fetchone())

    def _mine(self, row: Any) -> None:
        if row is None or int(row[0]) != self.number:
            raise LeaseLost("another run took this run's lease", "run it again: it goes on where it stopped")

    def release(self, connection: Connection) -> None:
        """Give it back; nothing happens where it is not ours any more."""

        def release() -> None:
            with connection.cursor() as cursor:
                cursor.execute(
                    f"UPDATE {self.journal.table('lease')} SET holder = NULL, work = NULL, run = NULL, expires = NULL "
                    "WHERE name = %s AND number = %s",
                    (self.name, self.number),
                )
            connection.commit()

        insist(connection, release)


def held(connection: Connection, journal: Journal, name: str) -> Held | None:
    """Who holds the lease of a database, None where nobody does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT holder, work, run, number, TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), expires) "
            f"FROM {journal.table('lease')} WHERE name = %s AND holder IS NOT NULL",
            (name,),
        )
        row = cursor.fetchone()
    if row is None:
        return None
    run = None if row[2] is None else int(row[2])
    return Held(_read(row[0]), str(row[1]), run, int(row[3]), int(row[4] or 0) / 1e6)


def last(connection: Connection, journal: Journal, name: str) -> int:
    """The number of the last lease of a database, 0 where it had none."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT number FROM {journal.table('lease')} WHERE name = %s", (name,))
        return int((cursor.fetchone() or (0,))[0])


def unlock(connection: Connection, journal: Journal, name: str) -> Held | None:
    """Take a lease away that expired, or whose process is gone; gives it, None where nobody held it.

    Raises BusyError where it may be alive.
    """
    found = held(connection, journal, name)
    if found is None:
        return None
    if not found.free:
        raise found.refusal()
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {journal.table('lease')} SET number = number + 1, holder = NULL, work = NULL, run = NULL, "
            "expires = NULL WHERE name = %s AND number = %s",
            (name, found.number),
        )
    connection.commit()
    return found


def _read(text: str) -> Holder:
    """A holder; one that another version wrote in another way may be alive anywhere, until its lease expires."""
    try:
        return Holder(**json.loads(text))
    except (ValueError, TypeError):
        return Holder("a host that cannot be told", 0, "", "")


def _written(holder: Holder) -> str:
    return json.dumps({name: getattr(holder, name) for name in ("host", "pid", "space", "started")})
