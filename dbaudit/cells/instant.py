"""Time as part of a comparison: what changed since the oldest of the databases was read is in flight, not drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from dbaudit.cells.source import Instant

# How long a change may take from one database to the other: cells v1 sends it at once and heals by a periodic task of
# a minute; the rest is for clocks that differ. Less would call a running cloud's messages drift.
IN_FLIGHT = timedelta(minutes=5)
# Seconds after which a live comparison looks at its suspects again.
SECOND_LOOK = 30.0


@dataclass(frozen=True, slots=True)
class Horizon:
    """The time from which on changes count as in flight, as nova writes times (`2013-11-15 11:55:00`); None: never."""

    since: str | None = None

    def passed_by(self, *times: str | None) -> bool:
        """Whether one of these times of a row lies behind it."""
        return self.since is not None and any(each is not None and each >= self.since for each in times)


def horizon(instants: Sequence[Instant]) -> Horizon:
    """The oldest instant less five minutes; databases whose instant nothing tells do not count."""
    known = [each.at for each in instants if each.at is not None]
    if not known:
        return Horizon()
    return Horizon((min(known) - IN_FLIGHT).strftime("%Y-%m-%d %H:%M:%S"))


def notes(labels: Sequence[str], instants: Sequence[Instant]) -> tuple[str, ...]:
    """What a reader must know of the instants."""
    said = []
    for label, instant in zip(labels, instants, strict=True):
        if instant.at is None:
            said.append(f"{label} does not say when it was taken: what was in flight then cannot be told from drift")
        if not instant.certain:
            said.append(
                f"{label} does not say that it was taken in one transaction (mysqldump --single-transaction): rows of "
                "different tables may be of different instants"
            )
    return tuple(said)


def shown(instant: Instant) -> str | None:
    """An instant as JSON has it."""
    return None if instant.at is None else instant.at.strftime("%Y-%m-%dT%H:%M:%SZ")


def newest(*times: str | None) -> str | None:
    """The latest of some times."""
    return max((each for each in times if each is not None), default=None)
