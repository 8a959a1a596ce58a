"""A flush with --journal can be undone; one without is in the list of runs, and cannot."""

from __future__ import annotations

from tests.cli.conftest import Dbaudit
from tests.tokens.conftest import Execute
from tests.tokens.databases import AT, EVERYTHING
from tests.tokens.test_flush import every, living

WHOLE = ("token", "trust", "trust_role", "application_credential", "application_credential_role")


def test_a_journaled_flush_is_undone(dbaudit: Dbaudit, execute: Execute, url: str, journal: str) -> None:
    execute(*EVERYTHING)
    before = every(execute)
    whole = {table: execute(f"SELECT * FROM {table} ORDER BY 1, 2") for table in WHOLE}
    words = ("--journal-schema", journal, "--format", "json")
    plan = dbaudit("tokens", "flush", url, *AT, "--journal", *words)
    assert plan.code == 0, plan.err
    assert every(execute) == before
    ran = dbaudit("tokens", "flush", url, *AT, "--journal", "--apply", *words)
    assert ran.code == 0, ran.err
    assert every(execute) == living(before)
    run = dbaudit("runs", url, *words).json["runs"][0]
    assert run["check"] == "tokens.flush"
    assert dbaudit("undo", url, run["run"], "--apply", *words).code == 0
    assert {table: execute(f"SELECT * FROM {table} ORDER BY 1, 2") for table in WHOLE} == whole
    assert every(execute) == before


def test_a_flush_without_is_listed_and_not_undone(dbaudit: Dbaudit, execute: Execute, url: str, journal: str) -> None:
    execute(*EVERYTHING)
    words = ("--journal-schema", journal)
    assert dbaudit("tokens", "flush", url, *AT, "--apply", *words).code == 0
    assert dbaudit("tokens", "flush", url, *AT, "--apply", *words).code == 0
    (run,) = dbaudit("runs", url, "--format", "json", *words).json["runs"]
    assert (run["check"], run["rows"], run["state"]) == ("tokens.flush", 22, "done")
    undo = dbaudit("undo", url, run["run"], "--apply", *words)
    assert undo.code != 0
    assert "undo" in undo.err


def test_journal_excludes_what_it_has_not(dbaudit: Dbaudit, execute: Execute, url: str) -> None:
    execute(*EVERYTHING)
    ran = dbaudit("tokens", "flush", url, "--journal", "--archive", "x.gz")
    assert ran.code == 64
    assert "exclude each other" in ran.err
