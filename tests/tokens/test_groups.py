"""More than one server: a flush waits for a lagging replica and for a cluster's flow control, and goes on after."""

from __future__ import annotations

import contextlib
import gzip
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from dbaudit.server.place import Places
from dbaudit.server.server import Server
from tests import cluster, matrix
from tests.cli.conftest import Dbaudit, Ran
from tests.cluster import Member, Replicated, ask, run, status, until
from tests.tokens.conftest import Execute
from tests.tokens.databases import HAVANA, NOW

DEAD = "SELECT COUNT(*) FROM keystone.token WHERE expires < '2013-11-15 12:00:00'"
Begin = Callable[..., Future[Ran]]
# The journal's schema is made by the run itself.
JOURNAL = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'dbaudit' AND table_name = 'lease'"
AT_WORK = "SELECT COUNT(*) FROM dbaudit.lease WHERE holder IS NOT NULL"


@pytest.fixture(scope="module")
def mysqls(places: Places) -> Iterator[Replicated]:
    try:
        with cluster.replicated(places, cluster.mysql()) as made:
            yield made
    except matrix.AbsentError as error:
        pytest.skip(str(error))


def keystone(server: Member, rows: int) -> str:
    """A keystone with dead tokens; gives its URL."""
    run(server, "DROP DATABASE IF EXISTS keystone", "CREATE DATABASE keystone")
    with contextlib.closing(server.admin("keystone")) as connection, connection.cursor() as cursor:
        for statement in HAVANA:
            cursor.execute(statement)
        cursor.executemany(
            "INSERT INTO token VALUES (%s, '2013-01-01', %s, 1, NULL, NULL)",
            [(f"{number * 2654435761 % 2**32:08x}", "x" * 300) for number in range(rows)],
        )
    return url(server)


def url(server: Member) -> str:
    return f"mysql+pymysql://root@localhost/keystone?unix_socket={server.socket}"


def at_work(server: Member) -> bool:
    """Whether a run has the lease."""
    return ask(server, JOURNAL) == [(1,)] and ask(server, AT_WORK) == [(1,)]


def words(where: str, *more: str) -> tuple[str, ...]:
    return ("tokens", "flush", where, "--before", NOW, "--apply", *more)


