"""The date of a dump says no zone: what its rows tell, what `--dump-zone` says, and what stays open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path

import pytest

from dbaudit.cells.compare import compare
from dbaudit.cells.dumptime import dumped_at, newest_before, zone_of
from dbaudit.cells.looking import Looking
from dbaudit.comparison.side import Side
from dbaudit.errors import DbauditError, UsageError
from dbaudit.finding import Severity
from tests.flavors.cloud import Dumps

DAY = "2013-11-15 "
EAST = timezone(timedelta(hours=8))


def at(text: str) -> datetime:
    return datetime.fromisoformat(DAY + text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "zone", "taken", "between"),
    [
        ("12:01:59", None, "12:00:00", None),  # services reported until then: the date is in UTC
        ("11:59:58", None, "11:59:58", None),  # clocks differ a little
        ("20:01:30", None, "12:00:00", ("12:00:00", "20:01:30")),  # eight hours ahead, or nova was stopped so long
        ("07:00:40", None, "12:00:00", ("12:00:00", "12:00:00")),  # rows are newer than the date
        ("17:31:00", None, "12:00:00", ("12:00:00", "17:31:00")),  # five hours and a half
        ("12:10:00", None, "12:10:00", ("12:00:00", "24:10:00")),  # nova was quiet: nothing tells the zone
        ("20:01:30", EAST, "12:00:00", None),
        ("20:10:00", EAST, "12:10:00", None),
    ],
)
def test_the_instant_of_a_dump(
    date: str, zone: tzinfo | None, taken: str, between: tuple[str, str] | None
) -> None:  # fmt: skip
    found = dumped_at(DAY + date, True, 1_000, at("12:00:00"), zone)
    assert found.at == at(taken)
    late = at("00:10:00") + timedelta(days=1)
    span = between and tuple(late if bound.startswith("24") else at(bound) for bound in between)
    assert found.between == span


def test_a_nova_that_was_stopped_long_before_leaves_the_span_of_all_zones() -> None:
    found = dumped_at("2026-01-02 12:00:00", True, 1_000, at("12:00:00"), None)
    assert found.at == datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert found.between == (datetime(2026, 1, 1, 22, tzinfo=UTC), datetime(2026, 1, 3, 0, tzinfo=UTC))


def test_rows_that_are_newer_than_the_date_in_its_zone_are_refused() -> None:
    with pytest.raises(DbauditError, match=r"12:00:00 UTC are newer than the dump .* of 2013-11-15 12:01:00"):
        dumped_at(DAY + "12:01:00", True, 1_000, at("12:00:00"), EAST)


def test_times_that_no_clock_can_say_tell_nothing() -> None:
    newest = newest_before("2013-11-15 12:01:00")
    newest.see(["2038-01-01 00:00:00", None, "2013-11-15 11:59:00", "0000-00-00 00:00:00"])
    assert newest.at == at("11:59:00")


@pytest.mark.parametrize(("text", "hours"), [("+08:00", 8), ("-0500", -5), ("UTC", 0), ("Asia/Tokyo", 9)])
def test_names_of_zones(text: str, hours: int) -> None:
    assert datetime(2013, 11, 15, tzinfo=zone_of(text)).utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["Mars/Olympus", "8", "../etc/passwd"])
def test_what_is_no_zone(text: str) -> None:
    with pytest.raises(UsageError, match="no time zone"):
        zone_of(text)


@pytest.mark.parametrize(
    ("zone", "severity", "flight", "notes"),
    [
        (None, Severity.WARNING, "perhaps", 2),
        ("+08:00", Severity.NOTE, True, 0),
        ("UTC", Severity.ERROR, None, 0),
    ],
)  # fmt: skip
def test_what_changed_shortly_before_a_dump_of_another_zone(
    dumps: Dumps, side: Callable[[Path | str], Side], looking: Looking, tmp_path: Path,
    zone: str | None, severity: Severity, flight: object, notes: int,
) -> None:  # fmt: skip
    """Services last reported at 12:00; both dumps are of 20:01. An instance was made at the top at 11:58."""
    uuid = b"00000000-0000-4000-8000-000000000001"
    sides = []
    for place in ("top", "cell"):
        path = tmp_path / f"{place}.sql"
        data = (
            dumps.path(place, "havana")
            .read_bytes()
            .replace(b"-- Dump completed", b"-- Dump completed on 2013-11-15 20:01:30")
        )
        if place == "top":
            made = (b"INSERT INTO `instances` (`created_at`, `id`, `uuid`, `vm_state`, `cell_name`, `deleted`) VALUES "
                    b"('2013-11-15 11:58:00', 999999, '%s', 'active', 'api!cell01', 0);\n" % uuid)  # fmt: skip
            data = data.replace(b"\n-- Dump completed", b"\n" + made + b"-- Dump completed")
        path.write_bytes(data.replace(b"SET NAMES utf8;", b"SET NAMES utf8;\n-- Position to start replication from\n"))
        sides.append(side(path))
    result = compare(sides, replace(looking, zone=zone_of(zone) if zone else None))
    (found,) = [each for each in result.findings if uuid.decode() in each.keys]
    assert (found.check, found.severity, found.facts.get("in_flight")) == ("cells.only-at-top", severity, flight)
    assert len(result.notes) == notes
    assert all("--dump-zone" in note for note in result.notes)
