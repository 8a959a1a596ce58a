"""A plan as a site writes it, the order that it takes, and results that outlive their process."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from dbaudit.dryrun.course import Course, Manifests
from dbaudit.dryrun.request import Request, RunnerRequest
from dbaudit.errors import DbauditError
from dbaudit.finding import Certainty, Effect, Finding, Severity, Skipped, Verdict, Waived, step
from dbaudit.plan.envelope import copied, freeze
from dbaudit.plan.file import Plan, read_plan
from dbaudit.plan.job import Job, Surroundings
from dbaudit.plan.order import Order, Place, arrange, load_order, remarks
from dbaudit.plan.state import fingerprint
from dbaudit.record import DdlRecord, RowsRecord, StatementRecord, StepRecord, WarningsRecord
from dbaudit.release import release
from dbaudit.result import Basis, DatabaseResult, Result, Status, StepResult
from dbaudit.server.place import Places


def plan(tmp_path: Path, text: str, to: str | None = None) -> Plan:
    path = tmp_path / "cloud.toml"
    path.write_text(text)
    return read_plan(path, to)


CLOUD = """
[plan]
to = "havana"
server = "private"

[[plan.database]]
operand = "dumps/nova-cell1.sql.gz"
service = "nova"
role = "cell"
runner = "command:/opt/nova-manage --config-file {config} db sync {version}"
step_timeout = 60
runner_phases = ["expand", "contract"]

