"""Each loss is blamed on the step that did it: a folder of SQL steps, one loss each, run by the real runner."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dbaudit.finding import Finding, step
from dbaudit.migration.runner import Target
from dbaudit.migration.sql_runner import SqlRunner
from dbaudit.proof.measure import Place
from dbaudit.proof.witness import Witness
from dbaudit.result import Status
from dbaudit.server.server import Server
from tests.proof.conftest import NOTHING, execute
from tests.proof.losses import CASCADE, CASES, Case, table

# Cases whose table has the same name in every one of them get a name of their own here.
STEPS = {number: next(case for case in (*CASES, CASCADE) if case.number == number) for number in range(1, 20)}


def renamed(sql: str, case: Case, number: int) -> str:
    """The statement with its tables renamed, so that all cases stand in one database."""
    names = {"volumes", "copy_", "disks", "t", "u", "p", "c", "q"}
    sql = re.sub(r"'v(\d)'", rf"'v\1-{number}'", sql)
    words = re.split(r"('(?:[^']|'')*'|[^\w']+)", sql)
    fit = (f"{word}_{number}" if word in names else word for word in words)
    return "".join(fit) if case.number != 13 else re.sub(r"\b([pcq])( |$)(?!\.)", rf"\1_{number}\2", sql)


def steps_of(folder: Path, kind: str) -> None:
    """A file for each class, `001_loss.sql` to `019_loss.sql`."""
    folder.mkdir()
    for number, case in STEPS.items():
        statements = case.loss if kind == "loss" else case.twin
        text = "".join(f"{renamed(sql, case, number)};\n" for sql in statements)
        (folder / f"{number:03}_{kind}.sql").write_text(f"SET SESSION sql_mode = '';\n{text}")


def run(server: Server, schema: str, folder: Path, space: Path) -> tuple[Finding, ...]:
    """Run every step of a folder, look after each, and give what was lost at the end."""
    for number, case in STEPS.items():
        execute(server, schema, (renamed(sql, case, number) for sql in case.before))
    account = server.restricted([schema])
    target = Target(server, account, schema, "site", space)
    with SqlRunner(folder, target) as runner:
        witness = Witness(lambda: server.connect(account, schema), schema, Place("test", "site"), survivors=NOTHING)
        for each in runner.pending(None, None):
            outcome = runner.run(each)
            assert outcome.status is Status.OK, f"{each.step}: {outcome.error}"
            witness.after(each.step)
        return witness.conclude().findings


@pytest.mark.heavy
def test_each_loss_is_blamed_on_its_step(server: Server, schema: str, tmp_path: Path) -> None:
    steps_of(tmp_path / "steps", "loss")
    findings = run(server, schema, tmp_path / "steps", tmp_path)
    found = {(each.facts["class"], str(each.step)) for each in findings if each.object != "p_13"}
    assert found == {(number, f"site:{number}") for number in range(1, 20)}


@pytest.mark.server("mariadb")
def test_no_twin_is_blamed(server: Server, schema: str, tmp_path: Path) -> None:
    steps_of(tmp_path / "steps", "twin")
    assert run(server, schema, tmp_path / "steps", tmp_path) == ()


@pytest.mark.server("mariadb")
def test_what_a_later_step_brings_back_is_not_lost(server: Server, schema: str) -> None:
    execute(server, schema, table("t", "id VARCHAR(9) PRIMARY KEY, a INT", "('x', 1)", "('y', 2)", "('z', 3)"))
    witness = Witness(lambda: server.admin(schema), schema, Place("test"), survivors=NOTHING)
    execute(server, schema, ("CREATE TABLE kept AS SELECT * FROM t", "DELETE FROM t WHERE a > 1"))
    assert len(witness.after(step("site", 1)).losses) == 1
    execute(server, schema, ("INSERT INTO t SELECT * FROM kept WHERE a = 2", "DROP TABLE kept"))
    witness.after(step("site", 2))
    execute(server, schema, ("DELETE FROM t WHERE a = 2",))
    witness.after(step("site", 3))
    found = {str(each.step): (each.keys, each.count) for each in witness.conclude().findings}
    assert found == {"site:1": (("y", "z"), 2)} or found == {"site:1": (("z",), 1), "site:3": (("y",), 1)}


@pytest.mark.server("mariadb")
def test_two_steps_share_a_loss(server: Server, schema: str) -> None:
    execute(server, schema, table("t", "id VARCHAR(9) PRIMARY KEY, a INT", "('x', 1)", "('y', 2)", "('z', 3)"))
    witness = Witness(lambda: server.admin(schema), schema, Place("test"), survivors=NOTHING)
    for number in (1, 2):
        execute(server, schema, (f"DELETE FROM t WHERE a = {number}",))
        witness.after(step("site", number))
    found = {str(each.step): (each.keys, each.count) for each in witness.conclude().findings}
    assert found == {"site:1": (("x",), 1), "site:2": (("y",), 1)}
