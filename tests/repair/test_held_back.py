"""What holds runs back on real servers: replica lag, a cluster's limits, flow control, threads; and a busy writer."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from dbaudit.errors import BusyError, DbauditError
from dbaudit.progress import Progress
from dbaudit.repair import run as runs
from dbaudit.repair.apply import apply
from dbaudit.repair.brakes import Brakes, throttle_of
from dbaudit.repair.chunk import Bounds
from dbaudit.repair.gauge import FlowControl, HistoryList, ReplicaLag, ThreadsRunning
from dbaudit.repair.journal import init_journal
from dbaudit.repair.lease import Lease
from dbaudit.repair.limits import Limits
from dbaudit.repair.plan import Plan, make_plan
from dbaudit.repair.retract import undo
from dbaudit.repair.run import bounds_of
from dbaudit.repair.stop import Stop
from dbaudit.repair.target import Target, open_target
from dbaudit.repair.throttle import Throttle, Throttled
from dbaudit.server.place import Places
from tests import cluster
from tests.cluster import Member, Replicated, until
from tests.cluster import run as command
from tests.repair.members import SCHEMA, contents, executor, local, rows_of, with_things
from tests.repair.works import DROP, FILL, Execute

QUICK = Limits(looks_apart=0.0)


def test_lag_of_a_replica_holds_and_is_named(pair: Replicated) -> None:
    target, execute = with_things(pair.primary)
    until("the replica has it all", lambda: executor(pair.replica)("SELECT COUNT(*) FROM tag")[0][0] > 100)
    lag = ReplicaLag(local(pair.replica, ""), limit=1.0)
    assert lag.holds() is None
    pair.delay(10)
    try:
        execute("UPDATE owner SET name = 'late' WHERE id = 1")
        until("it lags", lambda: " s (limit 1 s)" in (lag.holds() or ""), patience=20)
        seen: list[Progress] = []
        brakes = Brakes(replicas=[local(pair.replica, "")], max_lag=1.0, max_wait=1.5)
        with pytest.raises(Throttled, match="held back for 2 s: replica lag of") as held:
            apply(DROP, target, throttle_of(brakes, target, Stop(), seen.append), QUICK)
        assert held.value.exit == 75
        assert "replica lag of" in seen[-1].detail
        assert execute("SELECT COUNT(*) FROM thing WHERE owner_id > 5") == [(400,)]  # not even a first chunk
    finally:
        pair.delay(0)
    until("it has caught up", lambda: lag.holds() is None)
    brakes = Brakes(replicas=[local(pair.replica, "")], max_lag=30.0)
    assert apply(DROP, target, throttle_of(brakes, target, Stop()), QUICK).rows == 400
    until("the replica is the same", lambda: rows_of(pair.replica) == rows_of(pair.primary))


def test_unknown_lag_stops(pair: Replicated) -> None:
    target, _ = with_things(pair.primary)
    command(pair.replica, "STOP SLAVE SQL_THREAD")
    try:
        assert "is unknown" in (ReplicaLag(local(pair.replica, "")).holds() or "")
    finally:
        command(pair.replica, "START SLAVE SQL_THREAD")
    assert "it is no replica" in (ReplicaLag(local(pair.primary, "")).holds() or "")
    until("it replicates again", lambda: pair.lag() == 0)
    command(pair.replica, "CHANGE MASTER 'second' TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1")
    try:  # another source, from which it does not replicate
        assert "replication does not run" in (ReplicaLag(local(pair.replica, "")).holds() or "")
    finally:
        command(pair.replica, "RESET SLAVE 'second' ALL")
    assert ReplicaLag(local(pair.replica, "")).holds() is None
    with pytest.raises(DbauditError, match="whose lag cannot be read"):  # known to the server, but by no address
        throttle_of(Brakes(), open_target(local(pair.primary)), Stop())
    throttle_of(Brakes(look_for_replicas=False), target, Stop())


def test_threads_and_history_are_read(pair: Replicated) -> None:
    url = local(pair.primary, "")
    assert ThreadsRunning(url, 1000).holds() is None
    assert "Threads_running is" in (ThreadsRunning(url, 0).holds() or "")
    assert HistoryList(url).holds() is None
    assert "the history list is" in (HistoryList(url, -1).holds() or "")
    assert FlowControl(url).holds() is None


def test_two_nodes_exclude_each_other(nodes: list[Member]) -> None:
    one, execute = with_things(nodes[0])
    two = open_target(local(nodes[1]))
    init_journal(one)
    until("the other node has it", lambda: executor(nodes[1], "dbaudit")("SHOW TABLES LIKE 'lease'"))
    with one.session() as first, two.session() as second:
        lease = Lease.take(first, one.journal, SCHEMA, "here")
        with pytest.raises(BusyError, match="here is at work"):
            Lease.take(second, two.journal, SCHEMA, "there")
        lease.release(first)
        Lease.take(second, two.journal, SCHEMA, "there").release(second)
    until("the first node has it too", lambda: execute("SELECT holder FROM dbaudit.lease") == [(None,)])


def test_a_chunk_stays_below_what_a_cluster_takes(nodes: list[Member], monkeypatch: pytest.MonkeyPatch) -> None:
    _, execute = with_things(nodes[0])
    before = contents(nodes[0])
    execute("SET GLOBAL wsrep_max_ws_rows = 600")
    try:
        target = open_target(local(nodes[0]))
        assert target.galera
        assert bounds_of(target).rows == 300
        done = apply(DROP, target, throttle_of(Brakes(), target, Stop()), QUICK)
        assert done.rows == 400
        largest = "SELECT MAX(n) FROM (SELECT COUNT(*) n FROM dbaudit.{} GROUP BY dbaudit_seq) x"
        images = [
            row[0] for row in execute("SELECT images FROM dbaudit.image WHERE run = 1 AND tbl IN ('thing', 'part')")
        ]
        assert sum(execute(largest.format(f"`{each}`"))[0][0] for each in images) <= 200
        until("both are the same", lambda: rows_of(nodes[1]) == rows_of(nodes[0]))
        assert undo(target, str(done.run), Throttle()).restored == 400
        assert contents(nodes[0]) == before
    finally:
        execute("SET GLOBAL wsrep_max_ws_rows = 0")


@pytest.mark.no_cover  # long, along lines that others take too
def test_a_chunk_stays_below_half_of_the_bytes(nodes: list[Member]) -> None:
    _, execute = with_things(nodes[0])
    execute("ALTER TABLE thing MODIFY words TEXT", "UPDATE thing SET words = REPEAT('x', 4000) WHERE id < 'id-03'")
    before = contents(nodes[0])
    largest = execute("SELECT MAX(LENGTH(words)) FROM thing")[0][0]
    execute("SET GLOBAL wsrep_max_ws_size = 120000")
    try:
        target = open_target(local(nodes[0]))
        assert bounds_of(target).bytes == 60_000
        done = apply(DROP, target, throttle_of(Brakes(), target, Stop()), QUICK)
        assert (done.rows, largest) == (400, 4000)
        (images,) = [row[0] for row in execute("SELECT images FROM dbaudit.image WHERE tbl = 'thing'")]
        kept = execute(
            f"SELECT MAX(n), MAX(size) FROM (SELECT COUNT(*) n, SUM(LENGTH(words)) size FROM dbaudit.`{images}` "
            "WHERE dbaudit_side = 0 GROUP BY dbaudit_seq) x"
        )
        assert kept[0][1] * 2 <= 60_000  # the row and its image
        assert kept[0][0] > 10
        until("both are the same", lambda: rows_of(nodes[1]) == rows_of(nodes[0]))
        assert undo(target, str(done.run), Throttle()).restored == 400
        assert contents(nodes[0]) == before
    finally:
        execute("SET GLOBAL wsrep_max_ws_size = 2147483647")


def test_a_transaction_that_a_cluster_refuses_is_halved(nodes: list[Member], monkeypatch: pytest.MonkeyPatch) -> None:
    _, execute = with_things(nodes[0])
    execute("SET GLOBAL wsrep_max_ws_size = 60000")
    monkeypatch.setattr(runs, "bounds_of", lambda _: Bounds())  # as if rows were larger than they seem
    try:
        target = open_target(local(nodes[0]))
        assert apply(DROP, target, throttle_of(Brakes(), target, Stop()), QUICK).rows == 400
        execute("ALTER TABLE thing ADD big TEXT", "UPDATE thing SET big = REPEAT('x', 40000) WHERE words = '' LIMIT 1")
        with pytest.raises(DbauditError, match="one row with its cascades is more than the cluster takes"):
            apply(FILL, target, throttle_of(Brakes(), target, Stop()), QUICK)
    finally:
        execute("SET GLOBAL wsrep_max_ws_size = 2147483647")


def test_a_writer_on_the_other_node_makes_chunks_try_again(
    nodes: list[Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, execute = with_things(nodes[0])
    monkeypatch.setattr(runs, "MOST_ROWS", 30)
    writer = Writer(nodes[1])
    target = open_target(local(nodes[0]))
    with writer.writing():
        done = apply(FILL, target, Throttle(sleep=0.02), QUICK)
    assert done.rows <= 267
    writer.nothing_is_lost(execute)


class Writer:
    """Somebody else's work on the same table: new things, changed things, deleted ones, each its own transaction."""

    def __init__(self, server: Member) -> None:
        self.server, self.stop = server, threading.Event()
        self.there: dict[str, str] = {}
        self.seconds: list[float] = []
        self.refused = 0

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        thread = threading.Thread(target=self._write)
        thread.start()
        try:
            yield
        finally:
            self.stop.set()
            thread.join(30)

    def _write(self) -> None:
        number = 0
        with contextlib.closing(self.server.admin(SCHEMA)) as connection, connection.cursor() as cursor:
            while not self.stop.is_set():
                number += 1
                began = time.monotonic()
                with contextlib.suppress(pymysql.OperationalError):
                    self._one(cursor, number)
                self.seconds.append(time.monotonic() - began)
                time.sleep(0.002)

    def _one(self, cursor: Any, number: int) -> None:
        """The writer's own record changes only with what the server said it did."""
        key = f"id-{number * 7919 % 100003:06}-w"
        self.refused += 1
        cursor.execute("INSERT INTO thing VALUES (%s, 1, 'mine', %s)", (key, number))
        self.there[key] = "mine"
        if number % 3 == 0:
            cursor.execute("UPDATE thing SET words = 'changed' WHERE id = %s", (key,))
            self.there[key] = "changed"
        if number % 5 == 0:
            cursor.execute("DELETE FROM thing WHERE id = %s", (key,))
            del self.there[key]
        cursor.execute("UPDATE thing SET n = n + 1 WHERE n = %s AND words IN ('w', '')", (number % 800,))
        self.refused -= 1

    def nothing_is_lost(self, execute: Execute) -> None:
        found = dict(execute("SELECT id, words FROM thing WHERE id LIKE '%-w'"))
        assert found == self.there
        assert len(self.seconds) > 20


