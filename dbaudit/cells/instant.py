"""Time as part of a comparison: what changed since the oldest of the databases was read is in flight, not drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

# How long a change may take from one database to the other: cells v1 sends it at once and heals by a periodic task of
# a minute; the rest is for clocks that differ. Less would call a running cloud's messages drift.
IN_FLIGHT = timedelta(minutes=5)
# Seconds after which a live comparison looks at its suspects again.
SECOND_LOOK = 30.0


@dataclass(frozen=True, slots=True)
class Instant:
    """When a database was as it was read, in UTC; None where nothing tells.

    `certain` is False for a dump that does not say that it was taken in one transaction. `between` is the span in which
    the instant lies where the zone of a dump's date is not known.
    """

    at: datetime | None
    certain: bool = True
    between: tuple[datetime, datetime] | None = None


class Flight(Enum):
    """Whether a difference is of a change that may be under way."""

    NO = "no"
    PERHAPS = "perhaps"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class Horizon:
    """The time from which on changes count as in flight, as nova writes times (`2013-11-15 11:55:00`); None: never.

    From `perhaps` on they may, since the zone of a dump's date is not known.
    """

    since: str | None = None
    perhaps: str | None = None

    def judge(self, *times: str | None) -> Flight:
        """Whether one of these times of a row lies behind it."""
        latest = newest(*times)
        if latest is None or self.since is None or self.perhaps is None or latest < self.perhaps:
            return Flight.NO
        return Flight.YES if latest >= self.since else Flight.PERHAPS


def horizon(instants: Sequence[Instant]) -> Horizon:
    """The oldest instant less five minutes; databases whose instant nothing tells do not count."""
    spans = [each.between or (each.at, each.at) for each in instants if each.at is not None]
    if not spans:
        return Horizon()
    perhaps, since = (f"{min(bound) - IN_FLIGHT:%Y-%m-%d %H:%M:%S}" for bound in zip(*spans, strict=True))
    return Horizon(since, perhaps)


def notes(labels: Sequence[str], instants: Sequence[Instant]) -> tuple[str, ...]:
    """What a reader must know of the instants."""
    said = []
    for label, instant in zip(labels, instants, strict=True):
        if instant.at is None:
            said.append(f"{label} does not say when it was taken: what was in flight then cannot be told from drift")
        if instant.between is not None:
            first, last = (f"{bound:%Y-%m-%d %H:%M:%S}" for bound in instant.between)
            said.append(
                f"{label}: the date of the dump has no zone, and its rows do not tell it: it was taken between {first} "
                f"and {last} UTC; --dump-zone says it"
                if first != last
                else f"{label}: rows are newer than the date of the dump, which is not in UTC: it was taken at {first}"
            )
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
