"""A real project: keystone 26's own database, stepped by keystone 30's own tool, under every safety rule."""

from __future__ import annotations

import contextlib
import os
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
from tests.migration.virtualenvs import needs_python, synced, virtualenv

TEMPLATE = "{tool} --config-file {{config}} db_sync --{{phase}}"

pytestmark = [pytest.mark.slow, pytest.mark.heavy, needs_python]


@pytest.fixture(scope="module")
def keystone26() -> Path:
    return virtualenv("keystone", 26) / "bin"


@pytest.fixture(scope="module")
def keystone30() -> Path:
    return virtualenv("keystone", 30) / "bin"


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
    synced(target, keystone26.parent, "keystone-manage", "db_sync")
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
