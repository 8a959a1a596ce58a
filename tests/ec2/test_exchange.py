"""What happens between looking and writing: users who act at that moment, rows that a server will not take."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from dbaudit.ec2.fernet import Vault, key_hash
from dbaudit.ec2.round import Limits
from dbaudit.ec2.ruling import Rules
from dbaudit.ec2.scan import scan
from dbaudit.ec2.sync import session
from dbaudit.server.server import Server
from tests.ec2.conftest import COMMON, NEW, OLD, PLANTED, Run, Site, blob, no_secret, sha
from tests.ec2.working import carried, once, work_of

Sites = tuple[Site, Site]
S = PLANTED
both = pytest.mark.parametrize("one", [True, False], ids=["one-server", "two-servers"])


@both
def test_what_changed_since_the_scan_wins(sites: Sites, tmp_path: Path, one: bool) -> None:
    """Rows are judged again when they are locked: the scan's view decides nothing."""
    grizzly, havana = sites
    work, _ = work_of(sites, tmp_path, one=one)
    for access in ("changed", "gone", "back"):
        grizzly.old(access, S)
    once(work)
    havana.new("changed", S + "1")
    grizzly.run("DELETE FROM ec2_credential WHERE access IN ('gone', 'back')")
    grizzly.old("fresh", S)
    with session(work) as carrier:
        seen = scan(carrier.link, carrier.base, carrier.sight)
        havana.new("changed", S + "2")  # again, in the meantime
        grizzly.old("back", S)  # revoked and made again
        grizzly.run("DELETE FROM ec2_credential WHERE access = 'fresh'")
        carrier.full(seen)
    assert grizzly.olds() == havana.news() == {"changed": (S + "2", "u", "p"), "back": (S, "u", "p")}


@both
def test_a_delete_that_no_valve_has_counted_waits(sites: Sites, tmp_path: Path, one: bool) -> None:
    grizzly, havana = sites
    work, _ = work_of(sites, tmp_path, one=one)
    grizzly.old("a", S)
    once(work)
    grizzly.old("a", S + "1")
    with session(work) as carrier:
        seen = scan(carrier.link, carrier.base, carrier.sight)
        grizzly.run("DELETE FROM ec2_credential")
        done = carrier.full(seen)
        assert (done.waiting, set(havana.news())) == (1, {"a"})
        carried(carrier)
    assert havana.news() == {}


@both
def test_letters_that_only_the_server_calls_equal(sites: Sites, tmp_path: Path, one: bool) -> None:
    """A key that the server refuses leaves the others of its chunk alone, and nothing unfinished behind."""
    grizzly, havana = sites
    grizzly.run("ALTER TABLE ec2_credential CONVERT TO CHARACTER SET utf8 COLLATE utf8_general_ci")
    work, _ = work_of(sites, tmp_path, one=one)
    grizzly.old("s", S)
    for access in ("\N{LATIN SMALL LETTER SHARP S}", "a", "b"):
        havana.new(access, S)
    done = once(work)
    assert done.survey.tallies["case-colliding"].keys == ["\N{LATIN SMALL LETTER SHARP S}"]
    assert set(grizzly.olds()) == {"s", "a", "b"}
    assert grizzly.run("SELECT COUNT(*) FROM dbaudit.ec2_intent") == ((0,),)
    assert once(work).changed == 0


@both
def test_a_user_who_holds_a_row_is_waited_for_and_wins(sites: Sites, tmp_path: Path, one: bool) -> None:
    grizzly, havana = sites
    work, _ = work_of(sites, tmp_path, one=one)
    grizzly.old("held", S)
    grizzly.old("free", S)
    once(work)
    havana.new("held", S + "1")
    havana.new("free", S + "1")
    with contextlib.closing(grizzly.server.admin(grizzly.name)) as user, user.cursor() as cursor:
        user.begin()
        cursor.execute("DELETE FROM ec2_credential WHERE access = 'held'")
        thread = threading.Thread(target=lambda: (time.sleep(1), user.commit()))
        thread.start()
        done = once(work)
        thread.join()
    assert grizzly.olds()["free"] == (S + "1", "u", "p")
    assert "held" not in grizzly.olds()
    assert done.new or once(work).new  # changed there, deleted here


def test_pruning_looks_again_for_the_owner(sites: Sites, tmp_path: Path) -> None:
    """A user that came after the census, and his key, are not taken for an orphan."""
    grizzly, havana = sites
    work, _ = work_of(sites, tmp_path, one=True, rules=Rules(prune=True))
    with session(work) as carrier:
        grizzly.run("INSERT INTO user (id) VALUES ('newcomer')")
        grizzly.old("his", S, "newcomer")
        grizzly.old("nobodys", S, "nobody")
        carrier.some([(sha(access), access) for access in ("his", "nobodys")])
    assert set(grizzly.olds()) == set(havana.news()) == {"his"}


