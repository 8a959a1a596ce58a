"""A walk has an end, whatever somebody writes meanwhile: behind its end, before it, and faster than it reads."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from dbaudit.errors import BusyError
from dbaudit.repair import run as runs
from dbaudit.repair.apply import apply
from dbaudit.repair.limits import Limits, Outcome
from dbaudit.repair.retract import undo
from dbaudit.repair.target import Target
from dbaudit.repair.throttle import Throttle, Throttled
from dbaudit.repair.work import Work
from tests.repair.test_keys import DROP, MARK, Execute

ROWS, PATIENCE = 200, 300


class Writing(Throttle):
    """Writes whenever the run waits, always ahead of it, as a faster writer would."""

    def __init__(self, write: Callable[[int], None]) -> None:
        super().__init__()
        self._write, self.times = write, 0

    def wait(self, alive: Callable[[], None] = lambda: None) -> None:
        self.times += 1
        assert self.times < PATIENCE, "it follows the writer"
        self._write(self.times)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MOST_ROWS", 20)
    for name, rows in (("FIRST", 20), ("LEAST", 20), ("MOST", 40)):
        monkeypatch.setattr(f"dbaudit.repair.walker.STRETCH_{name}", rows)


@pytest.fixture
def keyed(execute: Execute) -> None:
    """Keys m000000, m000010, ... m001990; every second row is to be repaired."""
    execute(
        "CREATE TABLE keyed (a VARCHAR(36) CHARACTER SET utf8 NOT NULL PRIMARY KEY, mark INT, words VARCHAR(20)) "
        "ENGINE=InnoDB DEFAULT CHARSET=utf8",
        "INSERT INTO keyed VALUES " + ", ".join(f"('m{n * 10:06}', {n % 2}, 'w')" for n in range(ROWS)),
    )


def write(execute: Execute, keys: list[str], mark: int) -> None:
    execute("INSERT INTO keyed VALUES " + ", ".join(f"('{key}', {mark}, 'new')" for key in keys))


@pytest.mark.parametrize(("work", "mark"), [(MARK, 0), (MARK, 1), (DROP, 1)])
@pytest.mark.usefixtures("keyed")
def test_rows_behind_the_end_are_the_next_runs(
    work: object, mark: int, target: Target, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = itertools.count()
    behind = Writing(lambda _: write(execute, [f"w{next(number):09}" for _ in range(50)], mark))
    done: Outcome = apply(work, target, behind, Limits())
    assert done.rows == ROWS // 2
    assert done.later == (next(number) if mark else 0)
    assert undo(target, str(done.run), Throttle()).restored == ROWS // 2
    monkeypatch.undo()  # the next run's chunks are as large as ever
    again = apply(work, target, Throttle(), Limits())
    assert (again.rows, again.later) == (ROWS // 2 + done.later, 0)


@pytest.mark.usefixtures("keyed")
def test_rows_at_random_places_do_not_keep_it(target: Target, execute: Execute) -> None:
    # Rows before and behind where it is, as uuids come: a stretch takes more than come ahead of it.
    inside = Writing(lambda time: write(execute, [f"m{n * ROWS + 1:06}{time:04}" for n in range(10)], 0))
    assert apply(MARK, target, inside, Limits()).rows == ROWS // 2
    assert inside.times < ROWS // 10


@pytest.mark.usefixtures("keyed")
def test_rows_that_come_ahead_faster_than_it_reads_stop_it(target: Target, execute: Execute) -> None:
    number = itertools.count()
    ahead = Writing(lambda _: write(execute, [f"m001985-{next(number):09}" for _ in range(60)], 0))
    with pytest.raises(BusyError, match="grows faster than mark walks it"):
        apply(MARK, target, ahead, Limits())
    done = apply(MARK, target, Throttle(), Limits())
    assert (done.resumed, done.rows) == (True, ROWS // 2)


@pytest.mark.usefixtures("keyed")
def test_what_holds_it_back_does_so_before_the_first_row(
    target: Target, execute: Execute, contents: Callable[[], list[str]]
) -> None:
    before, never = contents(), Throttle(max_wait=0.0, gauges=[Holding()])
    with pytest.raises(Throttled, match="the moon is up"):
        apply(MARK, target, never, Limits())
    assert contents() == before
    assert execute(f"SELECT COUNT(*) FROM `{target.journal.schema}`.run") == [(0,)]
    done = apply(MARK, target, Throttle(), Limits())
    after = contents()
    with pytest.raises(Throttled, match="the moon is up"):
        undo(target, str(done.run), never)
    assert contents() == after
    assert undo(target, str(done.run), Throttle()).restored == ROWS // 2
    assert contents() == before


class Holding:
    """A gauge that always holds."""

    def holds(self) -> str:
        return "the moon is up"


@pytest.mark.parametrize("work", [MARK, DROP])
@pytest.mark.usefixtures("keyed")
def test_more_rows_than_one_in_a_hundred_above_the_plan_stop_it(work: Work, target: Target, execute: Execute) -> None:
    # The plan has 100 rows: 101 may be met. Others come before the end of the walk, once it is under way.
    made: list[int] = []

    def more(_: int) -> None:
        if not made:
            made.append(1)
            write(execute, [f"m001985-{n:03}" for n in range(50)], 1)

    with pytest.raises(BusyError, match="meets more rows than the 100 of its plan"):
        apply(work, target, Writing(more), Limits())
    (changed,) = execute(f"SELECT SUM(changed) FROM `{target.journal.schema}`.chunk")[0]
    assert changed == 102  # the one that was too many, and no chunkful of them
    done = apply(work, target, Throttle(), Limits())
    assert (done.resumed, done.rows) == (True, ROWS // 2 + 50)
    assert undo(target, str(done.run), Throttle()).restored == ROWS // 2 + 50
