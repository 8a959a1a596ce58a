"""The structure of steps whose code nobody can install any more, on real databases and with the server's own errors."""

from __future__ import annotations

import contextlib
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dbaudit.dryrun.pipeline import dry_run
from dbaudit.dryrun.request import Request, RunnerRequest
from dbaudit.errors import UsageError
from dbaudit.finding import Effect, Verdict
from dbaudit.migration.catalogue import Catalogue, load_catalogue
from dbaudit.migration.facts import read_facts
from dbaudit.migration.reference_runner import ReferenceRunner
from dbaudit.migration.revisions import standing
from dbaudit.migration.runner import Target
from dbaudit.progress import silent
from dbaudit.release import release
from dbaudit.result import Basis, Result, Status
from dbaudit.schema.read import read_live
from dbaudit.server.place import Places
from dbaudit.server.server import Server

DUMPS = Path(__file__).resolve().parents[2] / "fixtures" / "dumps"
Rehearse = Callable[..., Result]


@pytest.fixture
def rehearse(places: Places, tmp_path: Path) -> Rehearse:
    """A whole dry-run with the reference runner."""

    def run(dump: Path, to: str) -> Result:
        runner = RunnerRequest("reference", output=tmp_path / "kept")
        return dry_run(Request(str(dump), release(to), runner=runner), places, dict(os.environ), silent)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", ["keystone-grizzly", "cinder-grizzly", "glance-grizzly", "nova-cell-grizzly"])
def test_after_havanas_steps_the_schema_is_havanas(corpus: Path, rehearse: Rehearse, name: str) -> None:
    result = rehearse(corpus / "data" / f"{name}.sql.gz", "havana")
    assert [(str(each.step), each.error) for each in result.steps if each.status is not Status.OK] == []
    assert len(result.steps) > 5
    # The drift of the end is held against the release, known variants left out.
    assert [(each.check, each.object) for each in result.findings if each.effect is Effect.DRIFT] == []
    assert "schema.drift" not in {each.check for each in result.skipped}
    assert result.basis is Basis.STRUCTURE
    assert result.verdict is not Verdict.CLEAN
    (said,) = [each.reason for each in result.skipped if each.check == "dry-run.data-migrations"]
    assert "data migrations were not run" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "step", "error"),
    [
        ("cinder-backport", "cinder:11", "(1060) Duplicate column name 'bootable'"),
        ("keystone-clash-index", "keystone:24", "(1061) Duplicate key name 'ix_token_expires'"),
    ],
)
def test_a_collision_fails_with_the_servers_own_error(
    corpus: Path, rehearse: Rehearse, name: str, step: str, error: str
) -> None:
    result = rehearse(corpus / "local" / f"{name}-grizzly.sql.gz", "havana")
    (failed,) = [each for each in result.steps if each.status is Status.FAILED]
    assert (str(failed.step), (failed.error or "").endswith(error)) == (step, True), failed.error
    (blocked,) = [each for each in result.findings if each.effect is Effect.BLOCKS and str(each.step) == step]
    assert blocked.confirmed is True
    assert blocked.check == "step.object-exists"
    assert result.verdict is Verdict.FAILED


@pytest.mark.slow
def test_duplicates_that_the_script_would_have_taken_out_are_no_failure(corpus: Path, rehearse: Rehearse) -> None:
    result = rehearse(corpus / "local" / "nova-dups-grizzly.sql.gz", "havana")
    assert {each.status for each in result.steps} == {Status.OK}
    # A step that passes without its work on rows disproves no prediction about rows.
    assert not [each for each in result.findings if each.confirmed is False]
    logs = "".join(path.read_text() for path in (Path(each.output) for each in result.steps if each.output))
    assert "were changed or taken out to make it unique" in logs


def test_without_a_catalogue_of_the_way_it_refuses(rehearse: Rehearse, tmp_path: Path) -> None:
    dump = tmp_path / "late.sql"
    source = next(DUMPS.glob("cinder*.sql*"))
    text = gzip.decompress(source.read_bytes()).decode() if source.suffix == ".gz" else source.read_text()
    dump.write_text(text)
    with pytest.raises(UsageError, match="the reference runner knows no steps of cinder from here to liberty"):
        rehearse(dump, "liberty")


