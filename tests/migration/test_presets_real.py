"""Real projects by their presets: a dump of an older release, stepped by a newer release's own tool."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dbaudit.dryrun.pipeline import dry_run
from dbaudit.dryrun.request import Request, RunnerRequest
from dbaudit.errors import UsageError
from dbaudit.finding import Effect
from dbaudit.migration.confine import Network, confine
from dbaudit.migration.preset import preset_for
from dbaudit.migration.preset_runner import PresetRunner, find_tool
from dbaudit.migration.runner import StepOutcome, Target
from dbaudit.migration.tool import Surroundings
from dbaudit.progress import silent
from dbaudit.release import release
from dbaudit.result import Basis, Result, Status
from dbaudit.server.place import Places
from dbaudit.server.server import Server
from tests import matrix
from tests.migration.virtualenvs import needs_python, synced, virtualenv

# The tools are the same whatever the server; keystone's test runs on all. Most of the time is theirs.
pytestmark = [pytest.mark.slow, pytest.mark.no_cover, needs_python, pytest.mark.server("mariadb")]
CINDER = (
    "INSERT INTO volume_types (id, name, deleted) VALUES ('t1', 'fast', 0)",
    "INSERT INTO volumes (id, volume_type_id, display_name, status, size, deleted, use_quota)"
    " VALUES ('v1', 't1', 'one', 'available', 1, 0, 1), ('v2', 't1', 'two', 'in-use', 2, 0, 1)",
)
GLANCE = (
    "INSERT INTO images (id, name, status, visibility, min_disk, min_ram, protected, os_hidden, created_at, deleted)"
    " VALUES ('i1', 'one', 'active', 'private', 0, 0, 0, 0, '2023-01-01 00:00:00', 0)",
)


def network() -> Network:
    """As an operator has to do it, where CI's container cannot make namespaces."""
    try:
        confine(Network.REFUSED)
    except UsageError:
        return Network.ALLOWED
    return Network.REFUSED


def stepped(target: Target, tool: str, venv: Path, phases: tuple[str, ...] = ()) -> list[StepOutcome]:
    """Everything that a tool has to do on a database."""
    installed = find_tool(tool, venv, "")
    how = Surroundings(dict(os.environ), network())
    with PresetRunner(preset_for(tool, target.service), installed, target, how, phases) as runner:
        outcomes = [runner.run(step) for step in runner.pending()]
    assert {outcome.error for outcome in outcomes} <= {None}
    return outcomes


def dumped(server: Server, schema: str, statements: Sequence[str], file: Path, *, named: bool = False) -> Path:
    """A dump of the schema as operators make it, after some rows were put in."""
    with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    account = server.restricted([schema])
    if shutil.which("mariadb-dump") is None and not matrix.INSIST:
        pytest.skip("mariadb-dump is not installed, so this tool was NOT tested")
    command = ["mariadb-dump", *matrix.reach(server), f"--user={account.user}", "--single-transaction", schema]
    if named:  # with CREATE DATABASE and USE
        command.insert(-1, "--databases")
    with file.open("wb") as sink:
        subprocess.run(command, env={**os.environ, "MYSQL_PWD": account.password}, stdout=sink, check=True)
    return file


def rehearsed(dump: Path, to: str, tool: str, venv: Path, places: Places) -> Result:
    request = RunnerRequest(f"command:{tool}", venv=venv, allow_network=network() is Network.ALLOWED)
    return dry_run(Request(str(dump), release(to), runner=request), places, dict(os.environ), silent)


@pytest.fixture
def target(server: Server, schema: str, tmp_path: Path, request: pytest.FixtureRequest) -> Target:
    service = str(request.node.name).split("_")[1]
    return Target(server, server.restricted([schema]), schema, service, tmp_path / "run")


def test_cinder_20_is_stepped_to_24_by_its_own_tool(target: Target, places: Places, tmp_path: Path) -> None:
    synced(target, virtualenv("cinder", 20), "cinder-manage", "db", "sync")
    dump = dumped(target.server, target.database, CINDER, tmp_path / "cinder.sql")
    result = rehearsed(dump, "2024.1", "cinder-manage", virtualenv("cinder", 24), places)
    assert [(str(each.step), each.status) for each in result.steps] == [("cinder:sync", Status.OK)]
    assert result.steps[0].revisions == (
        "c92a3e68beed", "daa98075b90d", "89aa6f9639f9", "b8660621f1b9", "9ab1b092a404", "b7b88f50aab5", "9c74c1c6971f",
    )  # fmt: skip
    assert result.basis is Basis.REHEARSED
    assert result.databases[0].release == "xena"
    assert any("cinder-manage reads the configuration it is given" in note for note in result.notes)
    with pytest.raises(UsageError, match="glance-manage migrates glance, and the database is of cinder"):
        rehearsed(dump, "2024.1", "glance-manage", virtualenv("glance", 28), places)


def test_glance_26_is_stepped_to_28_by_its_own_tool(target: Target, places: Places, tmp_path: Path) -> None:
    synced(target, virtualenv("glance", 26), "glance-manage", "db", "sync")
    dump = dumped(target.server, target.database, GLANCE, tmp_path / "glance.sql")
    result = rehearsed(dump, "2024.1", "glance-manage", virtualenv("glance", 28), places)
    assert [str(each.step) for each in result.steps] == ["glance:expand", "glance:migrate", "glance:contract"]
    assert [each.status for each in result.steps] == [Status.OK] * 3
    assert [each.revisions for each in result.steps] == [("2024_1_expand01",), (), ("2024_1_contract01",)]
    assert result.databases[0].release == "2023.1"


