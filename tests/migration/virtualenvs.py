"""Real projects: virtualenvs, made of committed constraints, and databases that their tools make of nothing.

Both are made once and kept in the cache for the next run. A test makes what it needs; `python -m
tests.migration.virtualenvs` makes all virtualenvs that are not there yet.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest

from dbaudit.migration.configuration import write_configuration
from dbaudit.migration.door import Door
from dbaudit.migration.runner import Target
from tests import matrix
from tests.once import alone, once

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
# Seconds for one virtualenv: 20 with a warm pip cache, a few minutes over a slow line.
INSTALL_LIMIT = 600
NO_INDEX = ("Could not find a version", "No matching distribution", "ConnectionError", "Max retries", "NameResolution")
# What a project is called by the package index, where that is not its own name.
PACKAGES = {"heat": "openstack-heat"}
# The constraints are complete for this Python; another one would resolve other packages.
FITS = sys.version_info[:2] == (3, 11)
needs_python = pytest.mark.skipif(not FITS, reason="the constraints are for Python 3.11")


def virtualenv(project: str, major: int) -> Path:
    """The virtualenv of a project: `fixtures/<project>/constraints-<major>.txt` says what is in it."""
    constraints = FIXTURES / project / f"constraints-{major}.txt"
    digest = hashlib.sha256(constraints.read_bytes() + sys.version.encode()).hexdigest()[:12]
    home = matrix.cache() / "virtualenvs" / f"{project}-{major}-{digest}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with alone(home.with_suffix(".lock")):
        if not (home / "complete").exists():
            print(f"virtualenvs: making {project} {major}", file=sys.stderr, flush=True)
            shutil.rmtree(home, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, capture_output=True)
            _install(home, constraints, project)
            (home / "complete").touch()
    return home


def _install(home: Path, constraints: Path, project: str) -> None:
    command = [str(home / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "-c", str(constraints)]
    # Later setuptools have no pkg_resources, which these projects still import.
    done = subprocess.run(
        [*command, PACKAGES.get(project, project), "PyMySQL", "setuptools<80"],
        capture_output=True,
        text=True,
        timeout=INSTALL_LIMIT,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-3:]
        if any(sign in done.stderr for sign in NO_INDEX) and not _index_answers(home):
            pytest.skip(f"no package index can be reached, so {project} was NOT tested: {last}")
        if not matrix.INSIST and shutil.which("gcc") is None:
            pytest.skip(f"there is no C compiler, so {project} was NOT tested: {last}")
        raise AssertionError(done.stderr)
    installed = subprocess.run([str(home / "bin" / "pip"), "freeze"], check=True, capture_output=True, text=True).stdout
    pinned = {line for line in constraints.read_text().splitlines() if "==" in line}
    assert set(installed.split()) - pinned == set(), "the constraints are not complete"


def _index_answers(home: Path) -> bool:
    """Whether the index has anything at all: a package that is always there. Tells no network from a bad pin."""
    command = [str(home / "bin" / "pip"), "download", "--no-deps", "--quiet", "--dest", str(home / "try"), "six"]
    return subprocess.run(command, capture_output=True, timeout=INSTALL_LIMIT).returncode == 0


def synced(target: Target, venv: Path, *command: str) -> None:
    """Upgrade an empty database as an operator does, all at once and without dbaudit.

    It is done once, by the tool; what it made is kept in the cache and restored from then on.
    """

    def make(part: Path) -> None:
        _sync(target, venv, *command)
        with part.open("wb") as dump:
            _client(target, "mariadb-dump", stdout=dump)

    if not (shutil.which("mariadb") and shutil.which("mariadb-dump")):
        _sync(target, venv, *command)
        return
    made_by = " ".join((target.service, target.server.version.name, *command))
    digest = hashlib.sha256(made_by.encode()).hexdigest()[:12]
    with once(matrix.cache() / "databases" / f"{venv.name}-{digest}.sql", make).open("rb") as dump:
        _client(target, "mariadb", stdin=dump)


def _sync(target: Target, venv: Path, *command: str) -> None:
    conf = target.directory.with_suffix(".conf")
    tool, *words = command
    line = [str(venv / "bin" / tool), "--config-file", str(conf), *words]
    with contextlib.closing(Door(target.server, target.directory)) as door:
        write_configuration(conf, target.service, door.url(target.account, target.database), {})
        done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _client(target: Target, program: str, stdin: BinaryIO | None = None, stdout: BinaryIO | None = None) -> None:
    command = [program, *matrix.reach(target.server), f"--user={target.account.user}", target.database]
    environment = {**os.environ, "MYSQL_PWD": target.account.password}
    subprocess.run(command, env=environment, stdin=stdin, stdout=stdout, check=True)


def _make(constraints: Path) -> None:
    project, major = constraints.parent.name, constraints.stem.rpartition("-")[2]
    try:
        virtualenv(project, int(major))
    except (AssertionError, OSError, subprocess.SubprocessError, pytest.skip.Exception):
        print(f"virtualenvs: {project} {major} could not be made; its tests will say why", file=sys.stderr, flush=True)


if __name__ == "__main__" and FITS:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_make, sorted(FIXTURES.glob("*/constraints-*.txt"))))
