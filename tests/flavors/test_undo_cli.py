"""A reconcile is undone from the command line, by the words that it prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbaudit.cli.app import run
from dbaudit.server.server import Server
from tests.flavors.cloud import CONFIRMED, Cloud, restored


@pytest.fixture
def cloud(server: Server, corpus: Path, schema_name: str, tmp_path: Path) -> Iterator[Cloud]:
    names = (f"t_{schema_name[-12:]}", f"c_{schema_name[-12:]}", f"j_{schema_name[-12:]}")
    for name in names:
        server.drop_database(name)
    with restored(server, corpus, "havana", names, tmp_path) as found:
        yield found


@pytest.mark.server("mariadb")
def test_a_reconcile_is_undone_from_the_command_line(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.run(cloud.cell, *CONFIRMED)
    before = cloud.contents(cloud.cell)
    top, cell = (cloud.url(name).render_as_string(hide_password=False) for name in (cloud.top, cloud.cell))
    journal = ["--journal-schema", cloud.journal, "--quiet"]
    code = run(["flavors", "reconcile", top, cell, "--authority", "top", "--apply", "--format", "json", *journal])
    report = json.loads(capsys.readouterr().out)
    assert code == 1  # instances whose flavor nothing proves
    (said,) = report["runs"]
    assert cloud.contents(cloud.cell) != before
    assert run(["undo", cell, said.rpartition(" ")[2].rstrip("`"), "--apply", "--journal-schema", cloud.journal]) == 0
    assert cloud.contents(cloud.cell) == before
