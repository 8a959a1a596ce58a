"""`dbaudit dry-run` of step folders that lose data on purpose, one of the nineteen ways a step, on each server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import matrix
from tests.cli.conftest import Dbaudit
from tests.proof.test_witness import STEPS, renamed, steps_of

Report = dict[str, Any]


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> Path:
    """A server program for each server of the matrix."""
    if not (found := matrix.program(request.param)):
        pytest.skip(f"there is no server program of {request.param} on this machine")
    return found


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """The tables of all cases in one dump."""
    before = (f"{renamed(sql, case, number)};\n" for number, case in STEPS.items() for sql in case.before)
    path = tmp_path / "site.sql"
    head = "-- MySQL dump 10.13\n-- Server version\t5.5.34\nSET NAMES utf8mb4;\nSET sql_mode = '';\n"
    path.write_text(f"{head}{''.join(before)}-- Dump completed on 2013-11-15 12:00:00\n")
    return path


@pytest.fixture
def rehearse(dbaudit: Dbaudit, dump: Path, program: Path, tmp_path: Path) -> Callable[..., tuple[int, Report]]:
    """Run a folder of steps, and give the exit code and the report."""

    def run(kind: str, *options: object) -> tuple[int, Report]:
        folder = tmp_path / kind
        if not folder.exists():
            steps_of(folder, kind)
        ran = dbaudit(
            "dry-run", dump, "--to", "havana", "--runner", f"sql:{folder}", "--server-binary", program,
            "--format", "json", *options,
        )  # fmt: skip
        assert ran.out, ran.err
        return ran.code, ran.json

    return run


def losses(report: Report) -> set[tuple[int, str | None]]:
    found = [each for each in report["findings"] if each["effect"] == "loses-data"]
    # The cascade's cause is a loss too.
    return {(each["facts"]["class"], each["step"]) for each in found if each["object"] != "p_13"}


WANTED = {(number, f"database:{number}") for number in range(1, 20)}


@pytest.mark.heavy  # what a server tells of its rows is asked of all in tests/proof
def test_every_loss_is_found_and_blamed_on_its_step(rehearse: Callable[..., tuple[int, Report]]) -> None:
    code, report = rehearse("loss")
    assert (code, report["verdict"], report["basis"]) == (2, "failed", "rehearsed")
    assert losses(report) == WANTED
    assert report["rehearsed_with"]["processors"] >= 1 and report["rehearsed_with"]["buffer_pool_bytes"] > 0
    assert report["rehearsed_with"]["settings"]["innodb_flush_log_at_trx_commit"] == "0"
    assert all(each["status"] == "ok" for each in report["steps"])
    cut = next(each for each in report["findings"] if each["facts"].get("class") == 4)
    assert (cut["object"], cut["count"], cut["keys"], cut["expected"]) == ("t_4.a", 1, ["x"], False)
    records = [each["record"] for each in report["steps"]]
    assert all(each["rows"] is not None and each["redo_bytes"] is not None for each in records)
    assert "removed table volumes_1" in records[0]["schema"]
    assert records[3]["warnings"]["count"] >= 1


@pytest.mark.heavy  # what a server tells of its rows is asked of all in tests/proof
def test_no_harmless_twin_is_reported(rehearse: Callable[..., tuple[int, Report]]) -> None:
    code, report = rehearse("twin")
    assert losses(report) == set()
    assert (code, report["verdict"]) == (1, "warnings")  # not the dump's server
    assert all(each["status"] == "ok" for each in report["steps"])


@pytest.mark.server("mariadb")
def test_every_table_after_every_step_finds_the_same(rehearse: Callable[..., tuple[int, Report]]) -> None:
    assert losses(rehearse("loss", "--manifest", "every-step")[1]) == WANTED


@pytest.mark.server("mariadb")
def test_only_the_ends_find_the_same_without_the_step(rehearse: Callable[..., tuple[int, Report]]) -> None:
    assert losses(rehearse("loss", "--manifest", "ends")[1]) == {(number, None) for number in range(1, 20)}


@pytest.mark.server("mariadb")
def test_without_manifests_nothing_is_proved(rehearse: Callable[..., tuple[int, Report]]) -> None:
    _, report = rehearse("loss", "--manifest", "off")
    assert losses(report) == set()
    assert "proof.losses" in {each["check"] for each in report["skipped"]}
    assert report["verdict"] != "clean"
