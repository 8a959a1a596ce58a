"""How many rows the next chunk gets, so that a chunk takes a given time.

The rate is an exponentially weighted mean, so that one slow chunk counts and one outlier does not rule.
"""

from __future__ import annotations

# Seconds a chunk should take: short enough that a service waiting for a row does not notice, long enough that the
# commit does not dominate.
TARGET = 0.2
LEAST, FIRST, MOST = 10, 200, 50_000  # rows
# Share of the newest chunk in the mean rate. Higher follows faster and swings more.
WEIGHT = 0.3
# A chunk may be this many times the one before: the first rates come from few rows and say little.
GROWTH = 2.0


class Pace:
    """Sizes chunks. `rows` is what the next one gets."""

    def __init__(self, target: float = TARGET, least: int = LEAST, most: int = MOST, first: int = FIRST) -> None:
        self.target, self.least, self.most = target, least, most
        self.rows = min(max(first, least), most)
        self._rate: float | None = None

    def took(self, rows: int, seconds: float) -> None:
        """Learn from a chunk that went through; one that found fewer rows than it might says nothing of size."""
        if rows <= 0:
            return
        rate = rows / max(seconds, 1e-4)
        self._rate = rate if self._rate is None else (1 - WEIGHT) * self._rate + WEIGHT * rate
        self._set(min(self._rate * self.target, self.rows * GROWTH))

    def halve(self) -> None:
        """After a deadlock or a lock wait: half the rows, and the rate is learned anew."""
        self._rate = None
        self._set(self.rows / 2)

    def shrink(self) -> None:
        """After a chunk that was more than enough: half the rows."""
        self._set(self.rows / 2)

    def _set(self, rows: float) -> None:
        self.rows = min(max(int(rows), self.least), self.most)
