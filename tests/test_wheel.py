"""The wheel carries what the checkout has, and nothing else at its top."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_checks_are_all_in_the_wheel(names: set[str]) -> None:
    listed = subprocess.run(["git", "ls-files", "checks"], cwd=ROOT, check=True, capture_output=True, text=True)
    tracked = set(listed.stdout.split())
    assert tracked
    assert {name for name in names if name.startswith("dbaudit/_checks/")} == {f"dbaudit/_{name}" for name in tracked}


def test_top_level_is_ours_alone(names: set[str]) -> None:
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"dbaudit"}


def test_typed(names: set[str]) -> None:
    assert "dbaudit/py.typed" in names
