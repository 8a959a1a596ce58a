"""What a sync refuses, each with its reason and without having written; and what must not stop it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from dbaudit.ec2.fernet import Vault
from dbaudit.ec2.follow import Course, Follower
from dbaudit.ec2.status import Status
from dbaudit.ec2.triggers import install, installed, refusals
from dbaudit.errors import DbauditError
from dbaudit.reconcile import Refused
from dbaudit.repair.stop import Stop
from dbaudit.report.ec2 import writer
from tests.ec2.conftest import PLANTED, Run, Site, blob, no_secret, sha
from tests.ec2.following import until
from tests.ec2.working import once, work_of

Sites = tuple[Site, Site]
S = PLANTED


@pytest.fixture
def sync(sites: Sites, dbaudit: Run, tmp_path: Path) -> Run:
    def call(*words: object) -> Any:
        urls = [site.url for site in sites]
        ran = dbaudit("ec2", "sync", *urls, "--apply", "--key-file", tmp_path / "key", "--format", "json", *words)
        no_secret(ran)
        return ran

    return call


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("side", "statement", "told"),
    [
        (0, "ALTER TABLE ec2_credential DROP COLUMN tenant_id", "`ec2_credential` has no column tenant_id"),
        (1, "ALTER TABLE credential DROP COLUMN project_id", "`credential` has no column project_id"),
        (1, "DROP TABLE credential", "has no table `credential`"),
    ],
)
def test_tables_that_are_not_keystones(
    sites: Sites, sync: Run, dbaudit: Run, side: int, statement: str, told: str
) -> None:
    sites[side].run(statement)
    for ran in (sync(), dbaudit("ec2", "check", *(site.url for site in sites))):
        assert (ran.code, told in ran.err) == (2, True), ran


@pytest.mark.heavy
def test_key_files(sites: Sites, sync: Run, tmp_path: Path) -> None:
    sites[0].old("a", S)
    key = tmp_path / "key"
    for content, told in (("ab" * 31, "fewer than 32 bytes"), ("no hex at all", "cannot be read"), ("", "fewer")):
        key.write_text(content)
        key.chmod(0o600)
        ran = sync()
        assert (ran.code, told in ran.err) == (66, True), ran
        assert not content or content not in ran.err
    assert sync("--key-file", tmp_path).code in (2, 66)
    assert sync("--key-file", tmp_path / "key" / "below").code == 66
    for mode in (0o640, 0o604, 0o660):
        key.write_text("ab" * 32)
        key.chmod(mode)
        ran = sync()
        assert (ran.code, "chmod 600" in ran.err, "abab" in ran.err) == (2, True, False), ran
    assert sites[1].news() == {}


@pytest.mark.heavy
def test_words_that_make_no_sense(sites: Sites, sync: Run, tmp_path: Path) -> None:
    for words in (("--interval", "soon"), ("--interval", "0s"), ("--interval", "-1s"), ("--max-deletes", "101")):
        assert sync("--follow", *words).code == 64, words
    for option in ("--metrics", "--events"):
        ran = sync("--follow", option, tmp_path / "none" / "file")
        assert ran.code == 66 and "cannot be written" in ran.err, ran


@pytest.mark.heavy
def test_the_valve_is_as_wide_as_it_is_told(sites: Sites, sync: Run) -> None:
    grizzly, havana = sites
    for number in range(40):
        grizzly.old(f"k{number}", S)
    sync()
    grizzly.run("DELETE FROM ec2_credential WHERE access > 'k2'")
    gone = 40 - len(grizzly.olds())
    assert gone > 20 and sync("--max-deletes", "50").code == 2 and len(havana.news()) == 40
    assert sync("--max-deletes", "100").code == 0
    assert set(havana.news()) == set(grizzly.olds())


def test_triggers_are_refused_where_they_would_break_writes(sites: Sites, sync: Run) -> None:
    grizzly, havana = sites

    def refused(told: str) -> None:
        ran = sync("--triggers")
        assert (ran.code, told in ran.err) == (2, True), (told, ran)
        assert ran.err.index("DROP TRIGGER IF EXISTS") < ran.err.index("error:")
        assert not [name for site in sites for name, *_ in site.run("SHOW TRIGGERS") if name.startswith("dbaudit")]

    stop = "BEGIN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'read only'; END"
    havana.run(f"CREATE TRIGGER credential_insert_read_only BEFORE INSERT ON credential FOR EACH ROW {stop}")
    refused("expand was run, contract was not")
    havana.run("DROP TRIGGER credential_insert_read_only")
    havana.run(f"CREATE TRIGGER site_own BEFORE INSERT ON credential FOR EACH ROW {stop}")
    refused("fails with error 1644, triggers or not")
    havana.run("DROP TRIGGER site_own")
    grizzly.run("CREATE TRIGGER site_own AFTER DELETE ON ec2_credential FOR EACH ROW SET @seen = 1")
    if not grizzly.server.version.at_least(mysql=(5, 7, 2), mariadb=(10, 2, 3)):
        refused("allows one AFTER DELETE")
    else:
        assert sync("--triggers").code == 0 and sync("--no-triggers").code == 0
    grizzly.run("DROP TRIGGER site_own")
    with contextlib.closing(grizzly.server.admin(grizzly.name)) as user, user.cursor() as cursor:
        user.begin()
        cursor.execute("SELECT * FROM ec2_credential")
        refused("a long transaction holds the table")


def test_triggers_are_refused_where_033_is_pending(sites: Sites, dbaudit: Run, tmp_path: Path) -> None:
    """One database with both tables below 33: the next step of the upgrade drops one of them."""
    grizzly, havana = sites
    havana.run(f"CREATE TABLE ec2_credential LIKE `{grizzly.name}`.ec2_credential")
    words = ("ec2", "sync", havana.url, "--apply", "--triggers", "--key-file", tmp_path / "key")
    for version, code in ((22, 2), (32, 2), (33, 0)):
        havana.run("UPDATE migrate_version SET version = %s", args=(version,))
        ran = dbaudit(*words)
        assert (ran.code, "33 is pending" in ran.err) == (code, code == 2), ran


def test_triggers_need_a_definer_to_rely_on(sites: Sites, tmp_path: Path) -> None:
    work, _ = work_of(sites, tmp_path, one=True)
    assert refusals(work.pair, work.ends) == ()
    for account, told in (("''@'localhost'", "the anonymous one"), ("'dropped'@'%'", "is not there as such")):
        ends = replace(work.ends, havana=replace(work.ends.havana, account=account))
        (reason,) = refusals(work.pair, ends)
        assert told in reason
        with pytest.raises(Refused, match="no triggers"):
            install(work.pair, ends, lambda _text: None)
    assert installed(work.ends) == frozenset()


@pytest.mark.server("mariadb", "mysql>=9")
def test_triggers_whose_definer_may_not_mark(sites: Sites, sync: Run, dbaudit: Run, tmp_path: Path) -> None:
    grizzly, havana = sites
    assert sync().code == 0  # the tables are there
    server = grizzly.server
    account = server.restricted([grizzly.name, havana.name])
    who = f"'{account.user}'@'{server._endpoint.host}'"
    for (table,) in grizzly.run("SHOW TABLES FROM dbaudit"):
        rights = "SELECT, DELETE" if table == "ec2_mark" else "SELECT, INSERT, UPDATE, DELETE"
        grizzly.run(f"GRANT {rights} ON dbaudit.`{table}` TO {who}")
    urls = [server.url(account, site.name).render_as_string(hide_password=False) for site in sites]
    ran = dbaudit("ec2", "sync", *urls, "--apply", "--triggers", "--key-file", tmp_path / "key")
    assert ran.code == 2 and "GRANT INSERT ON `dbaudit`.`ec2_mark`" in ran.err, ran
    assert not [name for site in sites for name, *_ in site.run("SHOW TRIGGERS")]


def test_half_a_letter_in_a_blob_stops_nobody_elses_key(sites: Sites, sync: Run, dbaudit: Run) -> None:
    """JSON can hold what no text can: one user's blob must not end the sync of all."""
    grizzly, havana = sites
    havana.new("a", id=sha("half"), text=f'{{"access": "\\ud800", "secret": "{S}"}}')
    havana.new("secret", text=f'{{"access": "secret", "secret": "{S}\\udc00", "trust_id": null}}')
    grizzly.old("good", S)
    ran = sync()
    assert ran.code == 1, ran
    assert havana.run("SELECT 1 FROM credential WHERE id = %s", args=(sha("good"),)) == ((1,),)
    told = {each["check"]: each["keys"] for each in ran.json["findings"]}
    assert told == {"ec2.unreadable": [sha("half")], "ec2.letters": ["secret"]}
    assert dbaudit("ec2", "check", grizzly.url, havana.url).code == 1
    grizzly.old("secret", S)  # differs: compared, and reported
    assert [each["access"] for each in sync().json["ec2"]["conflicts"]] == ["secret"]