def test_confirmed_deletes_are_confirmed_once(sites: Sites, tmp_path: Path) -> None:
    grizzly, havana = sites
    work, _ = work_of(sites, tmp_path, one=True)
    limits = Limits(confirmed=20)
    object.__setattr__(work.wishes, "limits", limits)
    for number in range(40):
        grizzly.old(f"k{number:02}", S)
    with session(work) as carrier:
        carried(carrier)
        grizzly.run("DELETE FROM ec2_credential WHERE access < 'k20'")
        assert carried(carrier).valve.open
        grizzly.run("DELETE FROM ec2_credential")
        assert not carried(carrier).valve.open
    assert len(havana.news()) == 20


def test_a_key_that_havana_limits_is_revoked_on_both_sides_all_the_same(sites: Sites, tmp_path: Path) -> None:
    grizzly, havana = sites
    work, _ = work_of(sites, tmp_path, one=True)
    grizzly.old("k", S)
    havana.new("k", text=blob("k", S, trust_id="t"))
    for _ in range(2):
        done = once(work)
        assert (done.changed, done.survey.tallies["trust-bound"].count) == (0, 1)
    havana.run("DELETE FROM credential")
    once(work)
    assert grizzly.olds() == havana.news() == {}


def test_a_key_without_a_project_is_changed_where_it_is(sites: Sites, tmp_path: Path) -> None:
    grizzly, havana = sites
    work, _ = work_of(sites, tmp_path, one=True)
    grizzly.old("k", S, project=None)
    once(work)
    havana.new("k", S + "2", project=None)
    once(work)
    assert grizzly.olds() == havana.news() == {"k": (S + "2", "u", None)}


def test_a_conflict_that_marks_show_to_be_over_is_over(sites: Sites, tmp_path: Path) -> None:
    grizzly, havana = sites
    work, _ = work_of(sites, tmp_path, one=True)
    grizzly.old("k", S)
    havana.new("k", S + "2")
    with session(work) as carrier:
        assert [each.access for each in carried(carrier).new] == ["k"]
        havana.new("k", S)
        assert carrier.some([(sha("k"), "")]).over and not carrier.book.open


@pytest.mark.server("mariadb")
def test_encrypted_rows_are_written_with_the_primary_key(sites: Sites, dbaudit: Run, tmp_path: Path) -> None:
    grizzly, havana = sites
    havana.run("ALTER TABLE credential DROP COLUMN `blob`, ADD encrypted_blob TEXT NOT NULL, ADD key_hash VARCHAR(64)")
    grizzly.old("a", S)
    words = ("ec2", "sync", grizzly.url, havana.url, "--apply", "--key-file", tmp_path / "key", "--format", "json")
    ran = dbaudit(*words)
    assert ran.code == 1 and ran.json["findings"][0]["check"] == "ec2.encrypted"
    assert havana.run("SELECT * FROM credential") == ()
    folder, primary = tmp_path / "keys", Fernet.generate_key()
    folder.mkdir()
    (folder / "0").write_bytes(Fernet.generate_key())
    (folder / "1").write_bytes(primary)
    ran = dbaudit(*words, "--fernet-keys", folder)
    no_secret(ran)
    assert ran.code == 0, ran
    ((token, hash),) = havana.run("SELECT encrypted_blob, key_hash FROM credential")
    assert json.loads(Vault((primary,)).open(token) or "")["secret"] == S
    assert hash == key_hash(primary)
    assert dbaudit(*words, "--fernet-keys", folder).json["ec2"]["in_step"] == 1


@pytest.fixture
def apart(serve: Callable[[str], Server]) -> Iterator[Sites]:
    """Grizzly on MySQL 5.6 and Havana on MariaDB: two real servers."""
    made = []
    for wish, table, name in (("mysql:5.6", OLD, "apart_g"), ("mariadb", NEW, "apart_h")):
        server = serve(wish)
        for each in (name, "dbaudit"):
            server.drop_database(each)
        server.create_database(name, "utf8")
        site = Site(server, name)
        site.run(*COMMON, table)
        made.append(site)
    yield made[0], made[1]
    for site in made:
        for each in (site.name, "dbaudit"):
            site.server.drop_database(each)


def test_two_real_servers(apart: Sites, dbaudit: Run, tmp_path: Path) -> None:
    grizzly, havana = apart
    for number in range(600):
        grizzly.old(f"g{number}", S) if number % 2 else havana.new(f"h{number}", S)
    words = ("ec2", "sync", grizzly.url, havana.url, "--apply", "--key-file", tmp_path / "key", "--format", "json")
    ran = dbaudit(*words)
    no_secret(ran)
    assert (ran.code, ran.json["ec2"]["created"]) == (0, {"grizzly": 300, "havana": 300})
    assert grizzly.olds() == havana.news()
    havana.run("DELETE FROM credential WHERE id = %s", args=(sha("g1"),))
    grizzly.old("h0", S + "2")
    assert dbaudit(*words).code == 0
    assert grizzly.olds() == havana.news()
    assert "g1" not in grizzly.olds() and grizzly.olds()["h0"][0] == S + "2"
    assert {name for (name,) in grizzly.run("SHOW TABLES FROM dbaudit LIKE 'ec2%%'")} == {"ec2_applied", "ec2_mark"}
    assert havana.run("SELECT COUNT(*) FROM dbaudit.ec2_intent") == ((0,),)
