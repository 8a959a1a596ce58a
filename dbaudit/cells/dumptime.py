"""When a dump was taken, in UTC: its date says no zone, the newest of its rows often tell it.

mysqldump and mydumper write the date of the client's clock. nova writes times in UTC, and its services report every
minute: where the newest time of the rows and the date are a whole number of quarter hours apart, but for the time that
the dump took, that number is the zone. The date alone, or a nova that was quiet, leaves a span of more than a day.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dbaudit.cells.instant import IN_FLIGHT, Instant
from dbaudit.errors import DbauditError, UsageError
from dbaudit.proof.running import ALIVE

# Zones that there are: how far their clocks are from UTC, and in what steps.
EAST, WEST, STEP = timedelta(hours=14), timedelta(hours=-12), timedelta(minutes=15)
# Bytes a second that any dump is written at: one that took longer is not known.
_SLOWEST = 2_000_000


@dataclass
class Newest:
    """The newest time of the rows that were read so far, as nova writes times; what no clock can say is left out."""

    bound: str
    time: str = ""

    def see(self, times: Iterable[str | None]) -> None:
        """Take the times of a row into account."""
        for time in times:
            if time is not None and self.time < time < self.bound:
                self.time = time

    @property
    def at(self) -> datetime | None:
        """The time; None where rows have none."""
        return _parsed(self.time) if self.time[:1] not in ("", "0") else None


def zone_of(text: str) -> tzinfo:
    """A zone by its distance from UTC (`+08:00`) or its name (`Europe/Berlin`). Raises UsageError."""
    try:
        return datetime.strptime(text, "%z").tzinfo or UTC
    except ValueError:
        pass
    try:
        return ZoneInfo(text)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise UsageError(f"{text} is no time zone that is known here", "write +08:00, UTC or Europe/Berlin") from error


def newest_before(date: str | None) -> Newest:
    """To be told of the rows of a dump of that date: no zone makes it older than the bound."""
    last = datetime.max if date is None else datetime.fromisoformat(date) - WEST + IN_FLIGHT
    return Newest(f"{last:%Y-%m-%d %H:%M:%S}")


def dumped_at(date: str | None, one: bool, size: int, newest: datetime | None, zone: tzinfo | None) -> Instant:
    """The instant of a dump: its last sign of life where nova was at work, since rows are as old as its beginning.

    `one`: it was taken in one transaction; `newest` is the newest time of its rows, `zone` that of its date where one
    was said. Raises DbauditError where rows are newer than the date in that zone.
    """
    if date is None:
        return Instant(None, one)
    said, took = datetime.fromisoformat(date), timedelta(seconds=ALIVE + size / _SLOWEST)
    if zone is not None:
        end = said.replace(tzinfo=zone).astimezone(UTC)
        if newest is not None and newest > end + IN_FLIGHT:
            raise DbauditError(
                f"rows of {newest:%Y-%m-%d %H:%M:%S} UTC are newer than the dump that they are in, of {date} ({zone})",
                "--dump-zone says the zone of the clock by which dumps were written",
            )
        return Instant(newest if newest is not None and end - took <= newest <= end else end, one)
    end = said.replace(tzinfo=UTC)
    if newest is None:
        return Instant(end, one, (end - EAST, end - WEST))
    behind = end - newest
    if -IN_FLIGHT <= behind <= took:
        return Instant(min(newest, end), one)
    ahead = behind // STEP * STEP
    if WEST <= ahead <= EAST and behind - ahead <= took:
        return Instant(newest, one, (newest, max(newest, end)))
    return Instant(max(newest, end), one, (max(newest, end - EAST), max(newest, end - WEST)))


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