[[plan.database]]
name = "volumes"
operand = "/srv/cinder.sql"
beside = ["dumps/keystone.sql.gz", "/srv/glance.sql"]
server = "container"
server_binary = "bin/mysqld"
runner = "sql:steps"
manifest = "every-step"
continue_after = ["cinder:11", "cinder:12"]
restart_at = "cinder:10"
retry = true
keep = true
rollback_time = true
stall_timeout = 90
"""


def test_a_plan_and_what_holds_for_all_its_databases(tmp_path: Path) -> None:
    found = plan(tmp_path, CLOUD)
    cell, volumes = found.members
    assert (cell.label, cell.service, cell.role) == ("nova-cell1", "nova", "cell")
    assert cell.request.operand == str(tmp_path / "dumps/nova-cell1.sql.gz")
    assert (cell.request.server, cell.request.target.name) == ("private", "havana")
    assert cell.request.runner is not None
    assert (cell.request.runner.limit, cell.request.runner.phases) == (60.0, ("expand", "contract"))
    assert (volumes.label, volumes.request.server) == ("volumes", "container")
    assert volumes.request.operand == "/srv/cinder.sql"
    assert volumes.request.beside == (str(tmp_path / "dumps/keystone.sql.gz"), "/srv/glance.sql")
    assert volumes.request.server_binary == tmp_path / "bin/mysqld"
    assert volumes.request.runner is not None
    assert volumes.request.runner.spec == f"sql:{tmp_path}/steps"
    assert volumes.request.runner.stall == 90
    assert volumes.request.course == Course(
        Manifests.EVERY_STEP, continue_after=("cinder:11", "cinder:12"), restart_at="cinder:10", retry=True, keep=True,
        rollback=True,
    )  # fmt: skip
    assert cell.request.course == Course()
    assert plan(tmp_path, CLOUD, "icehouse").target.name == "icehouse"


def test_options_of_the_command_line_hold_for_every_database(tmp_path: Path) -> None:
    path = tmp_path / "dbaudit.toml"
    path.write_text(CLOUD)
    found = read_plan(path, None, {"manifests": Manifests.ENDS, "retry": True})
    assert {(each.request.course.manifests, each.request.course.retry) for each in found.members} == {
        (Manifests.ENDS, True)
    }
    assert found.members[1].request.course.restart_at == "cinder:10"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('to = "havana"', ""), "has no to"),
        (('"havana"', '"hvana"'), "unknown release"),
        (("plan", "plam"), "holds no"),
        (('role = "cell"', 'rule = "cell"'), "unknown key rule"),
        (('name = "volumes"', 'name = "nova-cell1"'), "two databases of the plan are called nova-cell1"),
        (('operand = "/srv/cinder.sql"', ""), "has no operand"),
        (('"/srv/cinder.sql"', '"-"'), "standard input"),
        (("step_timeout = 60", 'step_timeout = "60"'), "step_timeout: '60' is of no type"),
        (('runner = "sql:steps"', "runner_probe = 'x'"), "runner_probe needs a runner"),
        (('server = "private"', 'operand = "x"'), "has the key operand"),
        (('server = "private"', "order = 'x'"), "order must be a list"),
        (("[[plan.database]]", "[[plan.databases]]"), "unknown key databases|names no database"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(DbauditError, match=said):
        plan(tmp_path, CLOUD.replace(*change))


HAVANA = load_order(release("havana"))
CELLS = (Place("c1", "nova", "cell"), Place("top", "nova", "top"), Place("c2", "nova", "cell"))


def test_the_order_of_havana() -> None:
    services = [Place(name, name) for name in ("cinder", "heat", "keystone", "glance", "ceilometer")]
    stages = arrange([*CELLS, *services], HAVANA)
    assert [(stage.title, stage.labels, stage.parallel) for stage in stages] == [
        ("ceilometer", ("ceilometer",), False), ("glance", ("glance",), False), ("keystone", ("keystone",), False),
        ("cinder", ("cinder",), False), ("nova top", ("top",), False), ("nova cells", ("c1", "c2"), True),
        ("heat", ("heat",), False),
    ]  # fmt: skip
    assert any("does not name heat" in note for note in remarks(services, HAVANA, release("havana")))


def test_no_order_is_guessed() -> None:
    assert load_order(release("train")) == Order()
    places = [Place("b", "nova"), Place("a", "keystone")]
    assert [stage.labels for stage in arrange(places, Order())] == [("b",), ("a",)]
    (note,) = remarks(places, Order(), release("train"))
    assert "no order of the upgrade to train is known" in note


def test_an_order_of_the_plan() -> None:
    order = Order(("nova:cell", "nova"), "the plan's own")
    assert [stage.title for stage in arrange(CELLS, order)] == ["nova cells", "nova top"]


def test_a_fingerprint_is_of_the_files_that_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dump, beside = tmp_path / "cinder.sql", tmp_path / "keystone.sql"
    for each in (dump, beside):
        each.write_text("SELECT 1;")
    request = Request(
        str(dump), release("havana"), runner=RunnerRequest("reference"), beside=(str(beside),), today=date(2026, 1, 1)
    )
    job = Job("one", request, Surroundings(lambda: Places(tmp_path, tmp_path), dict, lambda: tmp_path))
    first = fingerprint(job)
    (tmp_path / "something-else").write_text("in the working directory")
    assert fingerprint(job) == first
    beside.write_text("SELECT 2;")
    assert fingerprint(job) != first


def test_a_result_survives_its_text() -> None:
    record = StepRecord(
        "2026-11-21T00:00:00Z", 1.0, 0.5, 3, (StatementRecord("ALTER", 1, 0.5, 2),), {"t": RowsRecord(1, 2, 3, 4)},
        RowsRecord(1, 2, 3, 4), {"t": (1, None)}, 5, 9, 0.25, None,
        (DdlRecord("t", "ALTER", "COPY", "SHARED", 0.5, True),),
        WarningsRecord(2, ("a",), 1, (("ALTER", 2),)), ("+ t.c",), frozenset({"t", "u"}), ("temporary: no",),
    )  # fmt: skip
    finding = Finding(
        "a.b", Severity.ERROR, Effect.BLOCKS, "o", "m", step("cinder", 11), Certainty.MAY, True, True, 3, ("k",),
        {"n": 1, "l": [1]}, ("e",), "r", Waived("why", "ann", date(2027, 1, 1)), "label",
    )  # fmt: skip
    result = Result(
        "dry-run", Verdict.FAILED, "havana", Basis.REHEARSED, "10.11", (DatabaseResult("n", "o", version={"a": 1}),),
        (finding,), (Skipped("c", "r"),), (StepResult(step("cinder", 11), "t", Status.OK, 1.0, record=record),),
        ("note",), {"extra": {"x": [1, 2.5, None]}},
    )  # fmt: skip
    assert copied(result) == result
    assert freeze(copied(result)) == freeze(result)