@pytest.mark.parametrize("work", [DROP, FILL], ids=lambda work: work.name)
def test_a_concurrent_writer_loses_nothing(
    work: Any, places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = cluster.begin(places, cluster.mariadb(), ["--skip-networking"])
    try:
        target, execute = with_things(server, 4000)
        monkeypatch.setattr(runs, "MOST_ROWS", 50)
        writer = Writer(server)
        with writer.writing():
            done = apply(work, target, Throttle(sleep=0.01), QUICK)
        assert done.rows == (2000 if work is DROP else 1334)
        writer.nothing_is_lost(execute)
        seconds = sorted(writer.seconds)
        with capsys.disabled():
            print(
                f"\n{work.name}: {done.rows} rows in {done.seconds:.1f} s, {done.chunks} chunks; the writer: "
                f"{len(seconds)} rounds, median {statistics.median(seconds) * 1000:.1f} ms, "
                f"p99 {seconds[int(len(seconds) * 0.99)] * 1000:.1f} ms, {writer.refused} refused"
            )
    finally:
        server.close()


def test_a_replica_that_leaves_the_journal_out_is_refused(pair: Replicated) -> None:
    target, _ = with_things(pair.primary)
    command(pair.replica, "STOP SLAVE", "SET GLOBAL replicate_do_db = 'things'", "START SLAVE")
    try:
        with pytest.raises(DbauditError, match="takes over only one of"):
            throttle_of(Brakes(replicas=[local(pair.replica, "")]), target, Stop())
        beside = open_target(local(pair.primary), "SAME")
        throttle_of(Brakes(replicas=[local(pair.replica, "")]), beside, Stop())
    finally:
        command(pair.replica, "STOP SLAVE", "SET GLOBAL replicate_do_db = ''", "START SLAVE")


def test_a_replica_that_the_account_may_not_ask_for_is_seen_by_what_it_reads(pair: Replicated) -> None:
    target, execute = with_things(pair.primary)
    assert "which replicas the server has could not be seen" in " ".join(_planned(target).notes)
    execute(f"GRANT PROCESS, REPLICATION CLIENT ON *.* TO {target.account}")
    assert "replicas" not in " ".join(_planned(target).notes)
    with pytest.raises(DbauditError, match=r"has the replica at \S+, whose lag cannot be read"):
        throttle_of(Brakes(), target, Stop())
    throttle_of(Brakes(look_for_replicas=False), target, Stop())
    throttle_of(Brakes(replicas=[local(pair.replica, "")]), target, Stop())


def _planned(target: Target) -> Plan:
    with target.session() as connection:
        return make_plan(FILL, target, connection)