def test_a_table_that_is_there_is_refused_by_the_server(server: Server, schema: str, tmp_path: Path) -> None:
    catalogue = load_catalogue("cinder")
    assert catalogue is not None
    step = catalogue.step("cinder:10")
    assert step is not None
    with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE transfers (id INT)")
    target = Target(server, server.restricted([schema]), schema, "cinder", tmp_path / "run")
    with ReferenceRunner(catalogue, [step], target, None) as runner:
        (pending,) = runner.pending()
        outcome = runner.run(pending)
    assert outcome.status is Status.FAILED
    assert "(1050) Table 'transfers' already exists" in str(outcome.error)


def test_a_repository_that_appears_on_the_way_gets_its_row(server: Server, schema: str, tmp_path: Path) -> None:
    catalogue = load_catalogue("keystone")
    assert catalogue is not None
    steps = [each for each in catalogue.steps if each.repository == "revoke"]
    with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE migrate_version (repository_id VARCHAR(250) PRIMARY KEY, repository_path TEXT, version INT)"
            " CHARSET=utf8"  # MySQL 5.6 has keys of 767 bytes
        )
        cursor.execute("INSERT INTO migrate_version VALUES ('keystone', 'x', 44)")
    target = Target(server, server.restricted([schema]), schema, "keystone", tmp_path / "run")
    with ReferenceRunner(catalogue, steps, target, None) as runner:
        assert [runner.run(each).revisions for each in runner.pending()] == [("revoke:1",), ("revoke:2",)]
    with contextlib.closing(server.admin(schema)) as connection:
        assert standing(connection, schema) == ("keystone:44", "revoke:2")


def test_a_step_is_stopped_after_its_time_limit(server: Server, schema: str, tmp_path: Path) -> None:
    catalogue = load_catalogue("cinder")
    assert catalogue is not None
    step = catalogue.step("cinder:11")
    assert step is not None
    target = Target(server, server.restricted([schema]), schema, "cinder", tmp_path / "run")
    with contextlib.closing(server.admin(schema)) as holder, holder.cursor() as cursor:
        cursor.execute("CREATE TABLE volumes (id VARCHAR(36) PRIMARY KEY) ENGINE=InnoDB")
        with ReferenceRunner(catalogue, [step], target, None, limit=1) as runner:
            (pending,) = runner.pending()
            cursor.execute("BEGIN")
            cursor.execute("SELECT COUNT(*) FROM volumes")  # an ALTER waits until this ends
            late = runner.run(pending)
            cursor.execute("COMMIT")
            again = runner.run(pending)
    assert (late.status, late.timed_out) == (Status.FAILED, True)
    assert "stopped after its time limit of 1 s" in str(late.error)
    assert again.status is Status.OK, again.error


def test_options_views_and_triggers_of_a_step_are_made(server: Server, schema: str, tmp_path: Path) -> None:
    """A catalogue of a site's own, where a table takes another engine and comment, and a view and a trigger come."""
    trigger = "CREATE TRIGGER `g` BEFORE INSERT ON `a` FOR EACH ROW SET NEW.n = 1"
    step = read_facts(
        {
            "step": "cinder:10", "title": "ours", "release": "havana",
            "change_options": [{"table": "a", "before": " ENGINE=MyISAM", "after": " ENGINE=InnoDB COMMENT='ours'"}],
            "add_objects": [{"sql": "CREATE VIEW `v` AS select `a`.`n` AS `n` from `a`"}, {"sql": trigger}],
            "drop_objects": [{"kind": "view", "name": "old"}],
        }
    )  # fmt: skip
    catalogue = Catalogue("cinder", (step,), (), {release("havana"): {"cinder": 10}})
    with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE a (id INT PRIMARY KEY, n INT) ENGINE=MyISAM")
        cursor.execute(
            "CREATE TABLE migrate_version (repository_id VARCHAR(250) PRIMARY KEY, repository_path TEXT, version INT)"
            " CHARSET=utf8"  # MySQL 5.6 has keys of 767 bytes
        )
        cursor.execute("INSERT INTO migrate_version VALUES ('cinder', 'x', 9)")
        target = Target(server, server.restricted([schema]), schema, "cinder", tmp_path / "run")
        with contextlib.closing(server.connect(target.account, schema)) as own, own.cursor() as its:
            its.execute("CREATE VIEW old AS SELECT id FROM a")
        with ReferenceRunner(catalogue, [step], target, None) as runner:
            (outcome,) = [runner.run(each) for each in runner.pending()]
        assert outcome.error is None
        now = read_live(connection, schema)
    assert (now.tables["a"].engine, now.tables["a"].comment) == ("InnoDB", "ours")
    assert (set(now.views), set(now.triggers)) == ({"v"}, {"g"})