def test_a_base_that_is_begun_anew_knows_nothing_of_the_old_one(sites: Sites, sync: Run) -> None:
    """MySQL 5.6 gives a pair's number again after a restart: an old base would take a missing key for a revoked one."""
    grizzly, havana = sites
    grizzly.old("a", S)
    sync()
    ((pair,),) = havana.run("SELECT pair FROM dbaudit.ec2_pair")
    havana.run("DELETE FROM dbaudit.ec2_pair", f"ALTER TABLE dbaudit.ec2_pair AUTO_INCREMENT = {pair}")
    havana.run("DELETE FROM credential")
    ran = sync()
    assert havana.run("SELECT pair FROM dbaudit.ec2_pair") == ((pair,),)
    assert ran.json["ec2"]["deleted"] == {"grizzly": 0, "havana": 0}
    assert set(grizzly.olds()) == set(havana.news()) == {"a"}


def test_numbers_of_chunks_do_not_pile_up(sites: Sites, tmp_path: Path) -> None:
    work, _ = work_of(sites, tmp_path, one=False)
    once(work)
    sites[0].run("INSERT INTO dbaudit.ec2_applied VALUES ('old', 1, UTC_TIMESTAMP(6) - INTERVAL 2 DAY)")
    sites[1].new("a", S)
    once(work)
    (nonces,) = zip(*sites[0].run("SELECT nonce FROM dbaudit.ec2_applied"), strict=True)
    assert len(nonces) == 1 and "old" not in nonces and set(sites[0].olds()) == {"a"}


