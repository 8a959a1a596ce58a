"""How tools spell their steps: the shipped data, and which era a tool that is installed is of."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dbaudit.errors import DbauditError, UsageError
from dbaudit.migration.preset import is_preset, preset_for, presets
from dbaudit.migration.preset_runner import PresetRunner, find_tool, tool_in_image
from dbaudit.migration.runner import Target, version_step
from dbaudit.migration.tool import Surroundings

pytestmark = pytest.mark.server("mariadb")
TOOL = """#!{python}
import configparser, sys
import pymysql
from urllib.parse import parse_qs, unquote, urlsplit
config = configparser.RawConfigParser()
config.read(sys.argv[sys.argv.index("--config-file") + 1])
url = urlsplit(config["database"]["connection"])
db = pymysql.connect(user=url.username, password=unquote(url.password), database=url.path[1:], autocommit=True,
                     unix_socket=parse_qs(url.query)["unix_socket"][0])
cursor = db.cursor()
if sys.argv[-1] == "version":
    cursor.execute("SELECT version FROM migrate_version WHERE repository_id = 'cinder'")
    print(cursor.fetchone()[0])
elif sys.argv[-2:] != ["db", "sync"]:
    cursor.execute("UPDATE migrate_version SET version = %s WHERE repository_id = 'cinder'", (int(sys.argv[-1]),))
else:
    cursor.execute("UPDATE migrate_version SET version = 12 WHERE repository_id = 'cinder'")
"""
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """A virtualenv with a cinder of our own, which holds these files."""

    def make(*files: str) -> Path:
        venv = tmp_path / "venv"
        package = tmp_path / "site" / "cinder"
        for name in ("__init__.py", *files):
            (package / name).parent.mkdir(parents=True, exist_ok=True)
            (package / name).touch()
        (venv / "bin").mkdir(parents=True)
        (venv / "pyvenv.cfg").touch()
        python = venv / "bin" / "python"
        python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path / "site"} exec {sys.executable} "$@"\n')
        tool = venv / "bin" / "cinder-manage"
        tool.write_text(TOOL.replace("{python}", sys.executable))
        for each in (python, tool):
            each.chmod(0o755)
        return venv

    return make


def runner(venv: Path, target: Target, environment: dict[str, str], *phases: str) -> PresetRunner:
    installed = find_tool("cinder-manage", venv, environment["PATH"])
    return PresetRunner(preset_for("cinder-manage", "cinder"), installed, target, Surroundings(environment), phases)


def test_every_tool_of_the_issue_is_known() -> None:
    found = {(each.service, each.tool) for each in presets()}
    assert found >= {
        ("keystone", "keystone-manage"),
        ("cinder", "cinder-manage"),
        ("nova", "nova-manage"),
        ("nova_api", "nova-manage"),
        ("glance", "glance-manage"),
        ("heat", "heat-manage"),
        ("neutron", "neutron-db-manage"),
    }
    for each in presets():
        assert each.eras and all(era.phases and (era.version or era.why) for era in each.eras), each.service
        assert all("{config}" in " ".join(t.words) for era in each.eras for t in era.phases.values())


@pytest.mark.parametrize(
    ("spec", "is_one"),
    [
        ("cinder-manage", True),
        ("/opt/x/bin/nova-manage", True),
        ("mytool", False),
        ("cinder-manage --config-file {config} db sync {version}", False),
    ],
)
def test_a_tool_alone_is_a_preset(spec: str, is_one: bool) -> None:
    assert is_preset(spec) is is_one


def test_the_service_chooses_among_a_tools_databases() -> None:
    assert "api_db" in preset_for("nova-manage", "nova_api").ask.words
    assert "api_db" not in preset_for("/opt/bin/nova-manage", "nova").ask.words
    with pytest.raises(UsageError, match="nova-manage migrates nova and nova_api, and the database is of cinder"):
        preset_for("nova-manage", "cinder")


def test_a_tool_of_numbers_takes_them_one_at_a_time(
    install: Install, cinder: Target, environment: dict[str, str]
) -> None:
    with runner(install("db/sqlalchemy/migrate_repo/x"), cinder, environment) as tool:
        steps = tool.pending([version_step("cinder", 10), version_step("cinder", 11)])
        assert [str(each.step) for each in steps] == ["cinder:10", "cinder:11"]
        assert [tool.run(each).revisions for each in steps] == [("cinder:10",), ("cinder:11",)]
        # Without a catalogue of the way it is one step.
        (whole,) = tool.pending()
        assert str(whole.step) == "cinder:sync"
        assert tool.run(whole).revisions == ("cinder:12",)


def test_a_tool_of_alembics_era_takes_none(install: Install, cinder: Target, environment: dict[str, str]) -> None:
    venv = install("db/migrations/env.py", "db/sqlalchemy/migrate_repo/x")
    with runner(venv, cinder, environment) as tool:
        assert [str(each.step) for each in tool.pending([version_step("cinder", 10)])] == ["cinder:sync"]
    with runner(venv, cinder, environment, "sync", "online") as tool:
        assert [str(each.step) for each in tool.pending()] == ["cinder:sync", "cinder:online"]
    with runner(venv, cinder, environment, "contract") as tool, pytest.raises(UsageError, match="no phase 'contract'"):
        tool.pending()


def test_a_tool_of_no_known_era(install: Install, cinder: Target, environment: dict[str, str]) -> None:
    with runner(install(), cinder, environment) as tool, pytest.raises(DbauditError, match=r"what release .* is of"):
        tool.pending()


def test_where_a_tool_is(install: Install, tmp_path: Path) -> None:
    venv = install()
    assert find_tool("cinder-manage", venv, "").python == (str(venv / "bin" / "python"),)
    assert find_tool(str(venv / "bin" / "cinder-manage"), None, "").executable == str(venv / "bin" / "cinder-manage")
    (venv / "pyvenv.cfg").unlink()
    assert find_tool("cinder-manage", None, str(venv / "bin")).python == (sys.executable,)
    with pytest.raises(UsageError, match="the tool is not found") as refused:
        find_tool("cinder-manage", tmp_path, "")
    assert "--runner-venv" in refused.value.hint
    assert tool_in_image("nova-manage").executable == "nova-manage"
