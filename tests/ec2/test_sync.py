"""`dbaudit ec2 sync`, as an operator runs it: what is carried over, refused, held back and reported."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.ec2.conftest import PLANTED, Ran, Run, Site, blob, no_secret, sha

Sites = tuple[Site, Site]
S = PLANTED


@pytest.fixture
def sync(sites: Sites, dbaudit: Run, tmp_path: Path) -> Run:
    """Sync both sites, with a key file of the test's own; every output is searched for secrets."""

    def call(*words: str, apply: bool = True, left: Site | None = None, right: Site | None = None) -> Ran:
        sides = [(left or sites[0]).url, *([(right or sites[1]).url] if right is not left or left is None else [])]
        more = ["--apply"] if apply else []
        ran = dbaudit("ec2", "sync", *sides, "--key-file", tmp_path / "key", "--format", "json", *more, *words)
        no_secret(ran)
        assert ran.code != 255, ran.err
        return ran

    return call


def counts(ran: Any, verb: str) -> tuple[int, int]:
    return ran.json["ec2"][verb]["grizzly"], ran.json["ec2"][verb]["havana"]


def kinds(ran: Any) -> dict[str, set[str]]:
    return {each["check"].removeprefix("ec2."): set(each["keys"]) for each in ran.json["findings"]}


def test_a_life_of_keys(sites: Sites, sync: Run, tmp_path: Path) -> None:
    grizzly, havana = sites
    grizzly.old("old", S + "1")
    havana.new("new", S + "2", "v", "q")
    ran = sync()
    assert (ran.code, counts(ran, "created")) == (0, (1, 1)), ran.err
    assert grizzly.olds() == havana.news() == {"old": (S + "1", "u", "p"), "new": (S + "2", "v", "q")}
    assert havana.run("SELECT `blob`, type, extra FROM credential WHERE id = %s", args=(sha("old"),)) == (
        (f'{{"access": "old", "secret": "{S}1", "trust_id": null}}', "ec2", "{}"),
    )
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    # an update, and revocations on both sides
    havana.new("old", S + "3", "u", "q")
    grizzly.run("DELETE FROM ec2_credential WHERE access = 'new'")
    ran = sync()
    assert (ran.code, counts(ran, "updated"), counts(ran, "deleted")) == (0, (1, 0), (0, 1))
    assert grizzly.olds() == havana.news() == {"old": (S + "3", "u", "q")}
    havana.run("DELETE FROM credential")
    ran = sync()
    assert counts(ran, "deleted") == (1, 0)
    assert grizzly.olds() == havana.news() == {}
    ran = sync()
    assert (ran.code, ran.json["verdict"]) == (0, "clean")


def test_a_plan_writes_nothing(sites: Sites, sync: Run, tmp_path: Path) -> None:
    grizzly, havana = sites
    grizzly.old("a")
    ran = sync(apply=False)
    assert ran.code == 1
    assert ran.json["ec2"]["todo"] == {"create": {"havana": 1}}
    assert havana.news() == {}
    assert not (tmp_path / "key").exists()
    assert grizzly.run("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'dbaudit'") == ()


def test_no_secret_in_the_journal(sites: Sites, sync: Run, tmp_path: Path) -> None:
    grizzly, havana = sites
    grizzly.old("a", S + "a")
    grizzly.old("b", S + "b")
    havana.new("b", S + "c")
    sync()
    key = (tmp_path / "key").read_text().strip()
    for (table,) in grizzly.run("SHOW TABLES FROM dbaudit"):
        text = repr(grizzly.run(f"SELECT * FROM dbaudit.`{table}`"))
        assert S not in text and key not in text, table