def test_both_blobs_are_written_where_both_are_there(sites: Sites, sync: Run, tmp_path: Path) -> None:
    """Between Newton's expand and its contract nodes of the older release read the one, newer ones the other."""
    grizzly, havana = sites
    havana.run("ALTER TABLE credential MODIFY `blob` TEXT NULL, ADD encrypted_blob TEXT, ADD key_hash VARCHAR(64)")
    folder, key = tmp_path / "keys", Fernet.generate_key()
    folder.mkdir()
    (folder / "1").write_bytes(key)
    grizzly.old("a", S)
    for secret in (S, S + "2"):
        grizzly.old("a", secret)
        assert sync("--fernet-keys", folder).code == 0
        ((plain, token),) = havana.run("SELECT `blob`, encrypted_blob FROM credential")
        assert plain == Vault((key,)).open(token) == blob("a", secret)
    assert sync("--fernet-keys", folder).json["ec2"]["in_step"] == 1


@contextlib.contextmanager
def following(sites: Sites, folder: Path) -> Iterator[list[Any]]:
    """A follower with triggers that scans no second time."""
    work, _ = work_of(sites, folder, one=True)
    stop, told = Stop(), list[Any]()
    course = Course(stop, 0.1, told.append, full=1_000)
    run = Follower(work, course, begun=lambda: install(work.pair, work.ends, lambda _text: None))
    thread = threading.Thread(target=run.run)
    thread.start()
    try:
        until(lambda: run.status.rounds > 1)
        yield told
    finally:
        stop.want()
        thread.join(60)
    assert not thread.is_alive()


def test_a_mark_stays_while_its_key_is_in_use(sites: Sites, tmp_path: Path) -> None:
    """Somebody who locks the other side's row and changes nothing leaves no mark that would bring the key back."""
    grizzly, havana = sites
    grizzly.old("k", S)
    with following(sites, tmp_path) as told:
        with contextlib.closing(havana.server.admin(havana.name)) as user, user.cursor() as cursor:
            user.begin()
            cursor.execute("SELECT * FROM credential FOR UPDATE")
            grizzly.run("DELETE FROM ec2_credential")
            time.sleep(5)  # longer than a key alone is tried
            assert set(havana.news()) == {"k"}
            user.rollback()
        until(lambda: havana.news() == {}, 15)
        assert not [each for each in told if each["event"] == "lost"]
        until(lambda: grizzly.run("SELECT COUNT(*) FROM dbaudit.ec2_mark") == ((0,),))


def test_a_disk_that_gets_full_under_the_metrics_ends_no_sync(tmp_path: Path) -> None:
    folder = tmp_path / "textfiles"
    show = writer(folder / "m.prom")
    with pytest.raises(DbauditError):
        show(Status())
    folder.mkdir()
    show(Status())
    (folder / "m.prom").unlink()
    folder.rmdir()
    show(Status(rounds=2))  # nothing is raised any more
    folder.mkdir()
    show(Status(rounds=3))
    assert "dbaudit_ec2_rounds_total 3" in (folder / "m.prom").read_text()
