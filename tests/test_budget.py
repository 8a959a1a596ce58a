"""Budgets and waivers: what is over a limit, what was not measured, what a site has decided to live with."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from dbaudit.comparison.policy import read_policy
from dbaudit.dryrun.judging import judge
from dbaudit.errors import DbauditError
from dbaudit.finding import Effect, Finding, Severity, Verdict, step
from dbaudit.record import RowsRecord, StepRecord
from dbaudit.result import Basis, DatabaseResult, Result, Status, StepResult
from dbaudit.window import Stage

TODAY = date(2026, 11, 21)
WHO = 'reason = "billing"\nowner = "ann"\n'


def ran(number: int, seconds: float, rows: int, grown: int) -> StepResult:
    """A step that ran, over a table of a million bytes."""
    record = StepRecord(
        "2026-11-21T00:00:00Z", seconds, total=RowsRecord(inserted=rows), bytes={"volumes": (10**6, 10**6 + grown)}
    )
    return StepResult(step("cinder", number), "", Status.OK, seconds, record=record)


RESULT = Result(
    command="dry-run",
    verdict=Verdict.CLEAN,
    target="havana",
    basis=Basis.REHEARSED,
    databases=(DatabaseResult("cinder", "cinder.sql", "cinder", "grizzly"),),
    steps=(ran(10, 1.0, 5, 0), ran(11, 3.0, 200, 300_000)),
)
DRIFT = Finding("schema.extra-table", Severity.WARNING, Effect.DRIFT, "site_audit", "table is not in grizzly")


def judged(tmp_path: Path, text: str, result: Result = RESULT, stages: tuple[Stage, ...] = ()) -> Result:
    path = tmp_path / "dbaudit.toml"
    path.write_text(text)
    return judge(result, read_policy(path), TODAY, stages)


@pytest.mark.parametrize(
    ("limit", "objects"),
    [
        ('step = "cinder:*"\nseconds = 2', ["cinder:11"]),
        ('step = "cinder:*"\nseconds = 0.5', ["cinder:10", "cinder:11"]),
        ('step = "cinder:11"\nseconds = 3', []),
        ('step = "cinder:*"\nrows = 100', ["cinder:11"]),
        ('step = "*"\ngrowth = "200 kB"', ["cinder:11"]),
        ('step = "*"\ngrowth = 300000', []),
        ('step = "*"\ngrowth = "29 %"', ["cinder:11"]),
        ('step = "*"\ngrowth = "30%"', []),
        ('service = "cinder"\nseconds = 3.5', ["cinder"]),
        ('service = "cinder"\nrows = 204', ["cinder"]),
        ("seconds = 3.9", ["the run"]),
        ("seconds = 4", []),
        ("rows = 205", []),
        ('growth = "25 %"', ["the run"]),
        ('service = "nova"\nseconds = 0', []),
        ('database = "cell1"\nseconds = 0', []),
    ],
)
def test_limits(tmp_path: Path, limit: str, objects: list[str]) -> None:
    result = judged(tmp_path, f"[[budget]]\n{limit}")
    assert [each.object for each in result.findings] == objects
    assert {each.effect for each in result.findings} <= {Effect.SLOW}
    assert result.verdict is (Verdict.FAILED if objects else Verdict.CLEAN)
    assert result.skipped == ()


def test_a_finding_says_limit_and_measured(tmp_path: Path) -> None:
    result = judged(tmp_path, '[[budget]]\nstep = "cinder:11"\nseconds = 2\nseverity = "warning"')
    (found,) = result.findings
    assert found.message == "cinder:11 took 3.00 s; the budget is 2.00 s"
    assert (found.facts["limit"], found.facts["measured"], found.step) == (2.0, 3.0, step("cinder", 11))
    assert result.verdict is Verdict.WARNINGS


def test_what_was_not_measured_is_skipped_and_no_pass(tmp_path: Path) -> None:
    blind = replace(RESULT.steps[1], record=StepRecord("", 3.0, not_observed=("rows: userstat is off",)))
    failed = replace(RESULT.steps[1], status=Status.FAILED)
    unrun = StepResult(step("cinder", 12), "")
    text = '[[budget]]\nstep = "*"\nseconds = 5\n[[budget]]\nstep = "*"\nrows = 500\n[[budget]]\nrows = 500'
    result = judged(tmp_path, text, replace(RESULT, steps=(RESULT.steps[0], blind)))
    assert [each.reason for each in result.skipped] == [
        "cinder:11: rows: userstat is off", "the run: cinder:11: rows: userstat is off",
    ]  # fmt: skip
    result = judged(tmp_path, text, replace(RESULT, steps=(RESULT.steps[0], failed, unrun)))
    assert [(each.check, each.reason) for each in result.skipped] == [
        ("budget.seconds", "cinder:11: it failed, and would take more"),
        ("budget.seconds", "cinder:12: it was not run"),
        ("budget.rows", "cinder:11: it failed, and would take more"), ("budget.rows", "cinder:12: it was not run"),
        ("budget.rows", "the run: cinder:12: it was not run"),
    ]  # fmt: skip
    result = judged(tmp_path, '[[budget]]\nstep = "cinder:99"\nseconds = 5\n[[budget]]\nseconds=9')
    assert [each.reason.partition(": ")[2] for each in result.skipped] == [
        "entry 1 of [[budget]]: no pending step is cinder:99"
    ]


def test_over_the_limit_before_it_failed(tmp_path: Path) -> None:
    failed = replace(RESULT.steps[1], status=Status.FAILED)
    result = judged(tmp_path, "[[budget]]\nseconds = 2", replace(RESULT, steps=(RESULT.steps[0], failed)))
    assert [each.message for each in result.findings] == ["the run took at least 4.00 s; the budget is 2.00 s"]


def test_cells_side_by_side_take_as_long_as_the_longest(tmp_path: Path) -> None:
    steps = tuple(replace(each, database=name) for name in ("one", "two") for each in RESULT.steps)
    databases = tuple(replace(RESULT.databases[0], label=name) for name in ("one", "two"))
    both = replace(RESULT, steps=steps, databases=databases)
    for parallel, seconds in ((True, 4.0), (False, 8.0)):
        stages = (Stage("cinder", ("one", "two"), parallel),)
        result = judged(tmp_path, '[[budget]]\nservice = "cinder"\nseconds = 1', both, stages)
        assert [each.facts["measured"] for each in result.findings] == [seconds]


WAIVER = f'[[waiver]]\ncheck = "schema.extra-*"\nobject = "site_*"\nexpires = 2026-11-21\n{WHO}'
FOUND = replace(RESULT, findings=(DRIFT,), verdict=Verdict.WARNINGS)


def test_a_waived_finding_is_marked_and_does_not_count(tmp_path: Path) -> None:
    result = judged(tmp_path, WAIVER, FOUND)
    (found,) = result.findings
    assert found.as_dict()["waived"] == {"reason": "billing", "owner": "ann", "expires": "2026-11-21"}
    assert result.verdict is Verdict.CLEAN


@pytest.mark.parametrize(
    "change",
    [('object = "site_*"', 'object = "other"'), ('"schema.extra-*"', '"step.*"'), ("owner", 'step = "a:1"\nowner')],
)
def test_a_waiver_that_matches_nothing_is_a_note(tmp_path: Path, change: tuple[str, str]) -> None:
    result = judged(tmp_path, WAIVER.replace(*change), FOUND)
    assert [each.check for each in result.findings] == ["schema.extra-table", "waiver.unused"]
    assert result.findings[1].severity is Severity.NOTE
    assert result.verdict is Verdict.WARNINGS


def test_a_waiver_for_another_service_is_left_out(tmp_path: Path) -> None:
    result = judged(tmp_path, WAIVER + 'service = "nova"', FOUND)
    assert [each.check for each in result.findings] == ["schema.extra-table"]


def test_an_expired_waiver_waives_nothing_and_is_a_warning(tmp_path: Path) -> None:
    result = judged(tmp_path, WAIVER.replace("11-21", "11-20"), FOUND)
    assert [(each.check, each.waived) for each in result.findings] == [
        ("schema.extra-table", None), ("waiver.expired", None),
    ]  # fmt: skip
    assert judged(tmp_path, WAIVER.replace("11-21", "11-20")).verdict is Verdict.WARNINGS


def test_a_waiver_makes_nothing_clean_that_was_not_run(tmp_path: Path) -> None:
    predicted = replace(FOUND, basis=Basis.PREDICTED, steps=(StepResult(step("cinder", 10), ""),))
    assert judged(tmp_path, WAIVER, predicted).verdict is Verdict.WARNINGS


def test_a_step_that_failed_cannot_be_waived(tmp_path: Path) -> None:
    stopped = Finding("a.b", Severity.ERROR, Effect.BLOCKS, "x", "failed", step("cinder", 11), confirmed=True)
    failed = replace(RESULT, findings=(stopped,), steps=(replace(RESULT.steps[1], status=Status.FAILED),))
    result = judged(tmp_path, WAIVER.replace("schema.extra-*", "*").replace("site_*", "*"), failed)
    assert [each.check for each in result.findings if each.waived] == []
    assert result.verdict is Verdict.FAILED


def test_a_budget_can_be_waived(tmp_path: Path) -> None:
    waiver = WAIVER.replace("schema.extra-*", "budget.seconds").replace('object = "site_*"', 'step = "cinder:11"')
    result = judged(tmp_path, f'[[budget]]\nstep = "*"\nseconds = 2\n{waiver}')
    assert result.verdict is Verdict.CLEAN
    assert [each.waived is not None for each in result.findings] == [True]


@pytest.mark.parametrize("key", ["check", "object", "reason", "owner", "expires"])
def test_everything_of_a_waiver_must_be_there(tmp_path: Path, key: str) -> None:
    text = "\n".join(line for line in WAIVER.splitlines() if not line.startswith(key))
    with pytest.raises(DbauditError, match=rf"entry 1 of \[\[waiver\]\] has n.* {key}"):
        judged(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[budgets]]\nseconds = 1", "unknown key budgets"),
        ("[budget]\nseconds = 1", "list of tables"),
        ("[[budget]]\nstep = 'a:1'", "has no limit"),
        ("[[budget]]\nsecond = 1", "unknown key second"),
        ("[[budget]]\nseconds = -1", "at least 0"),
        ("[[budget]]\nseconds = '1'", "must be a number"),
        ("[[budget]]\ngrowth = '5 parsecs'", "growth '5 parsecs'"),
        ("[[budget]]\nseconds = 1\nseverity = 'note'", "severity 'note'"),
        (WAIVER.replace("2026-11-21", '"soon"'), "expires must be a day"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DbauditError, match=said):
        judged(tmp_path, text)


def test_budgets_and_waivers_of_one_database_of_a_plan(tmp_path: Path) -> None:
    """Two cells with the same steps: each limit and each waiver is about one of them."""
    cells = ("cell1", "cell2")
    result = replace(
        RESULT,
        databases=tuple(replace(RESULT.databases[0], label=each) for each in cells),
        steps=tuple(replace(each, database=cell) for cell in cells for each in RESULT.steps),
        findings=tuple(replace(DRIFT, database=cell) for cell in cells),
    )
    stages = (Stage("cinder", cells, parallel=True),)
    text = (
        '[[budget]]\ndatabase = "cell2"\nseconds = 3.5\n[[budget]]\nstep = "cinder:11"\ndatabase = "cell1"\nrows = 1\n'
        '[[budget]]\ndatabase = "cell3"\nseconds = 0\n'
        f'[[waiver]]\ncheck = "schema.*"\nobject = "*"\ndatabase = "cell1"\nexpires = 2027-01-01\n{WHO}'
        f'[[waiver]]\ncheck = "schema.*"\nobject = "*"\ndatabase = "cell3"\nexpires = 2027-01-01\n{WHO}'
    )
    found = judged(tmp_path, text, result, stages)
    assert [(each.object, each.database) for each in found.findings if each.check.startswith("budget")] == [
        ("cell2", None), ("cinder:11", "cell1"),
    ]  # fmt: skip
    assert [each.database for each in found.findings if each.waived] == ["cell1"]
    assert not [each for each in found.findings if each.check.startswith("waiver")]
