"""`dbaudit ec2 sync --follow` as a process: changes arrive, with triggers or not; lost connections, a stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dbaudit.ec2.follow import Course
from dbaudit.ec2.follow import Follower as Following
from dbaudit.ec2.triggers import install, remove
from dbaudit.repair.stop import Stop
from tests.ec2.conftest import PLANTED, Run, Site, sha
from tests.ec2.following import PATIENCE, Follower, follow, until
from tests.ec2.working import work_of

pytestmark = pytest.mark.heavy

__all__ = ["follow"]
Sites = tuple[Site, Site]
S = PLANTED


def triggers_made(sites: Sites) -> set[tuple[Any, ...]]:
    """Our triggers and when each was made, which MariaDB and MySQL since 5.7 tell."""
    query = "SELECT TRIGGER_SCHEMA, TRIGGER_NAME, CREATED FROM information_schema.TRIGGERS"
    return {row for row in sites[0].run(query) if row[0] in {site.name for site in sites}}


def our_triggers(sites: Sites) -> int:
    return sum(len(site.run("SHOW TRIGGERS LIKE '%%credential%%'")) for site in sites)


@pytest.mark.parametrize("words", [("--triggers",), ()], ids=["triggers", "scans"])
def test_changes_arrive(sites: Sites, follow: Callable[..., Follower], words: tuple[str, ...]) -> None:
    grizzly, havana = sites
    grizzly.old("before", S)
    run = follow(*words)
    run.began()
    assert set(havana.news()) == {"before"}
    assert run.events("connected")[0]["triggers"] is bool(words)
    assert our_triggers(sites) == (6 if words else 0)
    havana.new("h", S)
    grizzly.old("g", S)
    until(lambda: set(grizzly.olds()) == set(havana.news()) == {"before", "h", "g"})
    havana.new("g", S + "2")
    until(lambda: grizzly.olds()["g"] == (S + "2", "u", "p"))
    grizzly.run("DELETE FROM ec2_credential WHERE access IN ('h', 'before')")
    until(lambda: set(havana.news()) == {"g"})
    havana.run("DELETE FROM credential WHERE id = %s", args=(sha("g"),))
    until(lambda: grizzly.olds() == {})
    if words:
        until(lambda: grizzly.run("SELECT COUNT(*) FROM dbaudit.ec2_mark") == ((0,),))
    until(lambda: run.metric("healthy") == 1 and run.metric('keys{side="base"}') == 0)
    assert run.stop() == 0
    assert our_triggers(sites) == 0
    assert run.events()[-1]["event"] == "stopped"
    if words:
        err = (run.folder / "err").read_text()
        assert err.index("DROP TRIGGER IF EXISTS") < len("In an emergency these statements remove the triggers:\n") + 5


def test_conflicts_are_told_once_and_held_deletes_are_unhealthy(sites: Sites, follow: Callable[..., Follower]) -> None:
    grizzly, havana = sites
    for number in range(20):
        grizzly.old(f"k{number}", S)
    run = follow()
    run.began()
    grizzly.run("UPDATE ec2_credential SET secret = %s WHERE access = 'k1'", args=(S + "a",))
    havana.new("k1", S + "b")
    until(lambda: run.events("conflict") or run.events("resolved") or grizzly.olds()["k1"] == havana.news()["k1"])
    if not run.events("conflict"):  # a round came in between the two changes
        pytest.skip("the changes were seen one after the other")
    rounds = len(run.events("round"))
    until(lambda: len(run.events("round")) > rounds + 3)
    assert [each["access"] for each in run.events("conflict")] == ["k1"]
    assert run.metric("conflicts") == 1
    havana.new("k1", S + "a")
    until(lambda: run.events("resolved"))
    grizzly.run("DELETE FROM ec2_credential WHERE access <> 'k1'")
    until(lambda: run.events("deletes-held"))
    assert run.metric("deletes_held") == 19 and run.metric("healthy") == 0
    assert len(havana.news()) == 20
    assert run.stop() == 2


@pytest.mark.parametrize("words", [("--triggers",), ()], ids=["triggers", "scans"])
def test_lost_connections(sites: Sites, follow: Callable[..., Follower], words: tuple[str, ...]) -> None:
    grizzly, havana = sites
    run = follow(*words)
    run.began()
    for number in range(3):
        for id, *_rest in grizzly.run(
            "SELECT id FROM information_schema.PROCESSLIST WHERE user = 'root' AND id <> CONNECTION_ID()"
        ):
            grizzly.run(f"KILL {id}")
        grizzly.old(f"g{number}", S)
        until(lambda number=number: f"g{number}" in havana.news())
    assert run.events("lost")
    assert run.stop(signal.SIGINT) == 0


def test_a_second_follower_is_told_who_holds_the_lease(sites: Sites, follow: Callable[..., Follower]) -> None:
    first = follow()
    first.began()
    second = follow()
    assert second.process.wait(PATIENCE) == 75
    assert first.process.poll() is None
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    third = follow("--interval", "100ms")  # a process that is gone holds nothing up
    third.began()
    assert third.stop() == 0


def test_a_second_run_takes_no_triggers_from_a_follower(
    sites: Sites, follow: Callable[..., Follower], dbaudit: Run
) -> None:
    grizzly, havana = sites
    first = follow("--triggers")
    first.began()
    made = triggers_made(sites)
    assert len(made) == 6
    words = ("ec2", "sync", grizzly.url, havana.url, "--key-file", first.folder / "key", "--apply")
    for more in (("--triggers",), ("--triggers", "--follow"), ("--no-triggers",), ("--no-triggers", "--follow")):
        assert dbaudit(*words, *more).code == 75
        assert triggers_made(sites) == made, more  # not even made anew
    grizzly.old("late", S)
    until(lambda: set(havana.news()) == {"late"})
    assert first.process.poll() is None and not first.events("lost")
    assert first.stop() == 0 and our_triggers(sites) == 0


def test_a_follower_whose_triggers_are_removed_scans(sites: Sites, tmp_path: Path) -> None:
    grizzly, havana = sites
    work, _ = work_of(sites, tmp_path, one=True)
    stop, told = Stop(), list[Any]()
    course = Course(stop, 0.1, told.append, full=0.5)
    run = Following(work, course, begun=lambda: install(work.pair, work.ends, lambda _text: None))
    thread = threading.Thread(target=run.run)
    thread.start()
    try:
        until(lambda: run.status.rounds > 1)
        remove(work.ends)
        until(lambda: [each["triggers"] for each in told if each["event"] == "triggers"] == [False])
        rounds = sum(each["event"] == "round" and each["full"] for each in told)
        until(lambda: sum(each["event"] == "round" and each["full"] for each in told) > rounds + 10)
        install(work.pair, work.ends, lambda _text: None)
        until(lambda: [each["triggers"] for each in told if each["event"] == "triggers"] == [False, True])
        grizzly.old("late", S)
        until(lambda: set(havana.news()) == {"late"})
    finally:
        stop.want()
        thread.join(PATIENCE)
    assert not thread.is_alive() and not [each for each in told if each["event"] == "lost"]


@pytest.mark.server("mariadb")
def test_printing_and_refusing_triggers(sites: Sites, dbaudit: Run, tmp_path: Path) -> None:
    grizzly, havana = sites
    words = ("ec2", "sync", grizzly.url, havana.url, "--key-file", tmp_path / "key", "--format", "json")
    ran = dbaudit(*words, "--triggers")
    told = ran.json["ec2"]["triggers"]
    assert (ran.code, len(told["remove"]), len(told["create"])) == (0, 6, 6)
    assert ran.json["notes"][1] == told["remove"][0]
    assert our_triggers(sites) == 0
    for statement in told["create"]:
        grizzly.run(statement.rstrip(";"))
    # the journal is not there: a mark that fails does not fail the release's write
    grizzly.old("a", S)
    assert set(grizzly.olds()) == {"a"}
    assert dbaudit(*words, "--no-triggers").json["ec2"]["triggers"]["there"] != []
    assert our_triggers(sites) == 6
    assert dbaudit(*words, "--no-triggers", "--apply").code == 0
    assert our_triggers(sites) == 0
    assert dbaudit(*words, "--triggers", "--apply").code == 0
    assert our_triggers(sites) == 6
    dbaudit(*words, "--no-triggers", "--apply")
    grizzly.run("UPDATE migrate_version SET version = 25")  # an upgrade is under way: 033 drops the table
    ran = dbaudit(*words, "--triggers", "--apply")
    assert ran.code == 2 and "33 is pending" in ran.err and our_triggers(sites) == 0
    grizzly.run("UPDATE migrate_version SET version = 22")
    havana.run("ALTER TABLE credential ENGINE=MyISAM")
    assert dbaudit(*words, "--triggers", "--apply").code == 2
    assert dbaudit("ec2", "sync", grizzly.url, havana.url, "--follow").code == 64


@pytest.mark.server("mysql>=9")
def test_a_server_that_is_read_only_for_a_while(sites: Sites, follow: Callable[..., Follower]) -> None:
    """As a primary that was demoted: nothing is written there, and it goes on when there is one that takes writes."""
    grizzly, havana = sites
    run = follow("--interval", "3s")
    run.began()
    time.sleep(0.2)
    grizzly.old("a", S)
    grizzly.run("SET GLOBAL super_read_only = 1")
    try:
        until(lambda: run.events("lost"))
        assert "read-only" in run.events("lost")[0]["what"] or "1290" in run.events("lost")[0]["what"]
        assert havana.news() == {}
    finally:
        grizzly.run("SET GLOBAL super_read_only = 0, read_only = 0")
    until(lambda: set(havana.news()) == {"a"})
    assert run.stop() == 0


def test_the_privileges_that_the_docs_name_are_enough(sites: Sites, dbaudit: Run, tmp_path: Path) -> None:
    grizzly, havana = sites
    server = grizzly.server
    account = server.restricted([f"{grizzly.name[:40]}_x"])  # a user without any right here
    who = f"'{account.user}'@'{server._endpoint.host}'"
    for site in sites:
        pattern = site.name.replace("_", "\\_")
        grizzly.run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON `{pattern}`.* TO {who}")
    grizzly.run(f"GRANT CREATE, SELECT, INSERT, UPDATE, DELETE ON `dbaudit`.* TO {who}")
    grizzly.old("a", S)
    urls = [server.url(account, site.name).render_as_string(hide_password=False) for site in sites]
    ran = dbaudit("ec2", "sync", *urls, "--apply", "--key-file", tmp_path / "key")
    assert ran.code == 0, ran
    assert set(havana.news()) == {"a"}
    grizzly.run(f"REVOKE CREATE, SELECT, INSERT, UPDATE, DELETE ON `dbaudit`.* FROM {who}")
    grizzly.run("DROP DATABASE dbaudit")
    ran = dbaudit("ec2", "sync", *urls, "--apply", "--key-file", tmp_path / "key2")
    assert ran.code == 66 and "GRANT CREATE" in ran.err and account.password not in ran.err, ran


@pytest.mark.server("mysql==5.6", "mariadb")
def test_without_the_privilege_it_says_what_to_grant(sites: Sites, dbaudit: Run, tmp_path: Path) -> None:
    grizzly, havana = sites
    account = grizzly.server.restricted([grizzly.name, havana.name, "dbaudit"])
    host = grizzly.server._endpoint.host
    for site in sites:
        pattern = site.name.replace("_", "\\_")
        grizzly.run(f"REVOKE TRIGGER ON `{pattern}`.* FROM '{account.user}'@'{host}'")
    urls = [site.server.url(account, site.name).render_as_string(hide_password=False) for site in sites]
    ran = dbaudit("ec2", "sync", *urls, "--apply", "--triggers", "--key-file", tmp_path / "key")
    assert ran.code == 2 and "GRANT TRIGGER ON" in ran.err, ran
    assert our_triggers(sites) == 0
