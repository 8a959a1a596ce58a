"""Syncs inside the test's process: over one connection or over two, and killed where a test wants it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.ec2.memory import Memory
from dbaudit.ec2.round import Carrier, Round
from dbaudit.ec2.ruling import Rules
from dbaudit.ec2.scan import scan
from dbaudit.ec2.sync import Wishes, Work, open_work, session
from tests.ec2.conftest import Site


class Killed(BaseException):
    """Stands for a process that is killed: nothing after it is done, and the servers roll back what was open."""


class Dying:
    """Dies at the nth point that it is told of; notes all of them."""

    def __init__(self) -> None:
        self.left = -1
        self.points: list[str] = []

    def __call__(self, point: str) -> None:
        self.points.append(point)
        if self.left == 0:
            raise Killed(point)
        self.left -= 1


def work_of(sites: tuple[Site, Site], folder: Path, *, one: bool, rules: Rules | None = None) -> tuple[Work, Dying]:
    """A sync of two sites of one server, over one connection or, as if they were two servers, over two."""
    dying = Dying()
    sides = [read_operand(site.url, Reading(folder)) for site in sites]
    wishes = Wishes(folder / "key", rules=rules or Rules(), reached=dying)
    work = open_work(sides, wishes)
    assert work.ends.one or sites[0].server is not sites[1].server
    return replace(work, ends=replace(work.ends, one=one and work.ends.one)), dying


def once(work: Work) -> Round:
    """One sync."""
    with session(work) as carrier:
        return carried(carrier)


def carried(carrier: Carrier, memory: Memory | None = None) -> Round:
    return carrier.full(scan(carrier.link, carrier.base, carrier.sight, memory))


class Runner:
    """Syncs over one session, as a follower does, until one of them is killed."""

    def __init__(self, work: Work, dying: Dying) -> None:
        self.work, self.dying = work, dying
        self.stack = contextlib.ExitStack()
        self.carrier: Carrier | None = None
        self.memory = Memory()

    def once(self) -> Round:
        if self.carrier is None:
            self.carrier, self.memory = self.stack.enter_context(session(self.work)), Memory()
        return carried(self.carrier, self.memory)

    def killed(self, points: int) -> bool:
        """A sync that is killed at that point; False where it ended before."""
        self.dying.left = points
        try:
            self.once()
        except Killed:
            assert self.carrier is not None
            for connection in (self.carrier.link.g, self.carrier.link.h):
                connection._force_close()
            self.close()
            unlock(self.work)
            return True
        finally:
            self.dying.left = -1
        return False

    def close(self) -> None:
        self.stack.close()
        self.carrier = None


def killed(work: Work, dying: Dying, points: int) -> bool:
    """A sync that is killed at that point; False where it ended before."""
    runner = Runner(work, dying)
    try:
        return runner.killed(points)
    finally:
        runner.close()


def unlock(work: Work) -> None:
    """A killed process gives no lease back; it would be free by itself, since the process is gone."""
    for target in (work.ends.grizzly, work.ends.havana):
        with contextlib.closing(target.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"UPDATE {target.journal.table('lease')} SET holder = NULL, expires = NULL")
            connection.commit()
