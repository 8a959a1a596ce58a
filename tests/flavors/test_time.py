"""Time as a part of the comparison: what is in flight, second looks, dumps that do not tell their instant."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from dbaudit.cells.compare import compare
from dbaudit.cells.looking import Looking
from dbaudit.cells.source import opened
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.finding import Severity
from dbaudit.flavors.check import check
from tests.flavors.cloud import CONFIRMED, Cloud, Dumps

pytestmark = pytest.mark.heavy

DRIFTED = "0471a1d6-5467-4184-a54c-ade3572d981f"


@pytest.mark.no_cover  # long, along lines that others take too
def test_live_is_what_the_dumps_are(whole: Cloud, dumps: Dumps, looking: Looking) -> None:
    for command in (check, compare):
        dumped = {(each.check, each.keys) for each in dumps.told(command, "havana").findings}
        result = command(whole.sides, looking)
        assert {(each.check, each.keys) for each in result.findings} == dumped
        assert result.extra.get("by_checksum") is (True if command is compare else None)


def test_what_changed_lately_is_in_flight(cloud: Cloud, looking: Looking) -> None:
    (vm_state,) = [each for each in compare(cloud.sides, looking).findings if "another vm_state" in each.message]
    late, *rest = vm_state.keys
    cloud.run(cloud.cell, f"UPDATE instances SET updated_at = UTC_TIMESTAMP() WHERE uuid = '{late}'")
    found = [each for each in compare(cloud.sides, looking).findings if "another vm_state" in each.message]
    assert {(each.severity, each.keys) for each in found} == {
        (Severity.ERROR, tuple(rest)), (Severity.NOTE, (late,)),
    }  # fmt: skip


def test_a_second_look_clears_what_was_a_moment(cloud: Cloud, looking: Looking) -> None:
    cloud.run(cloud.cell, f"UPDATE instances SET instance_type_id = 1 WHERE uuid = '{DRIFTED}'")
    before = {(each.check, each.keys) for each in check(cloud.sides, looking).findings}
    cloud.run(cloud.cell, f"UPDATE instances SET instance_type_id = 2 WHERE uuid = '{DRIFTED}'")

    def heal(seconds: float) -> None:
        assert seconds == 30
        cloud.run(cloud.cell, f"UPDATE instances SET instance_type_id = 1 WHERE uuid = '{DRIFTED}'")

    again = check(cloud.sides, replace(looking, again=30, sleep=heal)).findings
    assert {(each.check, each.keys) for each in again} == before


def test_a_dump_that_does_not_tell_its_instant_says_so(dumps: Dumps) -> None:
    notes = dumps.told(check, "havana").notes
    assert sum("does not say when it was taken" in each for each in notes) == 2
    assert sum("in one transaction" in each for each in notes) == 2


def test_the_date_and_the_position_of_a_dump_tell_its_instant(dumps: Dumps, looking: Looking, tmp_path: Path) -> None:
    sides = []
    for place in ("top", "cell"):
        path, done = tmp_path / f"{place}.sql", b"-- Dump completed"
        text = dumps.path(place, "havana").read_bytes().replace(done, done + b" on 2026-01-02  3:04:05")
        path.write_bytes(
            text.replace(b"SET NAMES utf8;", b"SET NAMES utf8;\n-- Position to start replication from\n", 1)
        )
        sides.append(read_operand(str(path), Reading(tmp_path)))
    result = check(sides, looking)
    assert set(result.extra["as_of"].values()) == {"2026-01-02T03:04:05Z"}
    assert all("the date of the dump has no zone" in note for note in result.notes)
    assert not check(sides, replace(looking, zone=UTC)).notes


def mirrored(cloud: Cloud) -> None:
    """Make the cell a copy of the top, so that nothing is wrong between them."""
    for table in ("instances", "instance_system_metadata", "instance_metadata", "block_device_mapping",
                  "instance_types", "instance_type_extra_specs", "instance_type_projects"):  # fmt: skip
        cloud.run(
            cloud.cell, "SET foreign_key_checks = 0", f"DELETE FROM {table}",
            f"INSERT INTO {table} SELECT * FROM `{cloud.top}`.{table}",
        )  # fmt: skip
    cloud.run(cloud.cell, "UPDATE instances SET cell_name = NULL")


def writing(cloud: Cloud, stop: threading.Event) -> None:
    """What nova does all the time: an instance changes in the cell, and a moment later at the top."""
    with contextlib.ExitStack() as stack:
        top, cell = (stack.enter_context(contextlib.closing(cloud.server.admin(n))) for n in (cloud.top, cloud.cell))
        number = 0
        while not stop.is_set():
            number += 1
            for connection in (cell, top):
                with connection.cursor() as cursor:
                    cursor.execute(
                        "UPDATE instances SET vm_state = %s, task_state = NULL, updated_at = UTC_TIMESTAMP() "
                        "WHERE deleted = 0 ORDER BY uuid LIMIT 200",
                        (("active", "stopped")[number % 2],),
                    )
                stop.wait(0.02)


@pytest.mark.server("mariadb")
def test_a_consistent_pair_under_write_load_gives_no_error(cloud: Cloud, looking: Looking) -> None:
    for name in (cloud.top, cloud.cell):
        cloud.run(name, *CONFIRMED)
    mirrored(cloud)
    still = {(each.check, each.keys) for each in compare(cloud.sides, looking).findings}
    assert not still
    stop = threading.Event()
    thread = threading.Thread(target=writing, args=(cloud, stop))
    thread.start()
    try:
        seen = 0
        until = time.monotonic() + 20
        while time.monotonic() < until and not seen:
            result = compare(cloud.sides, looking)
            assert not [each for each in result.findings if each.severity is Severity.ERROR]
            seen += len(result.findings)
    finally:
        stop.set()
        thread.join()


def test_a_dump_of_running_services_is_as_old_as_their_last_report(dumps: Dumps, tmp_path: Path) -> None:
    instants, text = [], dumps.path("cell", "havana").read_bytes()
    for date in ("2013-11-15 12:01:59", "2013-11-15 12:10:00"):  # services of these databases reported last at 12:00
        path = tmp_path / f"{date[-5:-3]}.sql"
        path.write_bytes(text.replace(b"-- Dump completed", f"-- Dump completed on {date}".encode()))
        with opened(read_operand(str(path), Reading(tmp_path))) as source:
            instants.append(source.instant.at)
    assert [f"{each:%H:%M:%S}" for each in instants if each] == ["12:00:00", "12:10:00"]
