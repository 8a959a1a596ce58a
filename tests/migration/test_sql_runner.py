"""A folder of numbered SQL files as steps."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dbaudit.errors import UsageError
from dbaudit.migration import guard
from dbaudit.migration.output import cut_output
from dbaudit.migration.runner import Target, version_step
from dbaudit.migration.sql_runner import SqlRunner
from dbaudit.result import Status


def rows(target: Target, sql: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(target.server.admin(target.database)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "sql"
    made.mkdir()
    return made


def files(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name.lstrip('_')}.sql").write_text(text)
    return folder


def test_files_run_in_the_order_of_their_numbers(cinder: Target, folder: Path) -> None:
    files(
        folder,
        _9_done="SELECT nonsense",
        _010_add="CREATE TABLE a (id INT);\nINSERT INTO a VALUES (1), (2);\n",
        V11__more="ALTER TABLE a ADD b INT",
        _100="DROP TABLE a;",
        _010_downgrade="DROP TABLE a;",
    )
    with SqlRunner(folder, cinder) as runner:
        assert "rights on the restored schema alone" in runner.prove()
        steps = runner.pending()
        assert [(str(step.step), step.title) for step in steps] == [
            ("cinder:10", "010_add.sql"),
            ("cinder:11", "V11__more.sql"),
            ("cinder:100", "100.sql"),
        ]
        assert [str(step.step) for step in runner.pending(10, last=11)] == ["cinder:11"]
        outcomes = [runner.run(step) for step in steps[:2]]
    assert [outcome.status for outcome in outcomes] == [Status.OK] * 2, [outcome.error for outcome in outcomes]
    assert [outcome.revisions for outcome in outcomes] == [("cinder:10",), ("cinder:11",)]
    assert rows(cinder, "SELECT id, b FROM a") == [(1, None), (2, None)]
    assert rows(cinder, "SELECT version FROM migrate_version") == [(11,)]
    said = outcomes[0].output.read_text().splitlines()
    assert said[0].startswith("line 1  ")
    assert said[1].endswith(" 2 rows  INSERT INTO a VALUES (1), (2)")


def test_a_failing_statement_is_named_with_its_place(cinder: Target, folder: Path) -> None:
    long = "x" * 300
    files(
        folder,
        _10=f"CREATE TABLE a (id INT);\n\n-- a comment; with ;\n/* and\nanother */\n"
        f"ALTER TABLE a ADD id\n  INT COMMENT '{long}';\n"
        "DROP TABLE a;",
    )
    outcome = SqlRunner(folder, cinder).run(version_step("cinder", 10))
    assert outcome.status is Status.FAILED
    head = f"ALTER TABLE a ADD id INT COMMENT '{long}"[:200]
    assert outcome.error == f"10.sql line 6: {head}...: (1060) Duplicate column name 'id'"
    assert "Duplicate column name" in outcome.output.read_text()
    # What came before stays, what comes after was not run, the version stands where it stood.
    assert rows(cinder, "SHOW TABLES LIKE 'a'")
    assert rows(cinder, "SELECT version FROM migrate_version") == [(9,)]
    assert outcome.revisions == ()


def test_values_and_bodies_are_not_cut(cinder: Target, folder: Path) -> None:
    files(
        folder,
        _10="CREATE TABLE a (t TEXT);\nINSERT INTO a VALUES ('a;b -- c'), ('it''s 100%');\n"
        "DELIMITER //\nCREATE PROCEDURE p() BEGIN INSERT INTO a VALUES ('x'); INSERT INTO a VALUES ('y'); END //\n"
        "DELIMITER ;\nCALL p();\n",
    )
    outcome = SqlRunner(folder, cinder).run(version_step("cinder", 10))
    assert outcome.error is None
    assert rows(cinder, "SELECT t FROM a") == [("a;b -- c",), ("it's 100%",), ("x",), ("y",)]


@pytest.mark.parametrize(("mode", "error"), [("TRADITIONAL", "(1406)"), ("", None)])
def test_the_session_has_the_given_mode(cinder: Target, folder: Path, mode: str, error: str | None) -> None:
    files(folder, _10="CREATE TABLE a (t VARCHAR(2)); INSERT INTO a VALUES ('long');")
    outcome = SqlRunner(folder, cinder, sql_mode=mode).run(version_step("cinder", 10))
    assert (outcome.error is None) == (error is None)
    assert error is None or error in str(outcome.error)


def test_a_file_may_set_the_version_itself(cinder: Target, folder: Path) -> None:
    files(folder, _10="UPDATE migrate_version SET version = 12 WHERE repository_id = 'cinder';")
    outcome = SqlRunner(folder, cinder).run(version_step("cinder", 10))
    assert outcome.revisions == ("cinder:12",)
    assert rows(cinder, "SELECT version FROM migrate_version") == [(12,)]


def test_glances_repository_has_another_name(cinder: Target, folder: Path) -> None:
    rows(cinder, "UPDATE migrate_version SET repository_id = 'Glance Migrations'")
    target = Target(cinder.server, cinder.account, cinder.database, "glance", cinder.directory)
    files(folder, _9="SELECT nonsense", _23="SELECT 1")
    runner = SqlRunner(folder, target)
    (step,) = runner.pending()
    assert str(step.step) == "glance:23"
    assert runner.run(step).revisions == ("glance:23",)


@pytest.mark.parametrize(
    "text",
    ["CREATE DATABASE other", "DROP DATABASE mysql", "SET GLOBAL read_only = 1", "SELECT 1 INTO OUTFILE '/tmp/x'"],
)
def test_a_file_has_no_right_beside_the_schema(cinder: Target, folder: Path, text: str) -> None:
    outcome = SqlRunner(files(folder, _10=text), cinder).run(version_step("cinder", 10))
    assert "denied" in str(outcome.error)


@pytest.mark.parametrize("text", ["source /etc/passwd\n", "\\! touch /tmp/x\n"])
def test_commands_to_the_client_are_refused(cinder: Target, folder: Path, text: str) -> None:
    outcome = SqlRunner(files(folder, _10=text), cinder).run(version_step("cinder", 10))
    assert "is a command to the mysql client, not SQL" in str(outcome.error)


def test_the_time_limit_stops_the_statement(cinder: Target, folder: Path) -> None:
    files(folder, _10="CREATE TABLE a (id INT);\nSELECT SLEEP(77);")
    outcome = SqlRunner(folder, cinder, limit=0.5).run(version_step("cinder", 10))
    assert outcome.timed_out
    assert str(outcome.error).startswith("stopped after its time limit of 0.5 s: 10.sql line 2: SELECT SLEEP(77)")
    assert 0.5 <= outcome.seconds < 5
    assert not rows(cinder, "SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO = 'SELECT SLEEP(77)'")


def test_a_step_in_which_nothing_moves_is_stopped(cinder: Target, folder: Path) -> None:
    """Another session holds the table, and nobody will ever give it up."""
    files(folder, _10="CREATE TABLE a (id INT);", _11="ALTER TABLE a ADD COLUMN b INT;")
    runner = SqlRunner(folder, cinder, stall=2)
    assert runner.run(version_step("cinder", 10)).error is None
    with contextlib.closing(cinder.server.admin(cinder.database)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLES a READ")
        outcome = runner.run(version_step("cinder", 11))
    assert outcome.timed_out
    assert str(outcome.error).startswith("stopped since nothing moved for 2 s: 11.sql line 1: ALTER TABLE a")
    assert 2 <= outcome.seconds < 20


def test_a_statement_that_works_for_long_is_not_stopped(cinder: Target, folder: Path) -> None:
    """It returns nothing and writes nothing for some seconds, but reads rows or keeps a processor busy."""
    loop = (
        "DELIMITER //\nCREATE PROCEDURE busy() BEGIN DECLARE t DATETIME DEFAULT SYSDATE() + INTERVAL 5 SECOND;"
        " WHILE SYSDATE() < t DO DO BENCHMARK(200000, SHA2('x', 256)); END WHILE; END//\nDELIMITER ;\nCALL busy();"
    )
    outcome = SqlRunner(files(folder, _10=loop), cinder, stall=1.5, limit=60).run(version_step("cinder", 10))
    assert outcome.error is None
    assert outcome.seconds > 3


@pytest.mark.heavy  # what is kept of it is ours to settle, whatever the server
def test_what_a_step_prints_is_cut_while_it_runs(cinder: Target, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "OUTPUT_KEPT", 20_000)
    monkeypatch.setattr(guard, "cut_output", partial(cut_output, most=20_000))
    lines = "".join(f"DO {number};\n" for number in range(20_000))
    outcome = SqlRunner(files(folder, _10=lines + "DO SLEEP(2);\nDO 'last';"), cinder).run(version_step("cinder", 10))
    said = outcome.output.read_text()
    assert outcome.error is None
    assert len(said) < 200_000
    assert said.startswith("line 1 ") and "DO 'last'" in said
    assert re.search(r"\[dbaudit: [\d,]+ bytes were cut here\]", said)


def test_interrupted_the_statement_ends_too(cinder: Target, folder: Path) -> None:
    files(folder, _10="SELECT SLEEP(78);")
    asleep = "SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO = 'SELECT SLEEP(78)'"

    def interrupt() -> None:
        while not rows(cinder, asleep):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        SqlRunner(folder, cinder).run(version_step("cinder", 10))
    time.sleep(0.1)
    assert not rows(cinder, asleep)
    assert not rows(cinder, "SHOW TRIGGERS")


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ([], "there are no SQL files"),
        (["notes"], "notes.sql has no number"),
        (["10_a", "010_b"], "010_b.sql and 10_a.sql have the same number"),
        (["10_downgrade"], "there are no SQL files"),
    ],
)
def test_folders_that_are_not_steps(cinder: Target, folder: Path, names: list[str], problem: str) -> None:
    files(folder, **dict.fromkeys(names, "SELECT 1"))
    with pytest.raises(UsageError, match=problem) as refused:
        SqlRunner(folder, cinder)
    assert refused.value.hint


def test_no_such_folder_and_no_such_step(cinder: Target, folder: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        SqlRunner(folder / "other", cinder)
    with pytest.raises(UsageError, match="has none for step cinder:11"):
        SqlRunner(files(folder, _10="SELECT 1"), cinder).run(version_step("cinder", 11))