def test_conflicts(sites: Sites, sync: Run) -> None:
    grizzly, havana = sites
    for access in ("both", "gone", "gone2"):
        grizzly.old(access)
    sync()
    grizzly.old("both", S + "1")
    havana.new("both", S + "2")
    havana.new("gone", S + "2")
    grizzly.run("DELETE FROM ec2_credential WHERE access = 'gone'")
    grizzly.old("gone2", S + "1")
    havana.run("DELETE FROM credential WHERE id = %s", args=(sha("gone2"),))
    before = grizzly.olds(), havana.news()
    ran = sync()
    assert ran.code == 1
    assert (grizzly.olds(), havana.news()) == before
    told = {each["access"]: (each["why"], each["new"]) for each in ran.json["ec2"]["conflicts"]}
    assert told == {
        "both": ("both changed", True),
        "gone": ("changed against deleted", True),
        "gone2": ("changed against deleted", True),
    }  # fmt: skip
    assert not any(each["new"] for each in sync().json["ec2"]["conflicts"])
    ran = sync("--on-conflict", "grizzly")
    assert (ran.code, ran.json["ec2"]["conflicts"]) == (0, [])
    assert grizzly.olds() == havana.news() == {"both": (S + "1", "u", "p"), "gone2": (S + "1", "u", "p")}


def test_havana_is_right(sites: Sites, sync: Run) -> None:
    grizzly, havana = sites
    grizzly.old("a", S + "1")
    havana.new("a", S + "2")
    assert sync().code == 1
    assert sync("--on-conflict", "havana").code == 0
    assert grizzly.olds() == {"a": (S + "2", "u", "p")}
    assert sync("--on-conflict", "neither").code == 64


def test_the_first_run_deletes_nothing_and_the_valve_holds(sites: Sites, sync: Run) -> None:
    grizzly, havana = sites
    for number in range(30):
        grizzly.old(f"k{number}")
    sync()
    grizzly.run("DELETE FROM ec2_credential WHERE access <> 'k0'")
    grizzly.old("fresh")
    havana.new("k0", S + "changed")
    ran = sync()
    assert ran.code == 2
    assert (ran.json["ec2"]["deletes_held"], counts(ran, "deleted")) == (29, (0, 0))
    assert len(havana.news()) == 31 and "fresh" in havana.news()  # creates and updates went on
    assert grizzly.olds()["k0"] == (S + "changed", "u", "p")
    assert sync("--confirm-deletes", "28").code == 2
    ran = sync("--confirm-deletes", "29")
    assert (ran.code, counts(ran, "deleted")) == (0, (0, 29))
    assert set(havana.news()) == set(grizzly.olds()) == {"k0", "fresh"}


def test_what_cannot_be_carried_over_is_reported_and_left(sites: Sites, sync: Run) -> None:
    grizzly, havana = sites
    havana.new("trust", text=blob("trust", S, trust_id="t"))
    havana.new("app", text=blob("app", S, app_cred_id="t"))
    havana.new("noproject", project=None)
    havana.new("x" * 65)
    havana.new("longsecret", S + "s" * 64)
    havana.new("emoji\N{GRINNING FACE}")
    havana.new("random", id="0123456789abcdef0123456789abcdef")
    havana.new("broken", text=f"{S} no json")
    havana.new("Case")
    havana.new("cASE")
    grizzly.old("nouser", user=None)
    grizzly.old("limited")
    havana.new("limited", text=blob("limited", S, trust_id="t"))
    grizzly.old("broken")
    ran = sync()
    assert ran.code == 1
    assert kinds(ran) == {
        "trust-bound": {"trust", "app", "limited"}, "no-project": {"noproject"}, "too-long": {"x" * 65, "longsecret"},
        "letters": {"emoji\N{GRINNING FACE}"}, "random-id": {"random"}, "unreadable": {sha("broken")},
        "case-colliding": kinds(ran)["case-colliding"], "no-user": {"nouser"}, "occupied": {"broken"},
    }  # fmt: skip
    assert kinds(ran)["case-colliding"] in ({"Case"}, {"cASE"})
    assert set(grizzly.olds()) - {"Case", "cASE"} == {"nouser", "limited", "broken"}
    assert len(grizzly.olds()) == 4
    assert sync().code == 1


def test_double_encoded_rows_are_read(sites: Sites, sync: Run) -> None:
    grizzly, havana = sites
    havana.new("twice", text=json.dumps(blob("twice", S)))
    ran = sync()
    assert kinds(ran) == {"double-encoded": {"twice"}}
    assert grizzly.olds() == {"twice": (S, "u", "p")}
    grizzly.old("twice", S + "2")
    sync()
    assert sync().code == 0  # what was written is encoded once
    assert havana.news()["twice"] == (S + "2", "u", "p")


