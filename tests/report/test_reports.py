"""Literal text of each format: what people and machines read is held fast here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dbaudit.errors import UsageError
from dbaudit.finding import Certainty, Effect, Finding, Severity, Skipped, Verdict, step, verdict
from dbaudit.record import DdlRecord, Failure, RowsRecord, StatementRecord, StepRecord, WarningsRecord
from dbaudit.report import json as json_report
from dbaudit.report import text
from dbaudit.report.write import Destination, destinations, write
from dbaudit.result import Basis, DatabaseResult, Result, Status, StepResult

BLOCKS = Finding(
    check="cinder.example",
    severity=Severity.ERROR,
    effect=Effect.BLOCKS,
    object="volumes.bootable",
    message="column is there already",
    step=step("cinder", 11),
    keys=("volumes.bootable",),
    remedy="Rename it.",
)
LOSS = Finding(
    check="step.rows-dropped",
    severity=Severity.WARNING,
    effect=Effect.LOSES,
    object="migrations",
    message="cinder:15 drops 1 row",
    step=step("cinder", 15),
    expected=True,
)
DRIFT = Finding("schema.extra-table", Severity.WARNING, Effect.DRIFT, "site", "table `site` is not in grizzly")
DATABASE = DatabaseResult("cinder", "cinder.sql.gz", "cinder", "grizzly", {"cinder": 9}, "5.5.34", True, 19, 1, 51837)
RESULT = Result(
    command="dry-run",
    verdict=Verdict.FAILED,
    target="havana",
    basis=Basis.PREDICTED,
    rehearsed_on="10.11.19-MariaDB",
    databases=(DATABASE,),
    findings=(BLOCKS, LOSS, DRIFT),
    skipped=(Skipped("step.foreign-key-refused", "the dump does not tell"),),
    steps=(
        StepResult(step("cinder", 10), "add transfers table"),
        StepResult(step("cinder", 11), "add bootable column"),
    ),
    notes=("restored in 0.1 s",),
)
TEXT = """\
cinder.sql.gz, database cinder: cinder grizzly (cinder 9)
  from MySQL or MariaDB 5.5.34, complete, 19 tables, 1 row, 51.8 kB

FAILED  the upgrade to havana stops at cinder:11

Stops the upgrade (1)
  error   cinder:11  volumes.bootable  [cinder.example]
          Column is there already
          Do: Rename it.

Loses data (1)
  warning cinder:15  migrations  [step.rows-dropped] (expected)
          cinder:15 drops 1 row

Differs from the release (1)
  warning site  [schema.extra-table]
          Table `site` is not in grizzly

Steps (2 pending, none was run)
  cinder:10  not-run    add transfers table
  cinder:11  not-run    add bootable column

Not checked (1)
  step.foreign-key-refused: the dump does not tell

Notes
  restored in 0.1 s
