"""Ground truth: a real Grizzly database, and what the real migration 033 made of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbaudit.dump.index import read_counts
from dbaudit.dump.restore import restore
from dbaudit.dump.source import open_dump
from dbaudit.server.server import Server
from tests.cli.conftest import dbaudit
from tests.ec2.conftest import Row, Run, Site, no_secret

pytestmark = pytest.mark.heavy

__all__ = ["dbaudit"]  # processes, as an operator starts them

Sites = tuple[Site, Site]


@pytest.fixture
def real(server: Server, schema_name: str, corpus: Path, tmp_path: Path) -> Iterator[Sites]:
    """keystone of Grizzly and of Havana, as the corpus has them."""
    sites = []
    for release in ("grizzly", "havana"):
        name = f"{schema_name[:40]}_{release}"
        server.drop_database(name)
        index = read_counts(open_dump(str(corpus / "data" / f"keystone-{release}.sql.gz"), tmp_path))
        restore(index, server, {index.databases[0].name: name})
        sites.append(Site(server, name))
    server.drop_database("dbaudit")
    yield sites[0], sites[1]
    for name in (*(site.name for site in sites), "dbaudit"):
        server.drop_database(name)


def credentials(site: Site) -> dict[str, Row]:
    """The rows of type ec2 by id, the blob parsed: a key without a trust id is one whose trust id is null."""
    rows = site.run("SELECT id, user_id, project_id, `blob`, type, extra FROM credential WHERE type = 'ec2'")
    return {
        id: (user, project, {"trust_id": None, **json.loads(text)}, *rest) for id, user, project, text, *rest in rows
    }


def test_there_and_back_again(real: Sites, dbaudit: Run, corpus: Path, tmp_path: Path) -> None:
    grizzly, havana = real
    truth = json.loads((corpus / "data" / "truth.json").read_text())["keystone"]
    by_migration, before = credentials(havana), grizzly.olds()
    secrets = [row[0] for row in before.values() if row[0]]
    assert len(by_migration) == len(before) == truth["ec2_credentials"]
    havana.run("DELETE FROM credential WHERE type = 'ec2'")
    words = (grizzly.url, havana.url, "--apply", "--key-file", tmp_path / "key", "--format", "json")
    ran = dbaudit("ec2", "sync", *words)
    assert ran.code == 1  # five keys have no owner
    lost = {each["access"] for name in ("ec2_user_dangling", "ec2_tenant_dangling") for each in truth[name]}
    assert {each["check"]: set(each["keys"]) for each in ran.json["findings"]} == {"ec2.orphan": lost}
    assert ran.json["ec2"]["created"] == {"grizzly": 0, "havana": len(before)}
    assert credentials(havana) == by_migration
    assert grizzly.olds() == before
    # and back: what the facts call lossy is listed, and nothing else is lost
    grizzly.run("DELETE FROM ec2_credential")
    grizzly.run("DROP DATABASE dbaudit")
    (tmp_path / "key").unlink()
    back = dbaudit("ec2", "sync", *words)
    lossy = {each["access"] for each in truth["ec2_tenant_null"]}
    told = {each["check"]: set(each["keys"]) for each in back.json["findings"]}
    assert told == {"ec2.orphan": lost, "ec2.no-project": lossy}
    assert grizzly.olds() == {access: row for access, row in before.items() if access not in lossy}
    for run in (ran, back):
        assert not [secret for secret in secrets if secret in run.out + run.err]
        no_secret(run)
    with contextlib.suppress(KeyError):
        assert back.json["ec2"]["waiting"] == 0