def test_orphans(sites: Sites, sync: Run) -> None:
    grizzly, havana = sites
    grizzly.old("dead", user="nobody")
    grizzly.old("here")
    ran = sync("--skip-orphans")
    assert kinds(ran) == {"orphan": {"dead"}, "orphan-skipped": {"dead"}}
    assert set(havana.news()) == {"here"}
    ran = sync()
    assert kinds(ran) == {"orphan": {"dead"}}
    assert set(havana.news()) == {"here", "dead"}
    grizzly.run("DELETE FROM user WHERE id = 'u'")  # Grizzly forgets the keys of a user that it deletes
    ran = sync()
    assert kinds(ran) == {"orphan": {"dead", "here"}}
    assert set(havana.news()) == {"here", "dead"}
    assert sync("--prune-orphans", "--external-identity").code == 2
    assert sync("--external-identity").code == 0
    ran = sync("--prune-orphans")
    assert counts(ran, "deleted") == (2, 2)
    assert grizzly.olds() == havana.news() == {}
    assert sync().code == 0


def test_a_user_that_a_side_never_had_was_not_deleted_there(sites: Sites, sync: Run) -> None:
    grizzly, havana = sites
    havana.run("INSERT INTO user (id) VALUES ('later')")
    havana.new("a", user="later")
    ran = sync("--prune-orphans")
    assert kinds(ran) == {"orphan": {"a"}}
    assert set(sync("--prune-orphans").json["findings"][0]["keys"]) == {"a"}
    assert set(grizzly.olds()) == set(havana.news()) == {"a"}


@pytest.mark.parametrize(
    ("unknown", "how", "what"),
    [(1, "DELETE FROM {}", "user"), (0, "DROP TABLE {}", "project")],
    ids=["empty", "absent"],
)
def test_owners_that_one_side_does_not_tell_are_not_taken_for_deleted(
    sites: Sites, sync: Run, unknown: int, how: str, what: str
) -> None:
    """Users of that side are in LDAP, and --external-identity was forgotten."""
    grizzly, havana = sites
    grizzly.old("here")
    grizzly.old("elsewhere", **{what: "ldap"})  # only the other side has him
    havana.new("there", **{what: "ldap"})
    sync()
    sites[unknown].run(how.format(what))
    ran = sync("--prune-orphans")
    assert (ran.code, counts(ran, "deleted")) == (1, (0, 0)), ran.err
    assert kinds(ran) == {"orphan": {"elsewhere", "there"}, "orphan-kept": {"elsewhere", "there"}}
    sites[1 - unknown].run(f"DELETE FROM {what} WHERE id IN ('u', 'p')")  # where the base has seen him
    sync("--prune-orphans")
    assert set(grizzly.olds()) == set(havana.news()) == {"here", "elsewhere", "there"}
    # what both sides tell is pruned as before
    other = {"user": "project", "project": "user"}[what]
    grizzly.old("dead", **{other: "gone"})
    assert counts(sync("--prune-orphans"), "deleted") == (1, 0)
    assert set(grizzly.olds()) == set(havana.news()) == {"here", "elsewhere", "there"}


def test_refusals(sites: Sites, sync: Run, tmp_path: Path, dbaudit: Run) -> None:
    grizzly, havana = sites
    grizzly.old("a")
    assert sync().code == 0
    key = tmp_path / "key"
    key.chmod(0o644)
    assert sync().code == 2
    key.chmod(0o600)
    text = key.read_text()
    key.write_text("00" * 32)
    assert sync().code == 2
    key.unlink()
    assert sync().code == 2 and not key.exists()
    key.touch(0o600)
    key.write_text(text)
    assert sync().code == 0
    dump = tmp_path / "dump.sql"
    columns = ",\n".join(f"  `{name}` varchar(64)" for name in ("access", "secret", "user_id", "tenant_id"))
    dump.write_text(f"CREATE TABLE `ec2_credential` (\n{columns}\n);\n")
    assert dbaudit("ec2", "sync", dump, havana.url, "--apply", "--key-file", key).code == 64


