"""A real Alembic project with branches, dependencies, a merge and two heads, run one revision at a time."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dbaudit.errors import DbauditError, UsageError
from dbaudit.migration.alembic_graph import Graph
from dbaudit.migration.alembic_runner import AlembicRunner, find_project
from dbaudit.migration.confine import Network
from dbaudit.migration.runner import Target, version_step
from dbaudit.migration.tool import Surroundings
from dbaudit.result import Status
from dbaudit.server.server import Account, Server

pytestmark = pytest.mark.heavy

VENV = Path(sys.prefix)
INI = """
[alembic]
script_location = migrations
sqlalchemy.url = {own}

[other]
script_location = migrations
"""
# What `alembic init` writes, in small.
ENV = """
from alembic import context
from sqlalchemy import create_engine, engine_from_config, pool
config = context.config
connectable = engine_from_config(config.get_section(config.config_ini_section), poolclass=pool.NullPool)
with connectable.connect() as connection:
    context.configure(connection=connection, {options})
    with context.begin_transaction():
        context.run_migrations()
"""
CONNECT = "connectable = engine_from_config(config.get_section(config.config_ini_section), poolclass=pool.NullPool)"
REVISION = """
\"\"\"{title}\"\"\"
revision, down_revision, branch_labels, depends_on = {name!r}, {down!r}, {labels!r}, {needs!r}
from alembic import op
def upgrade():
    {body}
"""
MADE = "op.execute('CREATE TABLE made_{name} (id INT)')"
# Name, what it follows, its labels, what it depends on: keystone's expand and contract, merged, then two heads.
REVISIONS: Sequence[tuple[str, Any, Any, Any]] = (
    ("start", None, None, None),
    ("exp1", "start", ("expand",), None),
    ("con1", "start", ("contract",), "exp1"),
    ("exp2", "exp1", None, None),
    ("con2", "con1", None, "exp2"),
    ("merge", ("exp2", "con2"), None, None),
    ("tail", "merge", None, None),
    ("side", None, ("aside",), "merge"),
)

Project = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Writes the project and gives its ini; `env` is another env.py, `bodies` replace what a revision does."""

    def write(env: str = ENV, own: str = "mysql://nobody@prod/shop", options: str = "", **bodies: str) -> Path:
        home = tmp_path / "shop"
        versions = home / "migrations" / "versions"
        versions.mkdir(parents=True)
        (home / "alembic.ini").write_text(INI.format(own=own))
        (home / "migrations" / "env.py").write_text(env.format(options=options) if "{options}" in env else env)
        for name, down, labels, needs in REVISIONS:
            body = bodies.get(name, MADE.format(name=name))
            text = REVISION.format(title=f"make {name}", name=name, down=down, labels=labels, needs=needs, body=body)
            (versions / f"{name}.py").write_text(text.strip())
        return home / "alembic.ini"

    return write


@pytest.fixture
def shop(server: Server, schema: str, tmp_path: Path) -> Target:
    return Target(server, server.restricted([schema]), schema, "shop", tmp_path / "run")


def runner(
    spec: Path | str, target: Target, environment: dict[str, str], branches: tuple[str, ...] = (), **how: Any
) -> AlembicRunner:
    return AlembicRunner(find_project(str(spec), VENV, branches), target, Surroundings(environment, **how))


