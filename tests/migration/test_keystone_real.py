"""A real project: keystone 26's own database, stepped by keystone 30's own tool, under every safety rule."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dbaudit.errors import UsageError
from dbaudit.migration.command_runner import Command, CommandRunner
from dbaudit.migration.confine import Network, confine
from dbaudit.migration.revisions import standing
from dbaudit.migration.runner import StepOutcome, Target
from dbaudit.migration.tool import Surroundings
from dbaudit.result import Status
from dbaudit.server.server import Server

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "keystone"
# Seconds for one virtualenv: 20 with a warm pip cache, a few minutes over a slow line.
INSTALL_LIMIT = 600
NO_INDEX = ("Could not find a version", "No matching distribution", "ConnectionError", "Max retries", "NameResolution")
TEMPLATE = "{tool} --config-file {{config}} db_sync --{{phase}}"

pytestmark = [
    pytest.mark.slow,
    # The constraints are complete for this Python; another one would resolve other packages.
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the constraints of keystone are for Python 3.11"),
]


def virtualenv(major: int) -> Path:
    """The directory of keystone's commands, installed from its constraints once, and kept for the next run."""
    constraints = FIXTURES / f"constraints-{major}.txt"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dbaudit-tests"
    digest = hashlib.sha256(constraints.read_bytes() + sys.version.encode()).hexdigest()[:12]
    home = cache / f"keystone-{major}-{digest}"
    if not (home / "complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, capture_output=True)
        install(home, constraints)
        (home / "complete").touch()
    return home / "bin"


def install(home: Path, constraints: Path) -> None:
    command = [str(home / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "-c", str(constraints)]
    done = subprocess.run(
        [*command, "keystone", "PyMySQL", "setuptools"], capture_output=True, text=True, timeout=INSTALL_LIMIT
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-3:]
        if any(sign in done.stderr for sign in NO_INDEX) and not index_answers(home):
            pytest.skip(f"no package index can be reached, so keystone was NOT tested: {last}")
        raise AssertionError(done.stderr)
    installed = subprocess.run([str(home / "bin" / "pip"), "freeze"], check=True, capture_output=True, text=True).stdout
    pinned = {line for line in constraints.read_text().splitlines() if "==" in line}
    assert set(installed.split()) - pinned == set(), "the constraints are not complete"


def index_answers(home: Path) -> bool:
    """Whether the index has anything at all: a package that is always there. Tells no network from a bad pin."""
    command = [str(home / "bin" / "pip"), "download", "--no-deps", "--quiet", "--dest", str(home / "try"), "six"]
    return subprocess.run(command, capture_output=True, timeout=INSTALL_LIMIT).returncode == 0


@pytest.fixture(scope="module")
def keystone26() -> Path:
    return virtualenv(26)


@pytest.fixture(scope="module")
def keystone30() -> Path:
    return virtualenv(30)


@pytest.fixture
def target(server: Server, schema: str, tmp_path: Path) -> Target:
    return Target(server, server.restricted([schema]), schema, "keystone", tmp_path / "run")


def phases(commands: Path, target: Target, names: tuple[str, ...]) -> list[StepOutcome]:
    template = TEMPLATE.format(tool=commands / "keystone-manage")
    with CommandRunner(
        Command(template, Surroundings(dict(os.environ), network=network()), phases=names), target
    ) as runner:
        assert "reads the configuration it is given" in runner.prove()
        return [runner.run(step) for step in runner.phases]


def network() -> Network:
    """As an operator has to do it, where CI's container cannot make namespaces."""
    try:
        confine(Network.REFUSED)
    except UsageError:
        return Network.ALLOWED
    return Network.REFUSED


def stands_at(target: Target) -> tuple[str, ...]:
    with contextlib.closing(target.server.admin()) as connection:
        return standing(connection, target.database)


def test_keystone_26_is_stepped_to_30_by_its_own_tool(keystone26: Path, keystone30: Path, target: Target) -> None:
    made = phases(keystone26, target, ("expand", "contract"))
    assert [outcome.status for outcome in made] == [Status.OK, Status.OK], [outcome.error for outcome in made]
    # The first phase makes alembic_version itself, so that only where it ended can be seen.
    assert made[0].revisions == ("47147121",)
    assert stands_at(target) == ("47147121", "c88cdce8f248")

    expand, contract = phases(keystone30, target, ("expand", "contract"))
    assert (expand.status, contract.status) == (Status.OK, Status.OK), (expand.error, contract.error)
    assert expand.revisions == ("e8725d6fa226", "742c857f1dfb")
    assert contract.revisions == ()
    assert stands_at(target) == ("742c857f1dfb", "c88cdce8f248")
    assert "Running upgrade e8725d6fa226 -> 742c857f1dfb" in expand.output.read_text()


@pytest.mark.server("mariadb")
def test_a_failing_phase_of_keystone_says_what_the_server_said(
    keystone26: Path, keystone30: Path, target: Target
) -> None:
    phases(keystone26, target, ("expand", "contract"))
    with contextlib.closing(target.server.admin(target.database)) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE revocation_event")
    (expand,) = phases(keystone30, target, ("expand",))
    assert expand.status is Status.FAILED
    assert expand.error is not None
    assert "1146" in expand.error
    assert "revocation_event" in expand.error
    assert "[SQL: CREATE INDEX" in expand.error
    assert expand.revisions == ("e8725d6fa226",)
    assert target.account.password not in expand.output.read_text() + expand.error
