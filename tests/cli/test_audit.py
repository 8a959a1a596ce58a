"""`dbaudit audit` on one database, on several, and on what is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dbaudit.dump.index import read_counts
from dbaudit.dump.restore import restore
from dbaudit.dump.source import open_dump
from dbaudit.progress import silent
from dbaudit.server.server import Server
from tests.cli.conftest import SAMPLES, Dbaudit

KEYSTONE, CINDER = SAMPLES / "keystone-grizzly.sql.gz", SAMPLES / "cinder-grizzly.sql.gz"


def test_a_dump_and_a_live_database_find_the_same(
    dbaudit: Dbaudit, server: Server, schema_name: str, tmp_path: Path, leftovers: Callable[[], list[str]]
) -> None:
    index = read_counts(open_dump(str(KEYSTONE), tmp_path), silent)
    restore(index, server, {index.databases[0].name: schema_name})
    url = server.url(server.restricted([schema_name]), schema_name).render_as_string(hide_password=False)
    (tmp_path / "keystone.conf").write_text(f"[sql]\nconnection = {url.replace('%', '%')}\n")
    told = [dbaudit("audit", operand, "--format", "json") for operand in (KEYSTONE, url, tmp_path / "keystone.conf")]
    assert [each.code for each in told] == [2, 2, 2], told[0].err
    found = [[(each["check"], each["object"], each["count"]) for each in ran.json["findings"]] for ran in told]
    assert found[0] == found[1] == found[2]
    assert ("keystone.ec2-conflict", "ec2_credential", 3) in found[0]
    password = url.split("://")[1].split("@")[0].split(":")[1]
    assert password not in told[1].out + told[1].err + told[2].out + told[2].err
    assert leftovers() == []


def test_several_are_told_apart(dbaudit: Dbaudit) -> None:
    ran = dbaudit("audit", KEYSTONE, CINDER, "--format", "json")
    assert [each["service"] for each in ran.json["databases"]] == ["keystone", "cinder"]
    names = [each["name"] for each in ran.json["databases"]]
    assert {each["database"] for each in ran.json["findings"]} == set(names)


def test_up_to_a_release_only_its_hazards_count(dbaudit: Dbaudit) -> None:
    every = {each["step"] for each in dbaudit("audit", KEYSTONE, "--format", "json").json["findings"]}
    none = {each["step"] for each in dbaudit("audit", KEYSTONE, "--to", "grizzly", "--format", "json").json["findings"]}
    assert "keystone:33" in every
    assert none <= {None}


def test_what_has_no_rows_is_refused(dbaudit: Dbaudit) -> None:
    ran = dbaudit("audit", "nova@havana")
    assert (ran.code, "is a reference and has no rows" in ran.err) == (64, True)
    assert dbaudit("audit", "nothing.sql").code == 66
    assert dbaudit("audit", KEYSTONE, CINDER, "--database", "a", "--database", "b", "--database", "c").code == 64
