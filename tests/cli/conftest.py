"""Run the command line as a user does: a process, its output, its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dbaudit.server.place import Places
from tests import matrix
from tests.cli import forked

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "fixtures" / "dumps"


@dataclass(frozen=True)
class Ran:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


Dbaudit = Callable[..., Ran]


@pytest.fixture
def environment(places: Places) -> dict[str, str]:
    """The environment of a user whose temporary directory and cache are the tests' own."""
    own = {"TMPDIR": str(places.tmp), "XDG_CACHE_HOME": str(places.cache.parent), "NO_COLOR": ""}
    return {**os.environ, **own}


@pytest.fixture
def dbaudit(environment: dict[str, str], tmp_path: Path) -> Dbaudit:
    """Call `dbaudit` with these words; `stdin` and further variables by name."""

    def call(*words: object, stdin: bytes | None = None, within: float = 120, **variables: str) -> Ran:
        arguments, surroundings = [*map(str, words)], {**environment, **variables}
        if stdin is None:
            code, out, err = forked.call(arguments, surroundings, tmp_path, within)
            return Ran(code, out.decode(), err.decode())
        done = subprocess.run(
            [sys.executable, "-m", "dbaudit", *arguments],
            input=stdin,
            capture_output=True,
            env=surroundings,
            cwd=tmp_path,
            timeout=within,
            check=False,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call


@pytest.fixture
def on(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The options that make a command use one server of the matrix."""
    try:
        kind, path = matrix.place(request.param)
    except matrix.AbsentError as error:
        pytest.skip(str(error))
    return ("--server", kind, "--server-binary", str(path)) if path else ("--server", kind)


@pytest.fixture
def leftovers(places: Places) -> Callable[[], list[str]]:
    """What came into the temporary directory; nothing may be left there by a command that ended by itself."""
    before = {entry.name for entry in places.tmp.iterdir()}  # the server that the tests share may live there

    def look() -> list[str]:
        return sorted(entry.name for entry in places.tmp.iterdir() if entry.name not in before)

    return look
