"""`dbaudit manifest` and `dbaudit verify` as a user calls them."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dbaudit.server.server import Server
from tests.cli.conftest import SAMPLES, Dbaudit

KEYSTONE = SAMPLES / "keystone-grizzly.sql.gz"


@pytest.fixture
def upgraded(tmp_path: Path) -> Path:
    """The sample after somebody deleted a tenant's EC2 key from it."""
    dump = gzip.decompress(KEYSTONE.read_bytes()).decode()
    head, insert, rest = dump.partition("INSERT INTO `ec2_credential` VALUES ")
    rows, end, tail = rest.partition(";")
    path = tmp_path / "after.sql"
    path.write_text(head + insert + rows.rpartition(",(")[0] + end + tail)
    return path


def test_nothing_lost(dbaudit: Dbaudit, tmp_path: Path, leftovers: Callable[[], list[str]]) -> None:
    ran = dbaudit("manifest", KEYSTONE, "-o", "before.json")
    assert ran.code == 0, ran.err
    assert "before.json stands for 20" in ran.out
    assert "EC2 credentials" in ran.out
    assert (tmp_path / "before.json").stat().st_mode & 0o777 == 0o600
    ran = dbaudit("verify", "before.json", KEYSTONE, "--format", "json")
    assert (ran.code, ran.json["verdict"], ran.json["findings"], ran.json["skipped"]) == (0, "clean", [], [])
    assert ran.json["command"] == "verify"
    assert ran.json["manifest"]["at"] == json.loads((tmp_path / "before.json").read_text())["at"]
    assert leftovers() == []


def test_a_lost_credential(dbaudit: Dbaudit, upgraded: Path) -> None:
    assert dbaudit("manifest", KEYSTONE, "-o", "before.json.gz").code == 0
    ran = dbaudit("verify", "before.json.gz", upgraded, "--format", "json")
    assert ran.code == 2, ran.err
    (finding,) = ran.json["findings"]
    assert (finding["effect"], finding["object"], finding["count"]) == ("loses-data", "ec2_credential", 1)
    rows = (
        gzip.decompress(KEYSTONE.read_bytes()).decode().partition("INTO `ec2_credential` VALUES ")[2].partition(";")[0]
    )
    access, secret = rows.rpartition(",(")[2].replace("'", "").split(",")[:2]
    assert finding["keys"] == [access]
    assert secret not in ran.out


def test_tables_too_large_for_rows_are_no_proof(dbaudit: Dbaudit) -> None:
    assert dbaudit("manifest", KEYSTONE, "-o", "m", "--rows", 10).code == 0
    ran = dbaudit("verify", "m", KEYSTONE, "--rows", 10, "--format", "json")
    assert (ran.code, ran.json["verdict"], ran.json["findings"]) == (1, "warnings", [])
    assert any("token has more rows" in each["reason"] for each in ran.json["skipped"])


@pytest.mark.server("mariadb")
def test_live_database(dbaudit: Dbaudit, server: Server, schema: str) -> None:
    account = server.restricted([schema])
    url = server.url(account, schema).render_as_string(hide_password=False)
    with contextlib.closing(server.connect(account, schema)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id VARCHAR(9) PRIMARY KEY, a INT)")
        cursor.execute("INSERT INTO t VALUES ('x', 1), ('y', 2)")
        ran = dbaudit("manifest", url, "-o", "m", "--format", "json")
        assert ran.code == 1, ran.err  # this test's own connection
        assert [each["check"] for each in ran.json["findings"]] == ["proof.services-running"]
        cursor.execute("DELETE FROM t WHERE a = 2")
    ran = dbaudit("verify", "m", url, "--format", "json")
    assert ran.code == 2, ran.err
    assert [(each["object"], each["keys"]) for each in ran.json["findings"]] == [("t", ["y"])]
    assert account.password not in ran.out + ran.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("manifest", KEYSTONE), 64, "--output"),
        (("manifest", "absent.sql", "-o", "m"), 66, "no such file"),
        (("manifest", KEYSTONE, "-o", "no/such/m"), 66, "cannot write"),
        (("verify", "absent", KEYSTONE), 66, "cannot read absent"),
        (("verify", KEYSTONE, KEYSTONE), 66, "is no manifest"),
        (("manifest", "mysql://nobody@127.0.0.1:1/x", "-o", "m"), 66, "cannot read"),
        (("manifest", "postgresql://u@h/x", "-o", "m"), 64, "not one of MySQL"),
    ],
)
def test_bad_input(dbaudit: Dbaudit, words: tuple[object, ...], code: int, said: str) -> None:
    ran = dbaudit(*words)
    assert ran.code == code
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_another_service(dbaudit: Dbaudit) -> None:
    assert dbaudit("manifest", KEYSTONE, "-o", "m").code == 0
    ran = dbaudit("verify", "m", SAMPLES / "cinder-grizzly.sql.gz")
    assert ran.code == 66
    assert "is of a keystone database" in ran.err


def test_corpus(dbaudit: Dbaudit, corpus: Path) -> None:
    """The second default tenants that Havana drops."""
    assert dbaudit("manifest", corpus / "data" / "keystone-grizzly.sql.gz", "-o", "m").code == 0
    ran = dbaudit("verify", "m", corpus / "data" / "keystone-havana.sql.gz", "--format", "json")
    (finding,) = ran.json["findings"]
    assert (finding["object"], finding["count"], len(finding["keys"])) == ("user.extra", 18, 18)
    assert ran.code == 1  # upstream means it to
