"""The limits of a step: what it may take, how long nothing may move, how much it may print. Kept while it runs."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from dbaudit.migration.output import OUTPUT_KEPT, cut_output
from dbaudit.migration.pulse import Beat, Pulse
from dbaudit.migration.runner import Target

# Seconds between two looks at what was printed. Between two beats of a pulse it is a share of the limit, so that a long
# one costs nothing.
_EVERY = 0.5
_BEATS = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a step may take, and seconds for which nothing of it may move; 0 is for ever."""

    seconds: float
    stall: float = 0.0


class Guard:
    """Calls `end` when a limit is passed; `why` then says which. Output that is too long is cut as it grows."""

    def __init__(self, limits: Limits, end: Callable[[], None], output: Path, pulse: Pulse | None = None) -> None:
        self._limits, self._end, self._output = limits, end, output
        self._pulse = pulse if limits.stall else None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.why: str | None = None

    def told(self, error: str) -> str:
        """The error of a step that was ended so."""
        return f"{self.why}: {error}"

    def _watch(self) -> None:
        begun = time.monotonic()
        end = begun + self._limits.seconds
        every = max(_EVERY, self._limits.stall / _BEATS)
        due: float = begun + every
        last: Beat | None = None
        while not self._over.wait(max(0.0, min(_EVERY, end - time.monotonic()))):
            now = time.monotonic()
            if now >= end:
                self._expire(f"stopped after its time limit of {self._limits.seconds:g} s")
                return
            with contextlib.suppress(OSError):
                if self._output.stat().st_size > 2 * OUTPUT_KEPT:
                    cut_output(self._output)
            if self._pulse is not None and now >= due:
                beat, due = self._beat(), now + every
                # What cannot be looked at is not known to stand still.
                if last is None or beat is None or beat.moved(last):
                    last = beat
                elif beat.at - last.at >= self._limits.stall:
                    self._expire(f"stopped since nothing moved for {self._limits.stall:g} s")
                    return

    def _beat(self) -> Beat | None:
        if self._pulse is None:
            return None
        try:
            return self._pulse.beat()
        except Exception:  # noqa: BLE001 - a server that is gone is told by who uses it
            self._pulse.close()
            return None

    def _expire(self, why: str) -> None:
        self.why = why
        self._end()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._pulse is not None:
            self._pulse.close()


def guarded(limits: Limits, target: Target, output: Path) -> Guard:
    """The guard of a step whose statements dbaudit sends itself: passing a limit ends its sessions."""
    return Guard(limits, target.disconnect, output, Pulse(target.server, target.account, output))
