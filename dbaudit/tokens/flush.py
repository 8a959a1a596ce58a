"""A flush: each table in turn, along one or two connections, under a lease, held back by the throttle.

What was deleted stays deleted whenever it ends; running it again goes on, since dead rows are the only state there is.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbaudit.progress import Progress, Watch, silent
from dbaudit.repair.chunk import Bounds
from dbaudit.repair.lease import Lease
from dbaudit.repair.link import Link
from dbaudit.repair.pace import LEAST, Pace
from dbaudit.repair.run import bounds_of
from dbaudit.repair.target import Target
from dbaudit.repair.throttle import Throttle
from dbaudit.tokens.chunk import ROW_BYTES, SPREAD, Deleted, Eraser, Keeper
from dbaudit.tokens.entry import Entry
from dbaudit.tokens.family import Family
from dbaudit.tokens.split import split
from dbaudit.tokens.survey import Survey, glance
from dbaudit.tokens.walk import Walk
from dbaudit.tokens.worker import Calls, Tally, Worker

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# Ranges for each connection: when one has come to its end, its connection takes another, so that both end together.
_SHARES = 4
# Bytes of rows in a chunk, which an archive holds in memory at once.
_MEMORY = 16 << 20
# Rows of a cluster's write set that the chunk's line, the run's and the lease take.
SPARE = 3


@dataclass(frozen=True, slots=True)
class Profile:
    """How hard a flush works. `target` seconds a chunk; `rest` of the time a chunk took is slept after it.

    `most` rows a chunk.
    """

    name: str
    connections: int
    target: float
    rest: float
    most: int


# Gentle: a chunk is as long as a service's own statements, and the server has a third of the time to itself. Commits
# wait for each other's, so a chunk of more rows is felt by the service's commits.
GENTLE = Profile("gentle", 1, 0.02, 0.5, 500)
# Fast: two connections, since one leaves the server idle while it waits for the disk at each commit. The longest
# statement is promised to be 0.5 s: a chunk that takes six times as long as it should is still within that. More rows
# a chunk than these cost a row no less.
FAST = Profile("fast", 2, 0.08, 0.0, 5_000)


@dataclass(slots=True)
class Done:
    """What a flush did to one table. `seconds` include what the throttle took."""

    survey: Survey
    tally: Tally = field(default_factory=Tally)
    seconds: float = 0.0
    complete: bool = False


@dataclass(slots=True)
class Report:
    """What a flush did, also where it ended early. `mended` rows of the archive were not deleted by the run before."""

    profile: Profile
    run: int | None = None
    done: Sequence[Done] = ()
    archived: int = 0
    mended: int = 0
    optimized: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Means:
    """What a run works with. `rate` rows a second at most, None for no limit."""

    target: Target
    lease: Lease
    entry: Entry
    profile: Profile
    throttle: Throttle
    keeper: Keeper | None = None
    rate: float | None = None
    watch: Watch = silent


class Flush:
    """One run over some tables. `done` grows as it goes, and stands for what was committed whenever it is read."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self.done: list[Done] = []
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._began = time.monotonic()
        self._rows = 0

    def run(self, families: Sequence[Family]) -> None:
        """Flush the tables in this order. Raises what ended it early; `done` says how far it came."""
        for family in families:
            if self._means.throttle.stop.wanted:
                return
            with self._means.target.session() as connection:
                self._table(connection, family)

    def _table(self, connection: Connection, family: Family) -> None:
        with connection.cursor() as cursor:
            seen = glance(cursor, family)
            walks = split(cursor, seen, self._means.profile.connections, _SHARES)
        connection.rollback()
        done = Done(seen)
        self.done.append(done)
        began = time.monotonic()
        try:
            self._work(done, walks)
        finally:
            done.seconds = time.monotonic() - began
        done.complete = not self._means.throttle.stop.wanted

    def _work(self, done: Done, walks: Sequence[Walk]) -> None:
        todo: queue.SimpleQueue[Walk] = queue.SimpleQueue()
        for walk in walks:
            todo.put(walk)
        with contextlib.ExitStack() as stack:
            workers = [self._worker(done, stack) for _ in range(min(self._means.profile.connections, len(walks)))]
            others = [threading.Thread(target=self._until_empty, args=(each, todo)) for each in workers[1:]]
            for thread in others:
                thread.start()
            self._until_empty(workers[0], todo)
            for thread in others:
                thread.join()
        if self._error:
            raise self._error

    def _worker(self, done: Done, stack: contextlib.ExitStack) -> Worker:
        means = self._means
        profile, family = means.profile, done.survey.family
        bounds = bounds_of(means.target)
        pace = Pace(profile.target, 1 if means.target.galera else LEAST, most_rows(bounds, done.survey, profile))

        def told(deleted: Deleted, seconds: float) -> None:
            with self._lock:
                done.tally.add(deleted, seconds)
                self._rows += deleted.rows
                means.watch(Progress(f"flush {family.table}", done.tally.rows, done.survey.dead, "rows"))
            self._rest(seconds)

        link = Link(means.target, means.throttle.stop)
        eraser = Eraser(family, means.keeper, bounds.bytes)
        worker = Worker(link, means.entry, eraser, pace, means.keeper, done.tally, Calls(self._wait, told))
        stack.callback(worker.close)
        return worker

    def _until_empty(self, worker: Worker, todo: queue.SimpleQueue[Walk]) -> None:
        try:
            while not self._error:
                worker.along(todo.get_nowait())
        except queue.Empty:
            pass
        except BaseException as error:  # noqa: BLE001 - goes to the thread that waits for all
            self._error = self._error or error

    def _wait(self, worker: Worker) -> bool:
        """Before each chunk: whether to go on, after what holds the run back has let go."""
        with self._lock:  # one waits, and so all do
            if not self._error:
                self._means.throttle.wait(lambda: self._means.lease.keep(worker.connection))
        return not self._error and not self._means.throttle.stop.wanted

    def _rest(self, seconds: float) -> None:
        """Sleep after a chunk: the profile's share of it, or what the rate asks for."""
        pause = seconds * self._means.profile.rest
        if self._means.rate:
            pause = max(pause, self._rows / self._means.rate - (time.monotonic() - self._began))
        if pause > 0:
            self._means.throttle.stop.sleep(min(pause, 5.0))


def most_rows(cluster: Bounds, seen: Survey, profile: Profile) -> int:
    """Rows that a chunk may have at most: by the profile, by memory, and on Galera by half of a write set."""
    each = max(seen.bytes // max(seen.rows, 1), 1)
    bounds = [profile.most, _MEMORY // each]
    if cluster.bytes is not None:
        bounds.append(cluster.bytes // SPREAD // (each + ROW_BYTES))
    if cluster.rows is not None:
        bounds.append(cluster.rows - SPARE)
    return max(min(bounds), 1)