@pytest.fixture
def begin(dbaudit: Dbaudit) -> Iterator[Begin]:
    """Call `dbaudit` with these words while the test goes on."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda *words: pool.submit(dbaudit, *words)


@pytest.mark.parametrize("vendor", ["pair", "mysqls"])
def test_it_waits_for_a_replica(vendor: str, request: pytest.FixtureRequest, begin: Begin) -> None:
    pair: Replicated = request.getfixturevalue(vendor)
    where = keystone(pair.primary, 3_000)
    until("the replica has it", lambda: ask(pair.replica, "SHOW DATABASES LIKE 'keystone'") and pair.lag() == 0)
    pair.delay(60)
    try:
        run(pair.primary, "CREATE TABLE keystone.late (id INT PRIMARY KEY)")
        until("it lags", lambda: (pair.lag() or 0) > 2, patience=30)
        brakes = ("--replica", url(pair.replica), "--max-lag", "2", "--rate", "300", "--max-wait", "60")
        ran = begin(*words(where, *brakes))
        until("it is at work", lambda: at_work(pair.primary), patience=60)
        time.sleep(2)  # a look at the gauges, and the chunk in hand
        held = ask(pair.primary, DEAD)[0][0]
        time.sleep(1.5)
        assert ask(pair.primary, DEAD) == [(held,)]
        assert held > 2_000
        pair.delay(0)
        assert ran.result(120).code == 0, ran.result()
        assert ask(pair.primary, DEAD) == [(0,)]
    finally:
        pair.delay(0)
    until("the replica has caught up", lambda: ask(pair.replica, DEAD) == [(0,)])


@pytest.mark.parametrize("vendor", ["pair", "mysqls"])
def test_unknown_lag_stops_it(vendor: str, request: pytest.FixtureRequest, dbaudit: Dbaudit) -> None:
    pair: Replicated = request.getfixturevalue(vendor)
    where = keystone(pair.primary, 50)
    pair.halt()
    try:
        ran = dbaudit(*words(where, "--replica", url(pair.replica), "--max-wait", "2"))
        assert ran.code == 75
        assert "lag" in ran.err
        assert ask(pair.primary, DEAD) == [(50,)]
    finally:
        pair.go_on()


def test_it_waits_for_flow_control(nodes: list[Member], begin: Begin, tmp_path: Path) -> None:
    one, two = nodes
    where = keystone(one, 3_000)
    until("the other node has it", lambda: ask(two, "SHOW DATABASES LIKE 'keystone'"))
    run(one, "CREATE DATABASE f", "CREATE TABLE f.t (id INT AUTO_INCREMENT PRIMARY KEY)")
    run(two, "SET GLOBAL wsrep_provider_options = 'gcs.fc_limit=1'")
    over = threading.Event()

    def slow() -> None:
        """While the other node applies a large change, small ones queue up behind it, and it asks for a pause."""
        with contextlib.closing(one.admin("f")) as connection, connection.cursor() as cursor:
            while not over.is_set():
                cursor.execute("INSERT INTO t SELECT NULL FROM seq_1_to_50000")
                for _ in range(20):
                    cursor.execute("INSERT INTO t VALUES ()")

    brake = threading.Thread(target=slow)
    before = int(status(one, "wsrep_flow_control_paused_ns"))
    brake.start()
    try:
        ran = begin(*words(where, "--rate", "600", "--max-wait", "90", "--max-flow-control", "1", "--metrics", "m"))
        until("the node was paused", lambda: int(status(one, "wsrep_flow_control_paused_ns")) > before, patience=60)
        time.sleep(8)
    finally:
        over.set()
        brake.join()
    assert ran.result(120).code == 0, ran.result()
    assert ask(one, DEAD) == [(0,)]
    (held,) = [line for line in (tmp_path / "m").read_text().splitlines() if "held_back_seconds{" in line]
    assert float(held.split()[-1]) > 0, "nothing held it back"
    run(two, "SET GLOBAL wsrep_provider_options = 'gcs.fc_limit=100'")
    until("so has the other node", lambda: ask(two, DEAD) == [(0,)])


@pytest.mark.parametrize("limit", ["wsrep_max_ws_size = 200000", "wsrep_max_ws_rows = 300"])
def test_a_chunk_stays_below_half_of_a_write_set(nodes: list[Member], dbaudit: Dbaudit, limit: str) -> None:
    where = keystone(nodes[0], 3_000)
    # Some rows are fifty times the others, and lie together: what the table's mean says does not hold for them.
    run(nodes[0], "UPDATE keystone.token SET extra = REPEAT('x', 15000) WHERE id LIKE '7%'")
    big, size = ask(nodes[0], "SELECT COUNT(*), MAX(LENGTH(extra)) FROM keystone.token WHERE id LIKE '7%'")[0]
    assert (big > 100, size) == (True, 15_000)
    before = status(nodes[0], "wsrep_replicated_bytes")
    run(nodes[0], f"SET GLOBAL {limit}")
    try:
        ran = dbaudit(*words(where, "--fast", "--format", "json"))
    finally:
        run(nodes[0], "SET GLOBAL wsrep_max_ws_size = 2147483647", "SET GLOBAL wsrep_max_ws_rows = 0")
    assert ran.code == 0, ran.err
    assert ask(nodes[0], DEAD) == [(0,)]
    assert status(nodes[0], "wsrep_replicated_bytes") != before
    chunks = ask(nodes[0], "SELECT last_key, changed FROM dbaudit.chunk WHERE run = (SELECT MAX(run) FROM dbaudit.run)")
    assert sum(changed for _, changed in chunks) == 3_000
    if "rows" in limit:
        assert max(changed for _, changed in chunks) <= 150
    else:
        assert max(changed for key, changed in chunks if key.startswith('["7')) * size <= 100_000
        assert max(changed for _, changed in chunks) > 20  # where rows are small, chunks are not
    until("so has the other node", lambda: ask(nodes[1], DEAD) == [(0,)])


def test_two_nodes_exclude_each_other(nodes: list[Member], dbaudit: Dbaudit, begin: Begin) -> None:
    where = keystone(nodes[0], 2_000)
    until("the other node has it", lambda: ask(nodes[1], "SHOW DATABASES LIKE 'keystone'"))
    first = begin(*words(where, "--rate", "300"))
    until("it has begun", lambda: ask(nodes[0], DEAD) < [(2_000,)], patience=60)
    ran = dbaudit(*words(url(nodes[1])))
    assert (ran.code, first.result(120).code) == (75, 0), (ran, first.result())
    assert "holds the lease" in ran.err
    refused = dbaudit(*words(where, "--rebuild"))
    assert refused.code == 66
    assert "Galera" in refused.err


@pytest.mark.parametrize("release", ["grizzly", "havana"])
def test_the_corpus(
    dbaudit: Dbaudit, execute: Execute, url: str, journal: str, corpus: Path, release: str, server: Server, schema: str
) -> None:
    dump = gzip.decompress((corpus / "data" / f"keystone-{release}.sql.gz").read_bytes()).decode()
    load(server, schema, dump)
    total = execute("SELECT COUNT(*) FROM token")[0][0]
    kept = execute("SELECT * FROM token WHERE expires >= '2013-11-15 12:00:00' OR expires IS NULL ORDER BY id")
    command = ("tokens", "flush", url, "--before", NOW, "--journal-schema", journal, "--format", "json")
    plan = dbaudit(*command).json["flush"]["tables"][0]
    assert (plan["dead"], plan["never_expires"], plan["rows"]) == (total - len(kept), 1, total)
    assert ("no index on the expiry" in plan["course"]) == (release == "grizzly")
    ran = dbaudit(*command, "--apply")
    assert ran.code == 0, ran.err
    assert ran.json["flush"]["tables"][0]["deleted"] == total - len(kept) == 3_999
    assert execute("SELECT * FROM token ORDER BY id") == kept


def load(server: Server, schema: str, dump: str) -> None:
    """The token and trust tables of a dump, statement by statement."""
    with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        for name in ("token", "trust", "trust_role", "migrate_version"):
            start = dump.index(f"CREATE TABLE `{name}`")
            cursor.execute(dump[start : dump.index(";\n", start)].replace("%", "%%"))
            for line in dump.splitlines():
                if line.startswith(f"INSERT INTO `{name}` "):
                    cursor.execute(line.rstrip(";"))
