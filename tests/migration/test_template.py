"""Command templates: how they are filled in, and how the question for the version is derived from them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from dbaudit.migration.configuration import write_configuration
from dbaudit.migration.template import parse_template, probe_of


def test_values_are_words_and_never_read_by_a_shell() -> None:
    template = parse_template("tool --config={config} 'a b' {{x}} up:{version}")
    assert template.fill({"config": "/a b/$(c).conf", "version": "1 2"}) == [
        "tool", "--config=/a b/$(c).conf", "a b", "{x}", "up:1 2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("template", "probe"),
    [
        (
            "/v/keystone-manage --config-file {config} db_sync --{phase}",
            "/v/keystone-manage --config-file {config} db_version",
        ),
        (
            "keystone-manage --config-file {config} db_sync {version}",
            "keystone-manage --config-file {config} db_version",
        ),
        ("cinder-manage --config-file {config} db sync {version}", "cinder-manage --config-file {config} db version"),
        (
            "nova-manage --config-file {config} api_db sync {version}",
            "nova-manage --config-file {config} api_db version",
        ),
        (
            "python nova-manage --config-file {config} db sync --local_cell {version}",
            "python nova-manage --config-file {config} db version",
        ),
        ("glance-manage --config-file {config} db_sync {version}", "glance-manage --config-file {config} db_version"),
        ("glance-manage --config-file {config} db {phase}", "glance-manage --config-file {config} db version"),
        ("heat-manage --config-file {config} db_sync {version}", "heat-manage --config-file {config} db_version"),
        (
            "neutron-db-manage --config-file {config} upgrade --{phase}",
            "neutron-db-manage --config-file {config} current",
        ),
        ("alembic -c alembic.ini -x url={url} upgrade {version}", "alembic -c alembic.ini -x url={url} current"),
    ],
)
def test_the_probe_is_the_same_tool_with_the_same_options(template: str, probe: str) -> None:
    assert probe_of(parse_template(template)).words == tuple(shlex.split(probe))


def test_the_configuration_serves_every_release(tmp_path: Path) -> None:
    path = tmp_path / "nova.conf"
    path.write_text("of an earlier step")
    write_configuration(path, "nova", "mysql://a:b$c@localhost/nova", {"nova_api": "mysql://d", "cinder": "mysql://e"})
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().split("\n\n") == [
        "[database]\nconnection = mysql://a:b$$c@localhost/nova\nmax_retries = 1\ndb_max_retries = 1",
        "[DEFAULT]\nsql_connection = mysql://a:b$$c@localhost/nova\nsql_max_retries = 1",
        "[sql]\nconnection = mysql://a:b$$c@localhost/nova",
        "[api_database]\nconnection = mysql://d\n",
    ]


def test_the_api_database_is_its_own(tmp_path: Path) -> None:
    write_configuration(tmp_path / "c", "nova_api", "mysql://a", {"nova_api": "mysql://other"})
    text = (tmp_path / "c").read_text()
    assert "[api_database]\nconnection = mysql://a\n" in text
    assert "other" not in text