def read(target: Target, sql: str) -> list[str]:
    with contextlib.closing(target.server.admin(target.database)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return [str(row[0]) for row in cursor.fetchall()]


def test_one_revision_at_a_time_through_branches_and_a_merge(
    project: Project, shop: Target, environment: dict[str, str]
) -> None:
    """In the middle another runner sees the same steps before it, and no more."""
    ini = project()
    with runner(ini, shop, environment) as steps:
        assert "env.py connects to where it is told, and runs without a network" in steps.prove()
        pending = steps.pending()
        assert str(pending[0].step) == "shop:start"
        assert pending[0].title == "make start"
        seen = []
        for step in pending:
            outcome = steps.run(step)
            assert outcome.error is None
            assert outcome.revisions == (step.argument,)
            seen.append(step.argument)
            assert f"made_{step.argument}" in read(shop, "SHOW TABLES")
            assert len(read(shop, "SHOW TABLES LIKE 'made%'")) == len(seen)
            if len(seen) == 4:
                assert {each.argument for each in steps.pending()} == left_by_another(ini, shop, environment)
        assert steps.pending() == ()
    assert sorted(seen) == sorted(name for name, *_ in REVISIONS)
    for before, after in (("start", "exp1"), ("exp1", "con1"), ("exp2", "con2"), ("con2", "merge"), ("merge", "side")):
        assert seen.index(before) < seen.index(after)
    assert read(shop, "SELECT version_num FROM alembic_version ORDER BY 1") == ["side", "tail"]
    assert shop.account.password not in "".join(path.read_text() for path in shop.directory.rglob("*.log"))
    assert not list(shop.directory.glob("*.json"))


def left_by_another(ini: Path, shop: Target, environment: dict[str, str]) -> set[str]:
    with runner(ini, shop, environment) as steps:
        left = [step.argument for step in steps.pending()]
    assert len(left) == 4
    return set(left)


@pytest.mark.server("mariadb")
def test_branches_one_after_the_other(project: Project, shop: Target, environment: dict[str, str]) -> None:
    """As keystone does: the whole of expand, then contract. The merge has both labels, and comes with what it needs."""
    ini = project()
    with runner(ini, shop, environment, branches=("expand", "contract")) as steps:
        names = [step.argument for step in steps.pending()]
    assert names[:3] == ["start", "exp1", "exp2"]
    assert "side" not in names
    with (
        runner(ini, shop, environment, branches=("data",)) as steps,
        pytest.raises(UsageError, match="no branch 'data'") as refused,
    ):
        steps.pending()
    assert "aside, contract, expand" in refused.value.hint


def test_a_revision_that_fails_says_what_the_server_said(
    project: Project, shop: Target, environment: dict[str, str]
) -> None:
    ini = project(exp1="op.execute('CREATE TABLE made_start (id INT)')")
    with runner(ini, shop, environment) as steps:
        start, failing, *_ = steps.pending()
        assert steps.run(start).status is Status.OK
        outcome = steps.run(failing)
    assert outcome.status is Status.FAILED
    assert outcome.error is not None
    assert "1050" in outcome.error
    assert "[SQL: CREATE TABLE made_start (id INT)]" in outcome.error
    assert outcome.revisions == ()
    assert read(shop, "SELECT version_num FROM alembic_version") == ["start"]


def hard_coded(production: Server, foreign: Account) -> str:
    own = production.url(foreign, "cinder").render_as_string(hide_password=False)
    return ENV.replace(CONNECT, f"connectable = create_engine({own!r})")


def test_a_url_in_env_py_is_refused_and_production_untouched(
    project: Project, shop: Target, untouched: Server, foreign: Account, environment: dict[str, str]
) -> None:
    with (
        runner(project(hard_coded(untouched, foreign)), shop, environment) as steps,
        pytest.raises(DbauditError, match=r"env\.py does not connect to the URL it is given.*2003") as refused,
    ):
        steps.pending()
    assert "nothing was migrated" in refused.value.hint
    assert foreign.password not in str(refused.value)
    assert read(shop, "SHOW TABLES") == []


@pytest.mark.server("mariadb")
def test_with_the_network_allowed_a_url_in_env_py_is_refused_too(
    project: Project, shop: Target, production: Server, foreign: Account, environment: dict[str, str]
) -> None:
    """Only the proof protects here: it connects there and looks, and writes nothing."""
    ini = project(hard_coded(production, foreign))
    with (
        runner(ini, shop, environment, network=Network.ALLOWED) as steps,
        pytest.raises(DbauditError, match=r"env\.py does not connect to the URL it is given"),
    ):
        steps.run(version_step("shop", "start"))
    with contextlib.closing(production.admin("cinder")) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES WHERE Tables_in_cinder LIKE 'alembic%' OR Tables_in_cinder = 'made_start'")
        assert not cursor.fetchall()


def test_a_url_in_the_ini_is_not_used(
    project: Project, shop: Target, untouched: Server, foreign: Account, environment: dict[str, str]
) -> None:
    own = untouched.url(foreign, "cinder").render_as_string(hide_password=False).replace("%", "%%")
    with runner(project(own=own), shop, environment) as steps:
        assert steps.run(steps.pending()[0]).error is None
    assert read(shop, "SHOW TABLES LIKE 'made%'") == ["made_start"]


@pytest.mark.server("mariadb")
def test_a_url_of_another_section_is_not_used_either(
    project: Project, shop: Target, environment: dict[str, str]
) -> None:
    env = ENV.replace("config.get_section(config.config_ini_section)", "config.get_section('alembic')")
    ini = project(env)
    with runner(f"{ini}#other", shop, environment) as steps, pytest.raises(DbauditError, match="does not connect"):
        steps.prove()


@pytest.mark.server("mariadb")
def test_a_project_that_reads_a_variable_is_given_it(
    project: Project, shop: Target, environment: dict[str, str]
) -> None:
    env = ENV.replace(CONNECT, "import os; connectable = create_engine(os.environ['SHOP_DATABASE_URL'])")
    ini = project(env)
    mine = {**environment, "SHOP_DATABASE_URL": "mysql+pymysql://nobody@prod/shop"}
    with runner(ini, shop, mine) as steps, pytest.raises(DbauditError, match="KeyError") as refused:
        steps.prove()
    assert "--runner-env" in refused.value.hint
    with runner(ini, shop, mine, variables={"SHOP_DATABASE_URL": "{url}"}) as steps:
        assert steps.run(steps.pending()[0]).error is None


def test_a_version_table_of_its_own(project: Project, shop: Target, environment: dict[str, str]) -> None:
    with runner(project(options="version_table='shop_state'"), shop, environment) as steps:
        outcomes = [steps.run(step) for step in steps.pending()[:2]]
        assert len(steps.pending()) == len(REVISIONS) - 2
    assert [outcome.revisions for outcome in outcomes] == [("start",), ("exp1",)]
    assert {outcome.error for outcome in outcomes} == {None}


@pytest.mark.server("mariadb")
def test_a_step_that_goes_elsewhere_does_not_count(
    project: Project, shop: Target, production: Server, foreign: Account, environment: dict[str, str]
) -> None:
    """An env.py with two faces: what it is asked it reads here, what it migrates is there."""
    own = production.url(foreign, "nova").render_as_string(hide_password=False)
    chosen = f"create_engine({own!r}) if 'upgrade' in open(__import__('sys').argv[1]).read() else "
    env = ENV.replace("connectable = ", f"connectable = {chosen}")
    production.drop_database("nova")
    production.create_database("nova", "utf8")
    ini = project(env)
    with runner(ini, shop, environment) as steps:
        outcome = steps.run(steps.pending()[0])
    assert outcome.status is Status.FAILED
    assert "Can't connect" in str(outcome.error)
    with runner(ini, shop, environment, network=Network.ALLOWED) as steps:
        outcome = steps.run(steps.pending()[0])
    assert outcome.error == "the tool ended well, but the database stands at nowhere, and start was not recorded"


@pytest.mark.server("mariadb")
def test_a_database_at_a_revision_that_the_project_does_not_have(
    project: Project, shop: Target, environment: dict[str, str]
) -> None:
    with contextlib.closing(shop.server.admin(shop.database)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
        cursor.execute("INSERT INTO alembic_version VALUES ('future')")
    with (
        runner(project(), shop, environment) as steps,
        pytest.raises(UsageError, match="stands at revision future, which the project does not have"),
    ):
        steps.pending()


@pytest.mark.server("mariadb")
def test_a_script_location_without_an_ini(project: Project, shop: Target, environment: dict[str, str]) -> None:
    ini = project()
    ini.unlink()
    with runner(ini.parent / "migrations", shop, environment) as steps:
        assert steps.run(steps.pending()[0]).error is None


def test_the_virtualenv_is_found_beside_the_ini(project: Project, tmp_path: Path) -> None:
    ini = project()
    with pytest.raises(UsageError, match="virtualenv of the Alembic project is not found") as refused:
        find_project(str(ini), None)
    assert "--runner-venv" in refused.value.hint
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "pyvenv.cfg").touch()
    (tmp_path / ".venv" / "bin" / "python").touch()
    assert find_project(str(ini), None).python == tmp_path / ".venv" / "bin" / "python"
    assert find_project(str(ini.parent), None).location == ini
    assert find_project(f"{ini}#main", None).section == "main"
    with pytest.raises(UsageError, match="no bin/python"):
        find_project(str(ini), tmp_path)
    with pytest.raises(UsageError, match="no such alembic"):
        find_project(str(tmp_path / "alembic.ini"), None)
    with pytest.raises(UsageError, match=r"has no env\.py"):
        find_project(str(tmp_path), None)


def test_a_chain_longer_than_the_stack() -> None:
    entries = [
        {"revision": f"r{n}", "needs": [f"r{n - 1}"] if n else [], "branches": ["long"], "title": ""}
        for n in range(5000)
    ]
    graph = Graph.read(entries)
    assert [each.name for each in graph.pending(["r4997"], ("long",))] == ["r4998", "r4999"]
    assert len(graph.pending([], ("long",))) == 5000
