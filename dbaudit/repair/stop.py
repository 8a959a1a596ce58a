"""Whether a run was asked to stop: SIGTERM and SIGINT set it, the run ends after the chunk in hand."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """A wish to stop, seen between chunks and by whoever sleeps."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def wanted(self) -> bool:
        """Whether somebody wants it."""
        return self._event.is_set()

    def want(self) -> None:
        """Ask for it."""
        self._event.set()

    def sleep(self, seconds: float) -> None:
        """Sleep, at most until somebody asks for the stop."""
        self._event.wait(max(seconds, 0))


@contextmanager
def on_signals() -> Iterator[Stop]:
    """A Stop that SIGTERM, SIGHUP and SIGINT ask for while the block runs; a second signal interrupts at once."""
    stop = Stop()
    before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.wanted:
            raise KeyboardInterrupt
        stop.want()

    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if hasattr(signal, name) and threading.current_thread() is threading.main_thread():
            number = getattr(signal, name)
            before[number] = signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            # None: a handler that C code had put there; Python cannot put it back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
