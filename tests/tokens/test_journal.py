"""A flush with --journal can be undone; one without is in the list of runs, and cannot."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.cli.conftest import Dbaudit
from tests.tokens.conftest import Execute
from tests.tokens.databases import AT, EVERYTHING, HAVANA
from tests.tokens.test_archive import fill
from tests.tokens.test_flush import every, living

pytestmark = pytest.mark.heavy

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


def test_one_that_was_killed_goes_on_with_its_cutoff(
    dbaudit: Dbaudit, execute: Execute, url: str, journal: str, environment: dict[str, str]
) -> None:
    execute(*HAVANA)
    fill(execute, 3_000)
    execute("UPDATE token SET expires = UTC_TIMESTAMP() + INTERVAL 1 DAY WHERE expires = '2014-01-01'")
    before = execute("SELECT * FROM token ORDER BY id")
    words = ("--journal-schema", journal, "--allow-expired-window", "0")
    flush = ("tokens", "flush", url, "--journal", "--apply", *words)
    process = subprocess.Popen(
        [sys.executable, "-m", "dbaudit", *flush, "--sleep", "0.4"], env=environment, stderr=subprocess.DEVNULL
    )
    chunks = f"SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{journal}' AND TABLE_NAME = 'chunk'"
    end = time.monotonic() + 60
    while not (execute(chunks) == [(1,)] and execute(f"SELECT COUNT(*) FROM `{journal}`.chunk")[0][0]):
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    (run,) = dbaudit("runs", url, "--format", "json", "--journal-schema", journal).json["runs"]
    assert run["state"] == "stopped"  # its process is gone
    left = execute("SELECT COUNT(*) FROM token WHERE expires < '2014-01-01'")[0][0]
    assert 0 < left < 3_000
    time.sleep(1.1)
    execute("INSERT INTO token VALUES ('since', UTC_TIMESTAMP(), 'x', 1, NULL, NULL)")
    time.sleep(0.1)
    other = dbaudit(*flush, "--before", "2012-01-01", "--format", "json")  # another work: not resumed
    assert other.json["outcome"]["run"] is None
    ran = dbaudit(*flush, "--format", "json")
    assert ran.code == 0, ran.err
    assert (ran.json["outcome"]["resumed"], ran.json["outcome"]["rows"]) == (True, 3_000)
    assert execute("SELECT COUNT(*) FROM token WHERE expires < '2014-01-01'") == [(0,)]
    assert execute("SELECT COUNT(*) FROM token WHERE id = 'since'") == [(1,)]  # it expired after the run's cutoff
    execute("DELETE FROM token WHERE id = 'since'")
    (run,) = dbaudit("runs", url, "--format", "json", "--journal-schema", journal).json["runs"]
    assert (run["rows"], run["state"]) == (3_000, "done")
    assert dbaudit("undo", url, run["run"], "--apply", "--journal-schema", journal).code == 0
    assert execute("SELECT * FROM token ORDER BY id") == before


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
