"""A line on which a checker is told to be silent says why: the reason goes behind the silence, on the same line."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Built of pieces, so that this file is none of its own cases.
WORDS = ("type: " + "ignore", "no" + "qa", "ruff: no" + "qa", "pragma: no" + " cover", "shellcheck dis" + "able")
SILENCE = re.compile(f"# (?:{'|'.join(WORDS)})\\S*(.*)")


def silences(text: str) -> list[str]:
    """The lines that silence a checker and give no reason."""
    found = []
    for line in text.splitlines():
        if said := SILENCE.search(line):
            why = re.sub(r"^[\s:=A-Z0-9,]*|[-#]", "", said[1]).split()
            if len(why) < 3:
                found.append(line.strip())
    return found


def test_every_silenced_line_says_why() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no checkout of git")
    told = {}
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and path.suffix not in (".gz", ".xz", ".zst"):
            told[name] = silences(path.read_text("utf-8", "replace"))
    assert {name: lines for name, lines in told.items() if lines} == {}


@pytest.mark.parametrize(
    ("line", "silent"),
    [
        ("x = y  # type: " + "ignore[arg-type]", True),
        ("x = y  # type: " + "ignore[arg-type]  # their stubs say str", False),
        ("import x  # no" + "qa: E402", True),
        ("except Exception:  # no" + "qa: BLE001 - whatever it is, it is shown", False),
        ("# shellcheck dis" + "able=SC2086", True),
        ("# shellcheck dis" + "able=SC2086  # PARALLEL is several words", False),
        ("x = 1", False),
    ],
)
def test_a_reason_is_words_behind_the_silence(line: str, silent: bool) -> None:
    assert bool(silences(line)) is silent
