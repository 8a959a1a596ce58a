"""The time limit of a step that dbaudit runs itself: what it runs on the server is ended when the time is over."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Deadline:
    """Calls `end` after `limit` seconds, unless it was left before; `expired` tells which."""

    def __init__(self, limit: float, end: Callable[[], None]) -> None:
        self.limit = limit
        self._end = end
        self._over = threading.Event()
        self._timer = threading.Timer(limit, self._expire)
        self._timer.daemon = True

    @property
    def expired(self) -> bool:
        """Whether the time was over."""
        return self._over.is_set()

    def told(self, error: str) -> str:
        """The error of a step that was ended so."""
        return f"stopped after its time limit of {self.limit:g} s: {error}"

    def _expire(self) -> None:
        self._over.set()
        self._end()

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
