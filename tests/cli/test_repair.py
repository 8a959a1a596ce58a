"""Audit, repair, runs and undo as an operator types them: text, JSON, exit codes."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dbaudit.cli.app import run
from dbaudit.migration.catalogue import load_catalogue, reference_at
from dbaudit.release import release
from dbaudit.server.server import Server
from tests.repair.dumps import dump
from tests.test_laws import FIXTURES, load

CHECK = "cinder.attachment-revived"


@pytest.fixture
def url(server: Server, schema: str) -> Iterator[str]:
    """A Juno cinder with the faults of the check's fixture."""
    catalogue = load_catalogue("cinder")
    assert catalogue
    reference = reference_at("cinder", catalogue.releases[release("juno")])
    assert reference
    rows = (FIXTURES / "cinder" / "attachment_revived.sql").read_text()
    version = "INSERT INTO migrate_version (repository_id, repository_path, version) VALUES ('cinder', '/x', 26);\n"
    load(server, schema, reference, rows + version)
    server.drop_database("dbaudit")
    yield server.url(server.restricted([schema, "dbaudit"]), schema).render_as_string(hide_password=False)
    server.drop_database("dbaudit")


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a command with --format json; gives its exit code and what it said."""

    def typed(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = run([*words, "--format", "json"])
        out = capsys.readouterr().out
        return code, json.loads(out) if out else None

    return typed


def test_from_audit_to_undo(server: Server, schema: str, url: str, said: Callable[..., Any]) -> None:
    before = dump(server, schema)
    code, audited = said("audit", url)
    assert CHECK in [finding["check"] for finding in audited["findings"]]
    assert code in (1, 2)
    code, plan = said("repair", CHECK, url)
    assert (code, plan["applied"], plan["plan"]["parts"][0]["table"]) == (0, False, "volumes")
    rows = plan["plan"]["rows"]
    assert rows > 0
    assert said("runs", url) == (0, {**said("runs", url)[1], "runs": []})
    assert dump(server, schema) == before
    code, done = said("repair", CHECK, url, "--apply", "--max-share", "100")
    assert (code, done["applied"], done["outcome"]["rows"]) == (0, True, rows)
    code, listed = said("runs", url)
    (only,) = listed["runs"]
    assert set(only) == {"run", "check", "started", "rows", "state"}
    assert (only["check"], only["rows"], only["state"]) == (CHECK, rows, "done")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|\+00:00)", only["started"])
    code, undo = said("undo", url, str(only["run"]))
    assert (code, undo["undo"]["rows"]) == (0, rows)
    assert dump(server, schema) != before
    code, undo = said("undo", url, str(only["run"]), "--apply")
    assert (code, undo["undo"]["rows"]) == (0, rows)
    assert dump(server, schema) == before
    assert said("runs", url)[1]["runs"][0]["state"] == "undone"
    assert CHECK in [finding["check"] for finding in said("audit", url)[1]["findings"]]


def test_the_journal_is_made_once(url: str, said: Callable[..., Any]) -> None:
    code, made = said("journal", "init", url)
    assert (code, made["command"], made["verdict"]) == (0, "journal init", "clean")
    assert made["journal"] == {"schema": "dbaudit", "made": ["lease", "run", "chunk", "image"]}
    assert said("journal", "init", url)[1]["journal"]["made"] == []


def test_the_text_says_what_would_be_done(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["repair", CHECK, url]) == 0
    text = capsys.readouterr().out
    assert "of `volumes` would be updated" in text
    assert "attach_status: before attached, attach_status: after detached" in text
    assert "Nothing was written; --apply does it." in text


def test_refusals_have_their_exit_codes(
    server: Server, schema: str, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["repair", "cinder.nothing-of-the-kind", url]) == 64
    assert run(["repair", "cinder.deleted-null", url]) == 64
    assert "has no repair" in capsys.readouterr().err
    assert run(["undo", url, "77"]) == 66
    assert run(["repair", CHECK, url, "--apply", "--max-rows", "0"]) == 64
    assert run(["journal", "init", url]) == 0
    assert "made lease, run, chunk, image in `dbaudit`" in capsys.readouterr().out
    assert run(["undo", url, "77"]) == 64
    with contextlib.closing(server.admin("dbaudit")) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO lease (name, number, holder, work, expires) VALUES (%s, 7, %s, 'tokens flush', "
            "UTC_TIMESTAMP(6) + INTERVAL 60 SECOND)",
            (schema, json.dumps({"host": "elsewhere", "pid": 4711, "space": "x", "started": "1"})),
        )
    capsys.readouterr()
    assert run(["repair", CHECK, url, "--apply", "--max-share", "100"]) == 75
    assert "process 4711 on elsewhere" in capsys.readouterr().err
    assert run(["runs", url, "--unlock"]) == 75
    with contextlib.closing(server.admin("dbaudit")) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE lease SET expires = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND")
    assert run(["runs", url, "--unlock"]) == 0
    assert "process 4711 on elsewhere" in capsys.readouterr().out
    assert run(["repair", CHECK, url, "--apply", "--max-share", "100"]) == 0
    assert run(["runs", "prune", url, "--older-than", "0"]) == 0
    assert run(["undo", url, "1"]) == 66
