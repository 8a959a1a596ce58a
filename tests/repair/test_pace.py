"""The pace of chunks and what holds them back, by a clock of the test's own."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbaudit.errors import UsageError
from dbaudit.repair.pace import Pace
from dbaudit.repair.stop import Stop
from dbaudit.repair.throttle import SentinelFile, Throttle, Throttled, read_window


def test_chunks_grow_to_their_time() -> None:
    pace = Pace(0.2)
    for _ in range(30):
        pace.took(pace.rows, pace.rows / 10_000)
    assert 1900 <= pace.rows <= 2100
    for _ in range(30):
        pace.took(pace.rows, pace.rows / 1000)
    assert 190 <= pace.rows <= 215


def test_a_conflict_halves_it_and_it_has_bounds() -> None:
    pace = Pace(0.2, least=10, most=1000, first=400)
    pace.halve()
    assert pace.rows == 200
    for _ in range(20):
        pace.halve()
    assert pace.rows == 10
    for _ in range(20):
        pace.took(pace.rows, 0.0)
    assert pace.rows == 1000


def test_a_window_may_go_over_midnight() -> None:
    window = read_window("22:00-05:30")
    assert window.open(datetime(2026, 1, 1, 23, 0, tzinfo=UTC))
    assert window.open(datetime(2026, 1, 1, 5, 29, tzinfo=UTC))
    assert not window.open(datetime(2026, 1, 1, 5, 30, tzinfo=UTC))
    assert read_window("08:00-09:00").open(datetime(2026, 1, 1, 8, 0, tzinfo=UTC))
    with pytest.raises(UsageError):
        read_window("8-9 o'clock")


def test_the_sentinel_file_holds_and_is_named(tmp_path: Path) -> None:
    file = tmp_path / "hold"
    file.touch()
    throttle = Throttle([SentinelFile(file)], max_wait=0.0)
    with pytest.raises(Throttled, match="sentinel file") as held:
        throttle.wait()
    assert held.value.exit == 75
    file.unlink()
    throttle.wait()


def test_the_time_box_ends_a_run() -> None:
    now = iter([0.0, 1.0, 1.0, 1.0, 1.0, 11.0])
    throttle = Throttle(run_time=10, clock=lambda: next(now))
    throttle.wait()
    with pytest.raises(Throttled, match="--run-time 10 s"):
        throttle.wait()


def test_it_sleeps_between_chunks_and_not_before_the_first() -> None:
    throttle, began = Throttle(sleep=0.2), time.monotonic()
    throttle.wait()
    assert time.monotonic() - began < 0.15
    throttle.wait()
    assert time.monotonic() - began >= 0.2


def test_a_wish_to_stop_ends_the_wait(tmp_path: Path) -> None:
    (tmp_path / "hold").touch()
    stop = Stop()
    stop.want()
    Throttle([SentinelFile(tmp_path / "hold")], stop=stop).wait()
