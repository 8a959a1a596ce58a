"""`dbaudit ec2 check`: every kind of difference and oddity, on live databases and on dumps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from dbaudit.ec2.fernet import NULL_KEY, key_hash
from tests.ec2.conftest import PLANTED, Run, Site, blob, no_secret, sha

Sites = tuple[Site, Site]


def found(ran: object) -> dict[str, set[str]]:
    told = ran.json
    return {each["check"].removeprefix("ec2."): set(each["keys"]) for each in told["findings"]}


def test_in_step(sites: Sites, dbaudit: Run) -> None:
    grizzly, havana = sites
    grizzly.old("a")
    havana.new("a")
    ran = dbaudit("ec2", "check", grizzly.url, havana.url, "--format", "json")
    assert (ran.code, found(ran)) == (0, {}), ran
    assert ran.json["ec2"] == {"grizzly": 1, "havana": 1, "in_step": 1}
    assert dbaudit("ec2", "check", havana.url, grizzly.url).code == 0


def test_every_kind(sites: Sites, dbaudit: Run) -> None:
    grizzly, havana = sites
    grizzly.old("left")
    grizzly.old("nouser", user=None)
    havana.new("right")
    grizzly.old("secret", PLANTED + "1")
    havana.new("secret", PLANTED + "2")
    havana.new("trust", text=blob("trust", PLANTED, trust_id="t1"))
    havana.new("noproject", project=None)
    havana.new("x" * 65)
    havana.new("longsecret", PLANTED + "s" * 64)
    havana.new("case")
    havana.new("CASE")
    grizzly.old("twice")
    havana.new("twice", text=json.dumps(blob("twice", PLANTED)))
    havana.new("byhand", id="f" * 64)
    havana.new("v3", id="0123456789abcdef0123456789abcdef")
    havana.new("v3")
    havana.new("broken", text=f"{PLANTED} no json")
    havana.new("orphan", user="gone")
    ran = dbaudit("ec2", "check", havana.url, grizzly.url, "--format", "json")
    assert ran.code == 1
    no_secret(ran, dbaudit("ec2", "check", grizzly.url, havana.url))
    assert found(ran) == {
        "only-grizzly": {"left", "nouser"},
        "only-havana": {"right", "trust", "noproject", "x" * 65, "longsecret", "case", "CASE", "v3", "orphan"},
        "different": {"secret"},
        "trust-bound": {"trust"},
        "no-project": {"noproject"},
        "no-user": {"nouser"},
        "too-long": {"x" * 65, "longsecret"},
        "case-colliding": {"case", "CASE"},
        "double-encoded": {"twice"},
        "wrong-id": {"byhand"},
        "random-id": {"v3"},
        "several-rows": {"v3"},
        "unreadable": {sha("broken")},
        "orphan": {"orphan"},
    }


def test_a_binary_collation_tells_case_apart(sites: Sites, dbaudit: Run) -> None:
    grizzly, havana = sites
    grizzly.run("ALTER TABLE ec2_credential MODIFY access VARCHAR(64) CHARACTER SET utf8 COLLATE utf8_bin NOT NULL")
    for access in ("case", "CASE"):
        grizzly.old(access)
        havana.new(access)
    assert dbaudit("ec2", "check", grizzly.url, havana.url).code == 0


def test_external_identity(sites: Sites, dbaudit: Run) -> None:
    grizzly, havana = sites
    grizzly.old("a", user="ldap")
    havana.new("a", user="ldap")
    assert dbaudit("ec2", "check", grizzly.url, havana.url).code == 1
    ran = dbaudit("ec2", "check", grizzly.url, havana.url, "--external-identity", "--format", "json")
    assert ran.code == 0
    assert ran.json["skipped"][0]["check"] == "ec2.orphan"


def test_one_database_with_both_tables(sites: Sites, dbaudit: Run) -> None:
    grizzly, havana = sites
    havana.run(f"CREATE TABLE ec2_credential LIKE `{grizzly.name}`.ec2_credential")
    havana.old("a")
    ran = dbaudit("ec2", "check", havana.url, "--format", "json")
    assert (ran.code, found(ran)) == (1, {"only-grizzly": {"a"}})


def test_which_side_is_which_is_told_or_refused(sites: Sites, dbaudit: Run) -> None:
    grizzly, havana = sites
    for words in ((havana.url,), (grizzly.url,), (havana.url, havana.url), (grizzly.url, grizzly.url)):
        assert dbaudit("ec2", "check", *words).code == 2
    assert dbaudit("ec2", "check", "nova@havana").code in (2, 66)


@pytest.mark.server("mariadb")
def test_encrypted_rows(sites: Sites, dbaudit: Run, tmp_path: Path) -> None:
    grizzly, havana = sites
    havana.run(
        "ALTER TABLE credential DROP COLUMN `blob`, ADD encrypted_blob TEXT NOT NULL, ADD key_hash VARCHAR(64) NOT NULL"
    )
    key, old = Fernet.generate_key(), Fernet.generate_key()
    for access, used in (("a", key), ("b", old), ("null", NULL_KEY)):
        token = Fernet(used).encrypt(blob(access, PLANTED).encode()).decode()
        row = (sha(access), token, key_hash(used))
        havana.run("INSERT INTO credential (id, user_id, project_id, encrypted_blob, type, extra, key_hash) "
                   "VALUES (%s, 'u', 'p', %s, 'ec2', '{}', %s)", args=row)  # fmt: skip
        grizzly.old(access)
    ran = dbaudit("ec2", "check", grizzly.url, havana.url, "--format", "json")
    assert found(ran) == {"only-grizzly": {"a", "b"}, "encrypted": {sha("a"), sha("b")}}
    folder = tmp_path / "keys"
    folder.mkdir()
    for number, each in enumerate((Fernet.generate_key(), old, key)):
        (folder / str(number)).write_bytes(each)
    assert dbaudit("ec2", "check", grizzly.url, havana.url, "--fernet-keys", folder).code == 0
    assert dbaudit("ec2", "check", grizzly.url, havana.url, "--fernet-keys", tmp_path).code == 66
    (folder / "3").write_text("no key")
    ran = dbaudit("ec2", "check", grizzly.url, havana.url, "--fernet-keys", folder)
    assert ran.code == 66 and "no key" not in ran.err.replace("no Fernet key", "")


def test_the_null_key_is_the_one_that_keystone_uses() -> None:
    assert key_hash(NULL_KEY) == "c5bdc272b97a0d521ef878dc26fb73e4075544dc"


def test_corpus(corpus: Path, dbaudit: Run) -> None:
    """What the real migration 033 wrote is in step with what it read, but for the owners that do not exist."""
    data = corpus / "data"
    ran = dbaudit("ec2", "check", data / "keystone-havana.sql.gz", data / "keystone-grizzly.sql.gz", "--format", "json")
    truth = json.loads((data / "truth.json").read_text())["keystone"]
    lost = {each["access"] for name in ("ec2_user_dangling", "ec2_tenant_dangling") for each in truth[name]}
    assert found(ran) == {"orphan": lost}
    assert ran.json["ec2"]["in_step"] == truth["ec2_credentials"]
