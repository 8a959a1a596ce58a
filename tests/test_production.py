"""Production: what a calibration measures and writes, and times at production's size."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pymysql
import pytest

from dbaudit.errors import DbauditError, UsageError
from dbaudit.finding import Verdict, step
from dbaudit.production import workload
from dbaudit.production.calibration import Calibration, Ratio, load, ratio_of, save
from dbaudit.production.conditions import Conditions, read_conditions
from dbaudit.production.estimate import Production, estimate, read_production
from dbaudit.production.workload import KINDS, left_behind, time_rounds
from dbaudit.progress import silent
from dbaudit.record import RowsRecord, StepRecord
from dbaudit.result import Basis, Result, Status, StepResult
from dbaudit.server.server import Server
from dbaudit.server.version import parse_version

HERE = Conditions("10.11.19-MariaDB", {"innodb_flush_log_at_trx_commit": "0"}, 1 << 30, "")
THERE = Conditions("5.6.24", {"innodb_flush_log_at_trx_commit": "1"}, 1 << 30, "")
DUMP = parse_version("5.6.20-log")


@pytest.fixture(autouse=True)
def _one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "")


def calibration(low: float = 2.0, high: float = 4.0) -> Calibration:
    return Calibration("2026-11-21T00:00:00Z", 10**6, HERE, THERE, {"copy": Ratio(low, 3.0, high)})


def ran(seconds: float, server: float | None, rows: int = 1000, size: int = 10**6) -> StepResult:
    record = StepRecord("", seconds, server, rows={"volumes": RowsRecord(read=rows)}, bytes={"volumes": (size, size)})
    return StepResult(step("cinder", 10), "", Status.OK, seconds, record=record)


def told(one: StepResult, production: Production, here: Conditions = HERE) -> Result:
    result = Result("dry-run", Verdict.CLEAN, basis=Basis.REHEARSED, steps=(one,))
    return estimate(result, {"volumes": 1024, "other": 10}, production, here, DUMP)


@pytest.mark.parametrize(
    ("one", "rows", "low", "high"),
    [
        (ran(10, 8), {}, 2 + 8 * 2, 2 + 8 * 4),  # as large as the dump: the ratio alone
        (ran(10, 8, rows=2000), {"volumes": 1024**2}, 2 + 8 * 1024 * 2, 2 + 8 * 1024 * 2 * 4),  # every row: grows
        (ran(10, 8, rows=10), {"volumes": 1024**2}, 2 + 8 * 2, 2 + 8 * 1024 * 2 * 4),  # some rows: may grow
        (ran(1, 0.5, rows=2000), {"volumes": 1024**2}, 0.5 + 0.5 * 2, 0.5 + 0.5 * 1024 * 2 * 4),  # too short to tell
        (ran(10, 8), {"other": 10**9}, 2 + 8 * 2, 2 + 8 * 4),  # a table that the step did not touch
        (ran(10, 8), {"volumes": 512}, 2 + 8 * 0.5 * 2, 2 + 8 * 4),  # smaller in production
        (ran(10, None, rows=2000), {"volumes": 2048}, 10 * 2 * 2, 10 * 2 * 1.1 * 4),
    ],
)
def test_the_range(one: StepResult, rows: dict[str, int], low: float, high: float) -> None:
    result = told(one, Production(rows, replace(calibration(), production=replace(THERE, memory=1 << 40))))
    assert result.skipped == ()
    assert result.steps[0].production == pytest.approx((low, high))
    assert result.steps[0].as_dict()["production_seconds"] == pytest.approx([low, high], abs=0.001)


@pytest.mark.parametrize(
    ("production", "here", "said"),
    [
        (Production({"volumes": 9}), HERE, "the dump is from MySQL 5.6.20, the steps ran on MariaDB 10.11.19"),
        (Production({"volumes": 9}), HERE, "innodb_flush_log_at_trx_commit=0, and production's settings are not known"),
        (Production({}, calibration()), replace(HERE, version="9.7.4"), "another throwaway server"),
        (Production({}, calibration()), replace(HERE, durability={}), "innodb_flush_log_at_trx_commit is unknown here"),
        (Production({}, replace(calibration(), throwaway=replace(HERE, machine="other"))), HERE, "was made on other"),
        (
            Production({}, replace(calibration(), production=HERE)),
            HERE,
            "MySQL 5.6.20, the calibration",
        ),
    ],
)
def test_withheld(production: Production, here: Conditions, said: str) -> None:
    result = told(ran(10, 8), production, here)
    (skip,) = result.skipped
    assert said in skip.reason
    assert result.steps[0].production is None


def test_withheld_for_one_step() -> None:
    result = told(ran(10, 8, size=10**9), Production({"volumes": 10**6}, calibration()))
    assert "more than production's buffer pool" in result.skipped[0].reason
    failed = replace(ran(10, 8), status=Status.FAILED)
    assert told(failed, Production({}, calibration())).skipped[0].reason == "cinder:10: it failed"


def test_sizes(tmp_path: Path) -> None:
    assert read_production([], None) is None
    found = read_production(["a=5", "b=1_000"], None)
    assert found is not None
    assert found.rows == {"a": 5, "b": 1000}
    for wrong in ("a=many", "=5"):
        with pytest.raises(UsageError, match="production-size"):
            read_production([wrong], None)
    with pytest.raises(DbauditError, match="absent"):
        read_production([str(tmp_path / "absent.json")], None)
    inspected = tmp_path / "inspect.json"
    inspected.write_text(
        json.dumps({"contents": [{"tables": [{"name": "t", "rows": 7}, {"name": "u", "rows": None}]}]})
    )
    found = read_production([str(inspected)], None)
    assert found is not None
    assert found.rows == {"t": 7}


def test_a_calibration_survives_its_file(tmp_path: Path) -> None:
    save(calibration(), tmp_path / "ratio.json")
    assert load(tmp_path / "ratio.json") == calibration()
    (tmp_path / "other.json").write_text('{"format": 9}')
    with pytest.raises(DbauditError, match="is no calibration"):
        load(tmp_path / "other.json")


def test_the_spread_is_that_of_the_extremes() -> None:
    assert ratio_of((1.0, 2.0, 4.0), (3.0, 4.0, 8.0)) == Ratio(0.75, 2.0, 8.0)
    two = replace(calibration(), ratios={"a": Ratio(1, 2, 3), "b": Ratio(2, 4, 9)})
    assert two.ratio == Ratio(1, 3, 9)


def test_the_workload_leaves_nothing(server: Server) -> None:
    with contextlib.closing(server.admin()) as connection:
        before = schemas(connection)
        times = time_rounds(server.admin, 10**6, 2, silent)
        assert schemas(connection) == before
        conditions = read_conditions(connection)
    assert tuple(times) == KINDS
    assert all(len(found) == 2 and min(found) > 0 for found in times.values())
    assert conditions.server.series == server.version.series
    assert conditions.durability["innodb_flush_log_at_trx_commit"] in "012"


def test_the_workload_leaves_nothing_where_it_fails(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workload, "_work", lambda schema, size: iter([("insert", [f"CREATE TABLE {schema}.work (id"])]))
    with contextlib.closing(server.admin()) as connection:
        before = schemas(connection)
        with pytest.raises(pymysql.MySQLError):
            time_rounds(server.admin, 10**6, 1, silent)
        assert schemas(connection) == before
        assert left_behind(connection) == ()


def schemas(connection: Any) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW DATABASES")
        return {row[0] for row in cursor.fetchall()}
