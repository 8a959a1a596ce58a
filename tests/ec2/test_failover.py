"""`--follow` through what operators do to servers: demoted, promoted, killed, started again, a cluster torn apart.

A follower names one address. Here it is a link to a server's socket, which a failover lets lead to another server.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.ec2.digests import make_digests
from dbaudit.ec2.sync import Wishes, open_work
from dbaudit.server.place import Places
from dbaudit.server.server import Server
from tests import cluster, matrix
from tests.cluster import Member, Replicated, ask, run
from tests.ec2.conftest import COMMON, NEW, OLD, PLANTED, Run, Site, sha
from tests.ec2.following import Follower, until

Sites = tuple[Site, Site]
Start = Callable[..., Follower]
S = PLANTED


@dataclass
class Address:
    """Where clients find a database, whichever server answers there."""

    link: Path
    server: Server = field(init=False)

    def lead_to(self, member: Member) -> None:
        assert member.directory is not None
        new = self.link.with_name(f"{self.link.name}.new")
        new.symlink_to(member.directory / "s")
        os.replace(new, self.link)
        self.server = member


class Moving(Site):
    """A database at an address."""

    def __init__(self, address: Address, name: str) -> None:
        super().__init__(address.server, name)
        self.address = address

    @property
    def url(self) -> str:
        made = self.address.server.url(self.address.server._endpoint.admin, self.name)
        return made.update_query_dict({"unix_socket": str(self.address.link)}).render_as_string(hide_password=False)

    def move(self) -> None:
        self.close()
        self.server = self.address.server


def make(address: Address, name: str, table: str) -> Moving:
    for each in (name, "dbaudit"):
        address.server.drop_database(each)
    address.server.create_database(name, "utf8")
    site = Moving(address, name)
    site.run(*COMMON, table)
    return site


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str]) -> Iterator[Start]:
    made: list[Follower] = []

    def follow(sites: Sites, *words: str) -> Follower:
        made.append(Follower(sites, tmp_path / "follow", environment, *words))
        made[-1].began()
        return made[-1]

    yield follow
    for each in made:
        each.process.kill()
        each.process.wait()


@pytest.fixture
def pair(places: Places, request: pytest.FixtureRequest) -> Iterator[Replicated]:
    """Of MariaDB, or of what the test asks for."""
    wish = getattr(request, "param", "mariadb")
    if wish != "mariadb" and not matrix.program(wish):
        pytest.skip(f"{wish} is absent")
    try:
        with cluster.replicated(places, None if wish == "mariadb" else matrix.program(wish)) as made:
            yield made
    except matrix.AbsentError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def alone(places: Places) -> Iterator[Member]:
    """A primary without a replica, for what changes nothing of the kind."""
    try:
        made = cluster.begin(places, cluster.mariadb(), ["--log-bin=log", "--server-id=1", "--binlog-format=ROW"])
    except matrix.AbsentError as error:
        pytest.skip(str(error))
    yield made
    made.close()


@pytest.fixture
def there(alone: Member, address: Address) -> Sites:
    """Both databases on that one."""
    address.lead_to(alone)
    return make(address, "keystone_g", OLD), make(address, "keystone_h", NEW)


@pytest.fixture
def address(places: Places) -> Iterator[Address]:
    link = places.tmp / "moving"
    yield Address(link)
    link.unlink(missing_ok=True)


@pytest.fixture
def sites(pair: Replicated, address: Address) -> Sites:
    """Both databases on the primary of a pair."""
    address.lead_to(pair.primary)
    return make(address, "keystone_g", OLD), make(address, "keystone_h", NEW)


def position(server: Server) -> Any:
    """What was ever written there."""
    return ask(server, f"SELECT @@{'gtid_executed' if server.version.vendor == 'mysql' else 'gtid_binlog_pos'}")


def in_step(sites: Sites, *accesses: str) -> bool:
    return set(sites[0].olds()) == set(sites[1].news()) == set(accesses)


def promote(pair: Replicated) -> None:
    run(pair.replica, pair.spelled("STOP SLAVE"), pair.spelled("RESET SLAVE ALL"), "SET GLOBAL read_only = 0")


@pytest.mark.parametrize(
    ("pair", "words"), [("mariadb", ("--triggers",)), ("mysql:9", ())], indirect=["pair"], ids=["triggers", "scans"]
)
def test_a_primary_that_is_demoted(pair: Replicated, sites: Sites, start: Start, words: tuple[str, ...]) -> None:
    """The account could write to a read-only server: it does not. It goes on with the new primary."""
    grizzly, havana = sites
    run(pair.replica, "SET GLOBAL read_only = 1")
    grizzly.old("a", S)
    grizzly.old("b", S)
    follower = start(sites, *words)
    assert in_step(sites, "a", "b")
    run(pair.primary, "SET GLOBAL read_only = 1")
    until(lambda: follower.events("lost"))
    written = position(pair.primary)
    assert "read-only" in follower.events("lost")[0]["what"] and follower.metric("healthy") == 0
    cluster.until("the replica has everything", lambda: position(pair.replica) and pair.lag() == 0)
    lost = len(follower.events("lost"))
    until(lambda: len(follower.events("lost")) > lost)  # it was tried again, and not written to
    promote(pair)
    grizzly.address.lead_to(pair.replica)
    for site in sites:
        site.move()
    havana.run("DELETE FROM credential WHERE id = %s", args=(sha("a"),))
    grizzly.old("new", S)
    until(lambda: in_step(sites, "b", "new"))
    assert follower.events("failover")[-1]["triggers"] is bool(words)
    assert position(pair.primary) == written
    until(lambda: follower.metric("healthy") == 1)
    assert follower.stop() == 0


def test_a_primary_that_dies_with_changes_of_its_own(pair: Replicated, sites: Sites, start: Start) -> None:
    """What the replica never got is lost, on both sides alike; it is told that another server answers."""
    grizzly, havana = sites
    for access in ("a", "b", "c"):
        grizzly.old(access, S)
    follower = start(sites)
    cluster.until("the replica has the base", lambda: pair.lag() == 0 and replicated_keys(pair) == 3)
    grizzly.run("DELETE FROM ec2_credential WHERE access = 'a'")  # revoked, and the replica knows
    until(lambda: in_step(sites, "b", "c"))
    cluster.until("the replica knows", lambda: replicated_keys(pair) == 2)
    pair.halt()
    grizzly.old("unknown", S)
    until(lambda: in_step(sites, "b", "c", "unknown"))
    pair.primary.kill()
    until(lambda: follower.events("lost"))
    promote(pair)
    grizzly.address.lead_to(pair.replica)
    for site in sites:
        site.move()
    assert in_step(sites, "b", "c")
    havana.run("DELETE FROM credential WHERE id = %s", args=(sha("b"),))
    until(lambda: in_step(sites, "c"))
    assert len(follower.events("failover")) == 1
    assert follower.stop() == 0


def replicated_keys(pair: Replicated) -> int:
    with contextlib.suppress(Exception):
        return int(ask(pair.replica, "SELECT COUNT(*) FROM dbaudit.ec2_base")[0][0])
    return -1


@pytest.mark.parametrize("words", [("--triggers",), ()], ids=["triggers", "scans"])
def test_one_of_two_servers_is_started_again(
    alone: Member, address: Address, serve: Callable[[str], Server], start: Start, words: tuple[str, ...]
) -> None:
    """Grizzly's server dies and comes back; what users did on either side meanwhile arrives, revocations too."""
    address.lead_to(alone)
    other = serve("mariadb")
    for name in ("restart_h", "dbaudit"):
        other.drop_database(name)
    other.create_database("restart_h", "utf8")
    havana = Site(other, "restart_h")
    grizzly = make(address, "keystone_g", OLD)
    havana.run(*COMMON, NEW)
    sites = grizzly, havana
    try:
        for access in ("a", "b", "c"):
            grizzly.old(access, S)
        follower = start(sites, *words)
        alone.kill()
        havana.run("DELETE FROM credential WHERE id = %s", args=(sha("a"),))
        havana.new("new", S)
        until(lambda: follower.events("lost"))
        alone.restart()
        grizzly.move()
        until(lambda: in_step(sites, "b", "c", "new"))
        grizzly.run("DELETE FROM ec2_credential WHERE access = 'b'")
        until(lambda: in_step(sites, "c", "new"))
        assert not follower.events("failover") and len(follower.events("connected")) >= 2
        assert follower.events("connected")[-1]["triggers"] is bool(words)
        assert follower.stop() == 0
    finally:
        havana.close()
        for name in ("restart_h", "dbaudit"):
            other.drop_database(name)


