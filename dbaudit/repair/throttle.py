"""What holds a run back, and for how long it lets itself be held.

A gauge is asked between chunks and answers with a sentence while it holds. The wait is bounded: then the run ends with
exit 75, and running it again goes on. Some bounds end it at once: the time box, the time window.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from dbaudit.errors import BusyError, UsageError
from dbaudit.progress import Progress, Watch, silent
from dbaudit.repair.stop import Stop

# Seconds between two looks at the gauges: lag and threads change no faster in a way that matters, and each look is a
# few statements.
INTERVAL = 1.0
# Seconds that a run lets itself be held back at a stretch before it gives up with exit 75.
MAX_WAIT = 120.0
_log = logging.getLogger(__name__)


class Gauge(Protocol):
    """Something that may hold a run back."""

    def holds(self) -> str | None:
        """A sentence that says what holds it back and the limit; None where nothing does. May not raise."""


class Throttled(BusyError):
    """A run that was held back for too long, or whose time is over; running it again goes on."""


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of the day, UTC, in minutes since midnight; it may go over midnight."""

    begin: int
    end: int

    def open(self, now: datetime) -> bool:
        """Whether it is open at that instant."""
        minute = now.hour * 60 + now.minute
        inside = self.begin <= minute < self.end
        return inside if self.begin < self.end else minute >= self.begin or minute < self.end

    def __str__(self) -> str:
        return "-".join(f"{each // 60:02}:{each % 60:02}" for each in (self.begin, self.end))


def read_window(text: str) -> Window:
    """`22:00-05:30` (UTC). Raises UsageError for other text."""
    try:
        begin, end = (datetime.strptime(each, "%H:%M") for each in text.split("-"))
    except ValueError:
        raise UsageError(f"{text!r} is no time window", "write it as 22:00-05:30, in UTC") from None
    return Window(begin.hour * 60 + begin.minute, end.hour * 60 + end.minute)


@dataclass(frozen=True, slots=True)
class SentinelFile:
    """Holds while a file is there: `touch` pauses every run that names it, `rm` lets them go on."""

    path: Path

    def holds(self) -> str | None:
        """A sentence while the file is there."""
        return f"the sentinel file {self.path} is there" if self.path.exists() else None


class Throttle:
    """Asked before each chunk. `run_time` in seconds from its making, `sleep` between chunks."""

    def __init__(
        self,
        gauges: Sequence[Gauge] = (),
        *,
        stop: Stop | None = None,
        run_time: float | None = None,
        sleep: float = 0.0,
        window: Window | None = None,
        max_wait: float = MAX_WAIT,
        watch: Watch = silent,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.gauges = tuple(gauges)
        self.stop = stop or Stop()
        self._deadline = None if run_time is None else clock() + run_time
        self._run_time = run_time
        self._sleep, self._window, self._max_wait = sleep, window, max_wait
        self._watch, self._clock = watch, clock
        self._looked, self._begun = float("-inf"), False
        self.waited = 0.0  # seconds held back so far, for the summary

    def wait(self, alive: Callable[[], None] = lambda: None) -> None:
        """Return when nothing holds; `alive` is called about once a second meanwhile (to renew a lease).

        Raises Throttled when it takes too long or the time is over. Returns at once when a stop is wanted.
        """
        self._end_if_over()
        if self._begun:
            self.stop.sleep(self._sleep)
        self._begun = True
        if self._clock() - self._looked < INTERVAL:
            return
        began, told = self._clock(), ""
        while not self.stop.wanted and (reason := self._reason()):
            if reason.partition(" ")[0] != told.partition(" ")[0] or not told:
                _log.info("held back: %s", reason)
            told = reason
            self._watch(Progress("held back", 0, None, "rows", reason))
            self._end_if_over()
            if self._clock() - began >= self._max_wait:
                raise Throttled(
                    f"held back for {self._max_wait:.0f} s: {reason}", "run it again: it goes on where it stopped"
                )
            alive()
            self.stop.sleep(min(INTERVAL, self._max_wait))
        if told:
            self.waited += self._clock() - began
            _log.info("goes on after %.1f s", self._clock() - began)
        self._looked = self._clock()

    def _reason(self) -> str | None:
        return next((reason for gauge in self.gauges if (reason := gauge.holds())), None)

    def _end_if_over(self) -> None:
        if self._deadline is not None and self._clock() >= self._deadline:
            raise Throttled(
                f"the time of this run is over (--run-time {self._run_time:g} s)",
                "run it again: it goes on where it stopped",
            )
        if self._window is not None and not self._window.open(datetime.now(UTC)):
            raise Throttled(f"it is outside the window {self._window} (UTC)", "run it again when the window is open")
