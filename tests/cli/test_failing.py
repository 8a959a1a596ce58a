"""Steps that fail: what they leave behind, a retry, the ways on, the server kept, the way back timed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql
import pytest

from dbaudit.migration.output import cut_output
from tests.cli.conftest import SAMPLES, Dbaudit

CINDER = SAMPLES / "cinder-grizzly.sql.gz"
GOOD = "ALTER TABLE volumes ADD COLUMN attached_host VARCHAR(255);"
# What stands before the failing statement is done, and stays.
HALF = """UPDATE volumes SET size = size + 1;
ALTER TABLE volumes ADD COLUMN fresh VARCHAR(3);
UPDATE volumes SET fresh = 'too long';
INSERT INTO volumes (id, display_name) SELECT id, 'hidden-value' FROM volumes;
"""

Report = dict[str, Any]


@pytest.fixture
def steps(dbaudit: Dbaudit, tmp_path: Path) -> Callable[..., Report]:
    """Runs SQL files by their names on a Grizzly cinder, and gives the report."""

    def run(files: dict[str, str], *options: object, code: int = 2, **variables: str) -> Report:
        folder = tmp_path / "steps"
        folder.mkdir(exist_ok=True)
        for name, sql in files.items():
            (folder / name).write_text(sql)
        ran = dbaudit(
            "dry-run", CINDER, "--to", "havana", "--runner", f"sql:{folder}", "--format", "json", *options, **variables
        )
        assert ran.code == code, ran.err
        report: Report = ran.json if ran.out else {"error": ran.err}
        return report

    return run


def of(report: Report, step: str) -> Report:
    found: Report = next(each for each in report["steps"] if each["step"] == step)
    return found


def test_what_a_failed_step_left_behind(steps: Callable[..., Report]) -> None:
    failed = of(steps({"010_half.sql": HALF, "011_good.sql": GOOD}), "cinder:10")
    assert failed["status"] == "failed"
    assert "line 4" in failed["error"]
    failure = failed["failure"]
    assert failure["left_behind"] == ["added column volumes.fresh"]
    assert failure["rows_changed"] == {"volumes": failed["record"]["rows"]["volumes"]["updated"] + 1}
    assert "INSERT INTO `volumes`" in failure["statement"] and "(1062)" in failure["statement"]
    assert "hidden-value" not in failure["statement"]
    assert failure["retry"]["works"] is not True
    assert failed["record"]["warnings"]["missing"] == 0
    assert len(failed["record"]["warnings"]["texts"]) == 120
    assert "Data truncated for column 'fresh' at row 1" in failed["record"]["warnings"]["texts"][0]


def test_a_step_that_leaves_nothing_behind_can_be_run_again(steps: Callable[..., Report]) -> None:
    failure = of(steps({"010_wrong.sql": "ALTER TABLE volumes DROP COLUMN absent;"}), "cinder:10")["failure"]
    assert (failure["left_behind"], failure["rows_changed"]) == ([], {})
    assert failure["retry"] == {"works": True, "by": "nothing left behind", "error": None}


def test_a_half_applied_step_is_told_by_the_catalogue(steps: Callable[..., Report]) -> None:
    encryption = "CREATE TABLE encryption (volume_type_id VARCHAR(36) PRIMARY KEY) ENGINE=InnoDB;\nSELECT absent;"
    report = steps({"017_half.sql": encryption}, "--restart-at", "cinder:17")
    failure = of(report, "cinder:17")["failure"]
    assert failure["left_behind"] == ["added table encryption"]
    assert (failure["retry"]["works"], failure["retry"]["by"]) == (False, "catalogue")
    assert "encryption" in failure["retry"]["error"]


def test_a_retry_is_really_made(steps: Callable[..., Report]) -> None:
    failure = of(steps({"010_half.sql": HALF}, "--retry"), "cinder:10")["failure"]
    assert (failure["retry"]["works"], failure["retry"]["by"]) == (False, "tried")
    assert "(1060)" in failure["retry"]["error"]


def test_a_retry_that_passes_goes_on(steps: Callable[..., Report]) -> None:
    again = "DELIMITER //\nCREATE PROCEDURE once() BEGIN\nDECLARE n INT;\n"
    again += "SELECT COUNT(*) INTO n FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
    again += " AND TABLE_NAME = 'seen';\nCREATE TABLE IF NOT EXISTS seen (id INT);\n"
    again += "IF n = 0 THEN SIGNAL SQLSTATE '45000'; END IF;\nEND//\nDELIMITER ;\n"
    files = {"010_once.sql": again, "011_call.sql": "CALL once();", "012_good.sql": GOOD}
    report = steps(files, "--retry")
    assert of(report, "cinder:11")["failure"]["retry"] == {"works": True, "by": "tried", "error": None}
    assert (of(report, "cinder:11")["status"], of(report, "cinder:12")["status"]) == ("failed", "ok")
    assert report["verdict"] == "failed"


def test_continue_after_marks_the_step_as_done(steps: Callable[..., Report]) -> None:
    files = {"010_half.sql": HALF, "011_good.sql": GOOD}
    report = steps(files, "--continue-after", "cinder:10")
    assert (of(report, "cinder:10")["status"], of(report, "cinder:11")["status"]) == ("failed", "ok")
    assert any("was gone past" in note and "set to 10" in note for note in report["notes"])
    assert of(steps(files, "--continue-after", "cinder:11"), "cinder:11")["status"] == "not-run"
    assert of(steps(files, "--continue-after", "all"), "cinder:11")["status"] == "ok"


def test_restart_at_leaves_out_what_is_before(steps: Callable[..., Report]) -> None:
    report = steps({"010_half.sql": HALF, "011_good.sql": GOOD}, "--restart-at", "cinder:11", code=1)
    assert (of(report, "cinder:10")["status"], of(report, "cinder:11")["status"]) == ("not-run", "ok")
    assert any("--restart-at" in note and "set to 10" in note for note in report["notes"])


def test_a_step_that_is_not_pending_is_wrong_usage(steps: Callable[..., Report]) -> None:
    for option in ("--restart-at", "--continue-after"):
        said = steps({"010_good.sql": GOOD}, option, "cinder:99", code=64)["error"]
        assert "cinder:99 is none of the pending steps" in said and "cinder:10" in said


def test_a_hung_step_is_stopped_and_says_what_it_was_at(steps: Callable[..., Report]) -> None:
    report = steps({"010_hung.sql": "SELECT SLEEP(60), 'hidden-value';"}, "--step-timeout", "2")
    hung = of(report, "cinder:10")
    assert (hung["status"], hung["timed_out"]) == ("failed", True)
    assert "stopped after its time limit of 2 s" in hung["error"]
    assert "SELECT SLEEP(60)" in hung["failure"]["doing"]
    assert "hidden-value" not in hung["failure"]["doing"]
    assert 1.5 < hung["seconds"] < 30


def test_a_database_that_is_gone_is_a_loss_and_not_an_error(steps: Callable[..., Report]) -> None:
    report = steps({"010_good.sql": GOOD, "011_drop.sql": "DROP DATABASE cinder;"})
    lost = {each["object"]: each for each in report["findings"] if each["check"] == "proof.table-dropped"}
    assert (lost["volumes"]["step"], lost["volumes"]["count"]) == ("cinder:11", 120)
    assert "removed table volumes" in of(report, "cinder:11")["record"]["schema"]


def test_after_the_database_is_gone_the_next_step_fails(steps: Callable[..., Report]) -> None:
    report = steps({"010_drop.sql": "DROP DATABASE cinder;", "011_good.sql": GOOD})
    assert of(report, "cinder:11")["status"] == "failed"
    assert {each["step"] for each in report["findings"] if each["check"] == "proof.table-dropped"} == {"cinder:10"}


def test_the_way_back_is_timed(steps: Callable[..., Report]) -> None:
    report = steps({"010_half.sql": HALF}, "--rollback-time")
    rollback = report["rollback"]
    assert 0 < rollback["seconds"] < 60
    assert (rollback["rows"], rollback["error"]) == (report["databases"][0]["rows"], None)


def test_a_kept_server_is_reached_and_ended_as_told(
    steps: Callable[..., Report], leftovers: Callable[[], list[str]]
) -> None:
    kept = steps({"010_half.sql": HALF}, "--keep")["kept"]
    words = kept["connect"].split()
    assert words[0] == "mysql" and words[2] == "cinder" and "password" not in kept["connect"]
    options = Path(words[1].partition("=")[2])
    assert options.stat().st_mode & 0o777 == 0o600
    with contextlib.closing(pymysql.connect(read_default_file=str(options), database="cinder")) as connection:
        assert connection.cursor().execute("SELECT id FROM volumes WHERE fresh IS NOT NULL LIMIT 3") == 3
    assert kept["stop"].startswith("kill ")
    os.kill(int(kept["stop"].split()[1]), signal.SIGTERM)
    end = time.monotonic() + 20
    while leftovers() and time.monotonic() < end:
        time.sleep(0.05)
    assert leftovers() == []
    # Not whatever names it: a runner of another test hides its socket from a tool.
    own = rf"(supervisor\.py .*|--datadir=){options.parent}"
    assert subprocess.run(["pgrep", "-f", own], capture_output=True, check=False).stdout == b""


def test_long_output_keeps_its_ends(tmp_path: Path) -> None:
    path = tmp_path / "step.log"
    lines = b"".join(b"line %07d\n" % number for number in range(100_000))
    path.write_bytes(lines)
    first = cut_output(path, 20_000)
    said = path.read_bytes()
    assert said.startswith(b"line 0000000\n") and said.endswith(b"line 0099999\n")
    assert f"\n\n[dbaudit: {first:,} bytes were cut here]\n\n".encode() in said
    marker = len(f"\n\n[dbaudit: {first:,} bytes were cut here]\n\n")
    assert len(said) - marker + first == len(lines)
    assert set(said.split(b"\n")) - {b""} <= {*lines.split(b"\n"), said[said.index(b"[") : said.index(b"]") + 1]}
    assert cut_output(path, 20_000) == 0
    with path.open("ab") as more:
        more.write(lines)
    second = cut_output(path, 20_000)
    said = path.read_bytes()
    assert said.count(b"bytes were cut here") == 1
    assert len(said) - len(f"\n\n[dbaudit: {second:,} bytes were cut here]\n\n") + second == 2 * len(lines)