def test_a_server_that_must_not_be_written_to_is_refused(
    alone: Member, there: Sites, dbaudit: Run, tmp_path: Path
) -> None:
    grizzly, havana = there
    grizzly.old("a", S)
    words = ("ec2", "sync", grizzly.url, havana.url, "--apply", "--key-file", tmp_path / "key")
    written = position(alone)
    for setting, before, told in (
        ("read_only = 1", "read_only = 0", "is read-only"),
        ("binlog_format = STATEMENT", "binlog_format = ROW", "binlog_format=STATEMENT"),
    ):
        run(alone, f"SET GLOBAL {setting}")
        for more in ((), ("--follow",), ("--triggers",), ("--no-triggers",)):
            ran = dbaudit(*words, *more)
            assert (ran.code, told in ran.err) == (2, True), (more, ran)
        assert dbaudit("ec2", "sync", grizzly.url, havana.url).code == 1  # a plan only reads
        run(alone, f"SET GLOBAL {before}")
    assert position(alone) == written and not (tmp_path / "key").exists()
    assert dbaudit(*words).code == 0


def test_triggers_where_the_binary_log_lets_only_administrators_make_them(
    alone: Member, there: Sites, dbaudit: Run, tmp_path: Path
) -> None:
    grizzly, havana = there
    run(alone, "CREATE USER 'sync'@'localhost' IDENTIFIED BY 'secret-Aa1'")
    for name in ("keystone_g", "keystone_h", "dbaudit"):
        run(alone, f"GRANT ALL ON {name}.* TO 'sync'@'localhost'")
    urls = [
        make_url(site.url).set(username="sync", password="secret-Aa1").render_as_string(hide_password=False)
        for site in there
    ]
    words = ("ec2", "sync", *urls, "--apply", "--triggers", "--key-file", tmp_path / "key")
    ran = dbaudit(*words)
    assert ran.code == 2 and "log_bin_trust_function_creators = 1" in ran.err and "secret-Aa1" not in ran.err, ran
    assert grizzly.run("SHOW TRIGGERS") == havana.run("SHOW TRIGGERS") == ()
    run(alone, "SET GLOBAL log_bin_trust_function_creators = 1")
    assert dbaudit(*words).code == 0
    assert len(grizzly.run("SHOW TRIGGERS")) == len(havana.run("SHOW TRIGGERS")) == 3