"""


def test_text() -> None:
    assert text.render(RESULT) == TEXT


def test_text_of_nothing_found() -> None:
    empty = Result("inspect", Verdict.CLEAN)
    assert text.render(empty) == "\nCLEAN  nothing found\n"


def test_text_of_steps_that_ran() -> None:
    ran = (
        StepResult(step("cinder", 10), "add transfers table", Status.OK, 0.5),
        StepResult(step("cinder", 11), "add bootable column", Status.FAILED, 0.25, "1060 Duplicate column"),
    )
    out = text.render(replace(RESULT, steps=ran, findings=(BLOCKS.confirm(True),), basis=Basis.REHEARSED))
    assert "volumes.bootable  [cinder.example] (confirmed)" in out
    assert "Steps (2 pending, 2 run on 10.11.19-MariaDB)" in out
    assert "cinder:10  ok      0.50 s  add transfers table" in out
    assert "cinder:11  failed  0.25 s  add bootable column - 1060 Duplicate column" in out


def test_colours_only_when_asked() -> None:
    assert "\x1b[" not in text.render(RESULT)
    assert "\x1b[" in text.render(RESULT, colour=True)


def test_many_keys_are_cut_and_counted() -> None:
    many = replace(BLOCKS, keys=tuple(f"k{n}" for n in range(20)), count=1234)
    out = text.render(replace(RESULT, findings=(many,)))
    assert "k0, k1, k2, k3, k4, k5, k6, k7 and 1,226 more" in out


def test_markup_in_data_is_data() -> None:
    odd = replace(BLOCKS, message="a [bold]name[/bold] with :smile:")
    assert "A [bold]name[/bold] with :smile:" in text.render(replace(RESULT, findings=(odd,)))


@pytest.mark.parametrize(("count", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (12345, "12,345 rows")])
def test_plurals(count: int, said: str) -> None:
    assert text.plural(count, "row") == said


@pytest.mark.parametrize(("count", "said"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_500_000_000, "2.5 GB")])
def test_sizes(count: int, said: str) -> None:
    assert text.size(count) == said


def test_json_envelope() -> None:
    told = json.loads(json_report.render(RESULT))
    assert list(told) == [
        "format", "command", "dbaudit", "verdict", "target", "basis", "rehearsed_on", "databases", "findings",
        "skipped", "steps", "notes",
    ]  # fmt: skip
    assert told["format"] == 1
    assert told["verdict"] == "failed"
    assert told["databases"] == [
        {
            "name": "cinder", "operand": "cinder.sql.gz", "service": "cinder", "release": "grizzly",
            "version": {"cinder": 9}, "server": "5.5.34", "complete": True, "tables": 19, "rows": 1, "bytes": 51837,
        }
    ]  # fmt: skip
    assert told["findings"][0] == {
        "check": "cinder.example", "severity": "error", "effect": "blocks", "step": "cinder:11", "certainty": "will",
        "confirmed": None, "expected": False, "object": "volumes.bootable", "count": 1, "keys": ["volumes.bootable"],
        "message": "column is there already", "facts": {}, "evidence": [], "remedy": "Rename it.",
    }  # fmt: skip
    assert told["steps"][0]["status"] == "not-run"


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ((), Verdict.CLEAN),
        ((BLOCKS,), Verdict.FAILED),
        ((LOSS,), Verdict.WARNINGS),
        ((replace(LOSS, expected=False),), Verdict.FAILED),
        ((DRIFT,), Verdict.WARNINGS),
        ((replace(DRIFT, severity=Severity.NOTE),), Verdict.CLEAN),
        ((replace(DRIFT, effect=Effect.SLOW, severity=Severity.NOTE),), Verdict.WARNINGS),
        ((replace(DRIFT, effect=Effect.ADVICE, severity=Severity.NOTE),), Verdict.CLEAN),
        ((replace(DRIFT, effect=Effect.ADVICE, severity=Severity.ERROR),), Verdict.FAILED),
        ((replace(BLOCKS, certainty=Certainty.MAY),), Verdict.FAILED),
    ],
)
def test_verdicts(findings: tuple[Finding, ...], said: Verdict) -> None:
    assert verdict(findings) is said


def test_formats_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = destinations(["text", f"json={tmp_path / 'r.json'}"], None)
    assert where == (Destination("text"), Destination("json", tmp_path / "r.json"))
    write(RESULT, where, width=None, colour=False)
    assert capsys.readouterr().out == TEXT
    assert json.loads((tmp_path / "r.json").read_text())["command"] == "dry-run"
    assert destinations(["json"], tmp_path / "o") == (Destination("json", tmp_path / "o"),)


def test_format_errors() -> None:
    with pytest.raises(UsageError, match="unknown format 'yaml'"):
        destinations(["yaml"], None)
    with pytest.raises(UsageError, match="cannot share"):
        destinations(["text", "json"], None)


WATCHED = replace(
    RESULT,
    basis=Basis.REHEARSED,
    findings=(),
    skipped=(),
    notes=(),
    steps=(
        StepResult(
            step("cinder", 10), "add transfers", Status.OK, 2.5,
            record=StepRecord(
                "2026-11-21T06:00:00+00:00", 2.5, 2.0, 3, (StatementRecord("ALTER TABLE `volumes` ...", 1, 1.9, 120),),
                rows={"volumes": RowsRecord(read=120, inserted=120)}, total=RowsRecord(read=121, inserted=120),
                bytes={"volumes": (65536, 81920), "gone": (16384, None)}, redo_bytes=12345, temporary_bytes=0,
                ddl=(DdlRecord("volumes", "ALTER TABLE volumes MODIFY size BIGINT", "COPY", "SHARED", 1.9, True),
                     DdlRecord("new", "CREATE TABLE new (id INT)", "", "", 0.1)),
                warnings=WarningsRecord(3, ("Warning 1265: Data truncated",), 2),
                not_observed=("temporary_bytes: the server's files cannot be seen from here",),
            ),
        ),
        StepResult(
            step("cinder", 11), "add bootable", Status.FAILED, 0.1, "(1060) Duplicate column name",
            failure=Failure("ALTER TABLE volumes ADD bootable INT: (1060)", ("added column volumes.fresh",),
                            changed={"volumes": 1}, retry=False, by="tried", error="(1060) again"),
        ),
        StepResult(step("cinder", 12), "add host"),
    ),
)  # fmt: skip
WATCHED_TEXT = """\
Steps (3 pending, 2 run on 10.11.19-MariaDB)
  cinder:10  ok       2.50 s  120 rows    add transfers
  cinder:11  failed   0.10 s              add bootable - (1060) Duplicate column name
  cinder:12  not-run                      add host
  cinder:10
    server 2.00 s, 3 statements, redo 12.3 kB, volumes: 120 written, 120 read
    ALTER TABLE volumes MODIFY size BIGINT: COPY, lock SHARED, 1.90 s
    slowest: ALTER TABLE `volumes` ... (1 times, 1.90 s)
    3 warnings: Warning 1265: Data truncated (2 without text)
    not observed: temporary_bytes: the server's files cannot be seen from here
  cinder:11
    failed: ALTER TABLE volumes ADD bootable INT: (1060)
    left behind: added column volumes.fresh; 1 row of volumes written
    run again, it failed: (1060) again
"""


def test_steps_that_were_watched() -> None:
    assert text.render(WATCHED).partition("\n\n")[2].partition("\n\n")[2] == WATCHED_TEXT


def test_a_record_in_json() -> None:
    found = json.loads(json_report.render(WATCHED))["steps"]
    record = found[0]["record"]
    assert record["rows_total"] == {"read": 121, "inserted": 120, "updated": 0, "deleted": 0}
    assert record["bytes"] == {"volumes": [65536, 81920], "gone": [16384, None]}
    assert record["ddl"][1]["algorithm"] is None
    assert found[1]["failure"]["retry"] == {"works": False, "by": "tried", "error": "(1060) again"}
    assert found[2]["record"] is None