NOVA_SYNC = ("nova-manage", "db", "sync", "--local_cell")
MAPPED = (
    "INSERT INTO cell_mappings (uuid, name, transport_url, database_connection, disabled) VALUES"
    " ('00000000-0000-0000-0000-000000000000', 'cell0', 'none:///', "
    "'mysql+pymysql://nova:secret@db.prod/{nova}_cell0', 0),"
    " ('11111111-1111-1111-1111-111111111111', 'cell1', 'rabbit://nova:secret@mq.prod/', "
    "'mysql+pymysql://nova:secret@db.prod/{nova}', 0)",
)


@pytest.fixture
def beside(server: Server, schema: str) -> Iterator[tuple[str, str]]:
    """The names of nova_api's and cell0's databases, which are there and empty."""
    names = (f"{schema}_api", f"{schema}_cell0")
    for name in names:
        server.drop_database(name)
        server.create_database(name, "utf8")
    yield names
    for name in names:
        server.drop_database(name)


def test_nova_27_is_stepped_to_31_beside_its_api_database_and_its_other_cell(
    target: Target, server: Server, schema: str, beside: tuple[str, str], places: Places, tmp_path: Path
) -> None:
    """One revision at a time; `online` finds the cells in nova_api's data, whose addresses now lead to the copies."""
    old, new = virtualenv("nova", 27), virtualenv("nova", 31)
    api, cell0 = (
        Target(server, server.restricted([name]), name, service, tmp_path / service)
        for name, service in zip(beside, ("nova_api", "nova"), strict=True)
    )
    assert [o.revisions for o in stepped(api, "nova-manage", old)] == [("d67eeaabee36",), ("b30f573d3377",)]
    synced(target, old, *NOVA_SYNC)
    synced(cell0, new, *NOVA_SYNC)  # a sibling is not stepped: it was upgraded before
    cells = {api.database: [each.format(nova=schema) for each in MAPPED]}
    dumps = [
        str(dumped(server, name, cells.get(name, ["USE " + name]), tmp_path / f"{name}.sql", named=True))
        for name in (schema, *beside)
    ]
    how = RunnerRequest(
        "command:nova-manage", ("sync", "online"), venv=new, allow_network=network() is Network.ALLOWED,
        output=tmp_path / "kept",
    )  # fmt: skip
    request = Request(dumps[0], release("2025.1"), runner=how, beside=tuple(dumps[1:]))
    result = dry_run(request, places, dict(os.environ), silent)
    assert [(str(each.step), each.error) for each in result.steps] == [
        ("nova:1b91788ec3a6", None), ("nova:1acf2c98e646", None), ("nova:13863f4e1612", None),
        ("nova:d60bddf7a903", None), ("nova:2903cd72dc14", None), ("nova:online", None),
    ]  # fmt: skip
    online = Path(result.steps[-1].output or "").read_text()
    assert "| Total Needed | Completed |" in online
    assert "Error attempting to run" not in online
    said = "\n".join(result.notes)
    assert f"{api.database}.cell_mappings.database_connection" in said
    assert "secret" not in said


HEAT = (
    "INSERT INTO raw_template (id, template, files) VALUES (1, '{}', '{}')",
    "INSERT INTO stack (id, name, raw_template_id, disable_rollback, action, status)"
    " VALUES ('s1', 'one', 1, 1, 'CREATE', 'COMPLETE')",
)


def test_heat_20_of_sqlalchemy_migrate_is_stepped_to_24_of_alembic(
    target: Target, places: Places, tmp_path: Path
) -> None:
    """The whole way of the old repository at once; then the one revision that takes it over."""
    (made,) = stepped(target, "heat-manage", virtualenv("heat", 20))
    assert made.revisions[-1] == "heat:86"
    dump = dumped(target.server, target.database, HEAT, tmp_path / "heat.sql")
    result = rehearsed(dump, "2025.1", "heat-manage", virtualenv("heat", 24), places)
    assert [(str(each.step), each.error) for each in result.steps] == [("heat:c6214ca60943", None)]
    assert result.steps[0].revisions == ("c6214ca60943",)
    assert result.basis is Basis.REHEARSED
    assert any("heat-manage reads the configuration it is given" in note for note in result.notes)
    assert not [each for each in result.findings if each.effect is Effect.LOSES]


NEUTRON = (
    "INSERT INTO standardattributes (id, resource_type) VALUES (1, 'networks')",
    "INSERT INTO networks (id, name, standard_attr_id, mtu) VALUES ('n1', 'one', 1, 1500)",
)


def test_neutron_22_is_stepped_to_26_by_its_own_tool(target: Target, places: Places, tmp_path: Path) -> None:
    """Two branches, each to its head; what a branch applied is read from alembic_version."""
    synced(target, virtualenv("neutron", 22), "neutron-db-manage", "upgrade", "heads")
    dump = dumped(target.server, target.database, NEUTRON, tmp_path / "neutron.sql")
    result = rehearsed(dump, "2025.1", "neutron-db-manage", virtualenv("neutron", 26), places)
    assert [(str(each.step), each.error) for each in result.steps] == [
        ("neutron:expand", None), ("neutron:contract", None),
    ]  # fmt: skip
    assert len(result.steps[0].revisions) >= 4
    assert result.basis is Basis.REHEARSED
    assert any("neutron-db-manage reads the configuration it is given" in note for note in result.notes)
