"""Documents are held against the code."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dbaudit import packs
from dbaudit.cli.app import app
from dbaudit.errors import Exit
from dbaudit.finding import Finding, Skipped
from dbaudit.result import DatabaseResult, Result

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("checks/*.md")])


@functools.cache
def help_of(*words: str) -> str:
    shown = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    return shown.output


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_options_exist(path: Path) -> None:
    code = "\n".join(re.findall(r"^```\w*\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL))
    joined = code.replace("\\\n", " ")
    for line in re.findall(r"^ *dbaudit (.*)$", joined, re.MULTILINE):
        words = [word for word in re.split(r"\s+#|'[^']*'", line)[0].split() if not word.startswith("-")]
        known = help_of()
        assert re.search(rf"^  {words[0]}\b", known, re.MULTILINE), line
        listed = help_of(words[0])
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", re.sub(r"'[^']*'", "", line)):
            if "Commands:" in listed:
                listed += help_of(*words[:2])
            assert option in listed, f"{words[0]} has no {option}"


def test_every_exit_code_is_in_the_help() -> None:
    shown = " ".join(help_of().split())
    for code in Exit:
        assert re.search(rf"\b{code.value}\b", shown), code.name


def test_every_key_of_the_json_report_is_documented() -> None:
    text = (ROOT / "docs" / "json.md").read_text()
    keys = {*Result("x", "clean").as_dict(), *DatabaseResult(None, "x").as_dict(), *Skipped("a", "b").as_dict()}
    keys |= set(Finding.__slots__)
    assert {key for key in keys if f"`{key}`" not in text} == set()


def test_every_target_of_the_makefile_has_help() -> None:
    text = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    for target in phony.split():
        assert re.search(rf"^{target}:.*## \S", text, re.MULTILINE), target


@pytest.mark.parametrize("identity", sorted(c.id for s in (*packs.services(), packs.STEPS) for c in packs.checks(s)))
def test_checks_explain_themselves(identity: str) -> None:
    shown = CliRunner().invoke(app, ["checks", "explain", identity])
    assert shown.exit_code == 0
    assert identity in shown.output
    assert "Why it matters" in shown.output
