"""Killed at every point where something is written, over one server and over two, with a user who acts in between."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from dbaudit.ec2.ruling import Rules
from dbaudit.ec2.sync import Work, session
from tests.ec2.conftest import PLANTED, Site, sha
from tests.ec2.working import carried, killed, once, work_of

pytestmark = pytest.mark.heavy

S = PLANTED
POINTS = 12


def settle(work: Work) -> None:
    with session(work) as carrier:
        for _ in range(3):
            done = carried(carrier)
    assert done.changed == 0


def revoke(site: Site, access: str) -> None:
    site.run("DELETE FROM credential WHERE id = %s", args=(sha(access),)) if site.name.endswith("_h") else site.run(
        "DELETE FROM ec2_credential WHERE access = %s", args=(access,)
    )


def reset(sites: tuple[Site, Site]) -> None:
    grizzly, havana = sites
    grizzly.run("DELETE FROM ec2_credential")
    havana.run("DELETE FROM credential")
    for table in ("ec2_base", "ec2_intent", "ec2_conflict"):
        grizzly.run(f"DELETE FROM dbaudit.{table}")


@pytest.mark.parametrize("one", [True, False], ids=["one-server", "two-servers"])
@pytest.mark.parametrize("source", [0, 1], ids=["grizzly", "havana"])
@pytest.mark.parametrize("then", ["nothing", "revoked-there", "revoked-here"])
def test_creates(sites: tuple[Site, Site], tmp_path: Path, one: bool, source: int, then: str) -> None:
    """A new key arrives, or is revoked if its user revokes it meanwhile on the side where it is: never undone."""
    work, dying = work_of(sites, tmp_path, one=one)
    once(work)
    for point in itertools.count():
        reset(sites)
        sites[source].old("k", S) if source == 0 else sites[source].new("k", S)
        if not killed(work, dying, point):
            assert point in (4, 2, 6)
            break
        there = sites[1 - source]
        has = "k" in (there.olds() if source == 1 else there.news())
        if then == "revoked-here":
            revoke(sites[source], "k")
        elif then == "revoked-there" and has:
            revoke(there, "k")
        settle(work)
        gone = then == "revoked-here" or (then == "revoked-there" and has)
        assert sites[0].olds() == sites[1].news() == ({} if gone else {"k": (S, "u", "p")}), (point, dying.points[-1])


@pytest.mark.parametrize("one", [True, False], ids=["one-server", "two-servers"])
@pytest.mark.parametrize("source", [0, 1], ids=["grizzly", "havana"])
@pytest.mark.parametrize("what", ["delete", "update", "prune"])
def test_deletes_and_updates(sites: tuple[Site, Site], tmp_path: Path, one: bool, source: int, what: str) -> None:
    """A revocation or a change arrives, wherever its sync was killed."""
    work, dying = work_of(sites, tmp_path, one=one, rules=Rules(prune=what == "prune"))
    once(work)
    for point in itertools.count():
        reset(sites)
        for site in sites:
            site.run("REPLACE INTO user (id) VALUES ('u')")
        sites[0].old("k", S)
        sites[0].old("other", S)
        settle(work)
        if what == "delete":
            revoke(sites[source], "k")
        elif what == "update":
            sites[0].old("k", S + "2") if source == 0 else sites[1].new("k", S + "2")
        else:
            sites[source].run("DELETE FROM user WHERE id = 'u'")
        before = sites[0].olds(), sites[1].news()
        if not killed(work, dying, point):
            break
        settle(work)
        rest = {"other": (S, "u", "p")}
        expected = {"delete": rest, "update": {**rest, "k": (S + "2", "u", "p")}, "prune": {}}[what]
        assert sites[0].olds() == sites[1].news() == expected, (point, dying.points[-1], before)
    assert point >= 2