def test_one_database_with_both_tables(sites: Sites, sync: Run) -> None:
    grizzly, havana = sites
    havana.run(f"CREATE TABLE ec2_credential LIKE `{grizzly.name}`.ec2_credential")
    havana.old("a")
    havana.new("b")
    assert sync(left=havana, right=havana).code == 0
    assert havana.olds() == havana.news() == {"a": (S, "u", "p"), "b": (S, "u", "p")}


def test_the_other_order_of_operands(sites: Sites, sync: Run) -> None:
    grizzly, havana = sites
    grizzly.old("a")
    assert sync(left=havana, right=grizzly).code == 0
    assert set(havana.news()) == {"a"}


def test_null_secret_and_null_project_go_as_migration_033_writes_them(sites: Sites, sync: Run) -> None:
    grizzly, havana = sites
    grizzly.old("nosecret", None)
    grizzly.old("noproject", project=None)
    assert sync().code == 0
    assert havana.news() == {"nosecret": (None, "u", "p"), "noproject": (S, "u", None)}
    assert sync().code == 0


def test_another_sync_holds_the_lease(sites: Sites, sync: Run) -> None:
    grizzly, _ = sites
    sync()
    holder = json.dumps({"host": "elsewhere", "pid": 1, "space": "", "started": ""})
    grizzly.run(
        "UPDATE dbaudit.lease SET number = number + 1, work = 'ec2 sync', holder = %s, "
        "expires = UTC_TIMESTAMP(6) + INTERVAL 50 SECOND",
        args=(holder,),
    )
    assert sync().code == 75


def test_the_journal_beside_the_data(sites: Sites, sync: Run) -> None:
    grizzly, havana = sites
    grizzly.old("a")
    assert sync("--journal-schema", "SAME").code == 0
    havana.run("DELETE FROM credential")
    assert counts(sync("--journal-schema", "SAME"), "deleted") == (1, 0)
    assert grizzly.run("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'dbaudit'") == ()
    assert ("dbaudit_ec2_base",) in havana.run("SHOW TABLES")


def test_a_configuration_file_names_a_side(sites: Sites, sync: Run, dbaudit: Run, tmp_path: Path) -> None:
    grizzly, havana = sites
    grizzly.old("a")
    conf = tmp_path / "keystone.conf"
    conf.write_text(f"[sql]\nconnection = {grizzly.url}\n")
    ran = dbaudit("ec2", "sync", conf, havana.url, "--apply", "--key-file", tmp_path / "key", "--format", "json")
    assert ran.code == 0, ran
    assert set(havana.news()) == {"a"}
    password = grizzly.server._endpoint.admin.password
    assert password not in ran.out + ran.err


def test_keys_of_any_letters(sites: Sites, sync: Run, dbaudit: Run, tmp_path: Path) -> None:
    """Letters that mean something to terminals, to formats, to statements, or to how rows are packed."""
    grizzly, havana = sites
    odd = (
        "[/bold]x",
        "\x1b[31mred",
        "new\nline",
        "`tick`",
        "{brace}",
        "%s",
        "'q\"",
        "\x1f\x1e\x1d",
        "\x1d",
        " x",
        "a\tb",
    )
    for access in odd:
        havana.new(access, S + access, user="gone")
        grizzly.old(f"{access}g", S + access, user="gone")
    assert kinds(sync()) == {"orphan": {*odd, *(f"{access}g" for access in odd)}}
    assert grizzly.olds() == havana.news() and len(grizzly.olds()) == 2 * len(odd)
    ran = dbaudit("ec2", "sync", grizzly.url, havana.url, "--apply", "--key-file", tmp_path / "key")
    no_secret(ran)
    assert ran.code == 1 and "\x1b" not in ran.out and "nothing was to be done" in ran.out
    havana.run("DELETE FROM credential")
    assert counts(sync("--confirm-deletes", "100"), "deleted") == (2 * len(odd), 0)
    assert grizzly.olds() == {}
