"""How a follower stands: what it did since it began, what is open, whether all is well."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from dbaudit.ec2.conflicts import Conflict
from dbaudit.ec2.round import Round
from dbaudit.ec2.survey import Tally


@dataclass
class Status:
    """Counts since the start, and gauges of the last round. `lag` in seconds; `at` is the time of the last round."""

    rounds: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    held: int = 0
    held_ever: int = 0
    conflicts: int = 0
    conflicts_ever: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    base: int = 0
    waiting: int = 0
    lag: float = 0.0
    seconds: float = 0.0
    at: float = 0.0
    full_at: float = 0.0
    connected: bool = False
    lost: int = 0
    servers: dict[str, str] = field(default_factory=dict)

    def take(self, done: Round, seconds: float, lag: float, open_: Sequence[Conflict], base: int) -> dict[str, Tally]:
        """Take a round in; gives the kinds of oddities whose number changed."""
        self.rounds += 1
        self.counts += done.counts
        self.seconds, self.lag, self.at, self.base = seconds, lag, time.time(), base
        self.waiting, self.conflicts = done.waiting, len(open_)
        self.conflicts_ever += len(done.new)
        if done.held.count or done.full:
            self.held_ever += max(done.held.count - self.held, 0)
            self.held = done.held.count
        if not done.full:
            return {}
        self.full_at = self.at
        self.keys = {"grizzly": done.survey.grizzly, "havana": done.survey.havana}
        now = {str(kind): tally.count for kind, tally in done.survey.tallies.items()}
        changed = {k: t for k, t in done.survey.tallies.items() if now[str(k)] != self.kinds.get(str(k))}
        self.kinds = now
        return changed

    @property
    def health(self) -> str:
        """`ok`, or why not."""
        if not self.connected:
            return "no connection"
        return "deletes held" if self.held else "ok"
