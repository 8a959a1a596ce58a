"""`dbaudit flavors` and `dbaudit cells` from the command line: exit codes, JSON, and plans that touch nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbaudit.cli.app import run
from tests.flavors.cloud import Dumps

COMMANDS = (
    (("flavors", "check"), (), 2),
    (("flavors", "reconcile"), ("--authority", "top"), 0),
    (("flavors", "migrate"), (), 0),
    (("cells", "compare"), (), 2),
)


@pytest.mark.parametrize(("words", "more", "code"), COMMANDS)
def test_exit_code_and_json(
    dumps: Dumps, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], more: tuple[str, ...], code: int
) -> None:
    paths = [str(dumps.path(place, "kilo")) for place in ("top", "cell")]
    assert run([*words, *paths, *more, "--format", "json", "--quiet", "--jobs", "1"]) == code
    report = json.loads(capsys.readouterr().out)
    assert report["command"] == " ".join(words)
    assert len(report["databases"]) == 2
    for finding in report["findings"]:
        assert finding["step"] or finding["effect"] != "blocks"
        assert len(finding["keys"]) in (0, finding["count"]) or not finding["check"].startswith("flavors.embedded")


def test_keys_are_never_cut(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dumps = [str(corpus / f"data/nova-{place}-kilo.sql.gz") for place in ("top", "cell")]
    run(["flavors", "check", *dumps, "--format", "json", "--quiet", "--jobs", "2"])
    found = [
        each for each in json.loads(capsys.readouterr().out)["findings"] if each["check"] == "flavors.not-migrated"
    ]
    assert [len(each["keys"]) == each["count"] > 1000 for each in found] == [True, True]


def test_a_dump_is_not_written_to(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dumps = [str(corpus / f"data/nova-{place}-kilo.sql.gz") for place in ("top", "cell")]
    assert run(["flavors", "reconcile", *dumps, "--authority", "top", "--apply", "--quiet"]) == 64
    assert "a dump cannot be written to" in capsys.readouterr().err


def test_what_is_no_nova_database_is_said(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dumps = [str(corpus / f"data/{name}-havana.sql.gz") for name in ("nova-top", "glance")]
    assert run(["flavors", "check", *dumps, "--quiet"]) == 64
    assert "no nova database" in capsys.readouterr().err


def test_an_unknown_authority_names_the_choices(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dumps = [str(corpus / f"data/nova-{place}-havana.sql.gz") for place in ("top", "cell")]
    assert run(["flavors", "reconcile", *dumps, "--authority", "nobody", "--quiet"]) == 64
    assert "one of: top, d_nova_cell" in capsys.readouterr().err