@pytest.fixture
def nodes(places: Places) -> Iterator[list[Member]]:
    try:
        with cluster.galera(places) as made:
            yield made
    except matrix.AbsentError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.parametrize("words", [("--triggers",), ()], ids=["triggers", "scans"])
def test_a_cluster_that_loses_a_node(
    nodes: list[Member], address: Address, places: Places, start: Start, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Each side by a node of its own: two servers. One dies, and the other has no majority until somebody says so."""
    address.lead_to(nodes[0])
    second = Address(places.tmp / "second")
    second.lead_to(nodes[1])
    try:
        sites = grizzly, havana = make(address, "keystone_g", OLD), make(address, "keystone_h", NEW)
        havana.address = second
        cluster.until("both have it", lambda: ask(nodes[1], "SHOW TABLES FROM keystone_h LIKE 'credential'"))
        havana.move()
        for number in range(20):
            grizzly.old(f"g{number}", S) if number % 2 else havana.new(f"h{number}", S)
        everything = {f"{'hg'[number % 2]}{number}" for number in range(20)}
        follower = start(sites, *words)
        until(lambda: in_step(sites, *everything))
        assert len(set(follower.events("connected")[0]["servers"].values())) == 2
        havana.run("DELETE FROM credential WHERE id = %s", args=(sha("g1"),))
        grizzly.old("g3", S + "2")
        until(lambda: in_step(sites, *everything - {"g1"}) and havana.news()["g3"][0] == S + "2")
        nodes[0].kill()
        until(lambda: follower.events("lost"))
        run(nodes[1], "SET GLOBAL wsrep_provider_options = 'pc.bootstrap=1'")
        cluster.until("it is ready", lambda: cluster.status(nodes[1], "wsrep_ready") == "ON")
        address.lead_to(nodes[1])
        grizzly.move()
        grizzly.run("DELETE FROM ec2_credential WHERE access = 'g5'")
        havana.new("late", S)
        until(lambda: in_step(sites, "late", *everything - {"g1", "g5"}))
        assert follower.events("failover")
        assert follower.stop() == 0
    finally:
        second.link.unlink(missing_ok=True)


def test_a_cluster_is_two_servers_unless_one_node_is_named(
    nodes: list[Member], address: Address, places: Places, tmp_path: Path
) -> None:
    address.lead_to(nodes[0])
    sites = make(address, "keystone_g", OLD), make(address, "keystone_h", NEW)
    make_digests(tmp_path / "key")
    assert open_work([read_operand(site.url, Reading(tmp_path)) for site in sites], Wishes(tmp_path / "key")).ends.one
    address.lead_to(nodes[1])
    mixed = [read_operand(url, Reading(tmp_path)) for url in (Site(nodes[0], "keystone_g").url, sites[1].url)]
    assert not open_work(mixed, Wishes(tmp_path / "key")).ends.one
