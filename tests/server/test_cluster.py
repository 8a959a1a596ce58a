"""The replica and the cluster of the tests are what they claim: lag is real, and nodes certify."""

from __future__ import annotations

import contextlib
import time

import pymysql
import pytest

from dbaudit.errors import DbauditError
from dbaudit.server.url import mark_throwaway
from tests import cluster
from tests.cluster import Member, Replicated, ask, run, until


def test_a_replica_gets_everything(pair: Replicated) -> None:
    run(pair.primary, "CREATE DATABASE a", "CREATE TABLE a.t (id INT PRIMARY KEY)", "INSERT INTO a.t VALUES (1)")
    until("the table is there", lambda: tables(pair.replica, "a"))
    until("the row is there", lambda: ask(pair.replica, "SELECT id FROM a.t"))


def test_its_lag_is_real(pair: Replicated) -> None:
    run(pair.primary, "CREATE DATABASE b", "CREATE TABLE b.t (id INT PRIMARY KEY)")
    until("the table is there", lambda: tables(pair.replica, "b"))
    pair.delay(3)
    began = time.monotonic()
    run(pair.primary, "INSERT INTO b.t VALUES (1)")
    until("it lags", lambda: (pair.lag() or 0) >= 1, patience=10)
    assert ask(pair.replica, "SELECT id FROM b.t") == []
    until("the row is there", lambda: ask(pair.replica, "SELECT id FROM b.t"), patience=30)
    assert time.monotonic() - began >= 2
    pair.delay(0)
    until("it has caught up", lambda: pair.lag() == 0)


def tables(server: Member, database: str) -> list[str]:
    """Its tables; none where the database itself is not there yet."""
    found = ask(server, f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{database}'")
    return [row[0] for row in found]


def test_a_cluster_replicates_and_certifies(nodes: list[Member]) -> None:
    one, two = nodes
    run(one, "CREATE DATABASE g", "CREATE TABLE g.t (id INT PRIMARY KEY, v INT)", "INSERT INTO g.t VALUES (1, 0)")
    until("the table is on the other node", lambda: tables(two, "g"))
    until("the row is on the other node", lambda: ask(two, "SELECT v FROM g.t") == [(0,)])
    with contextlib.closing(one.admin("g")) as slow, slow.cursor() as cursor:
        slow.begin()
        cursor.execute("UPDATE t SET v = 1 WHERE id = 1")
        run(two, "UPDATE g.t SET v = 2 WHERE id = 1")
        # A lock of one node is none on the other: the first commit wins.
        time.sleep(0.5)
        with pytest.raises(pymysql.MySQLError) as caught:
            slow.commit()
    assert caught.value.args[0] in (1213, 1047, 1180)
    assert ask(two, "SELECT v FROM g.t") == [(2,)]
    until("the other node has it too", lambda: ask(one, "SELECT v FROM g.t") == [(2,)])


def test_a_cluster_pauses_all_for_one(nodes: list[Member]) -> None:
    """Flow control: a node that cannot apply stops the writes of the others."""
    one, two = nodes
    run(one, "CREATE DATABASE IF NOT EXISTS f", "CREATE TABLE f.t (id INT AUTO_INCREMENT PRIMARY KEY)")
    until("the table is there", lambda: tables(two, "f"))
    run(two, "SET GLOBAL wsrep_provider_options = 'gcs.fc_limit=1'")
    with contextlib.closing(one.admin("f")) as writer, writer.cursor() as cursor:
        for _ in range(20):  # while the other node applies a large change, small ones queue up behind it
            cursor.execute("INSERT INTO t SELECT NULL FROM seq_1_to_50000")
            for _ in range(20):
                cursor.execute("INSERT INTO t VALUES ()")
            if int(cluster.status(two, "wsrep_flow_control_sent")):
                break
    assert int(cluster.status(two, "wsrep_flow_control_sent")) > 0
    assert int(cluster.status(one, "wsrep_flow_control_recv")) > 0
    until("all is applied", lambda: ask(one, "SELECT COUNT(*) FROM f.t") == ask(two, "SELECT COUNT(*) FROM f.t"))


def test_neither_is_taken_for_throwaway(pair: Replicated, nodes: list[Member]) -> None:
    for server, said in ((pair.replica, "replica"), (pair.primary, "replica"), (nodes[1], "Galera")):
        url = server.url(server._endpoint.admin, "mysql").render_as_string(hide_password=False)
        with pytest.raises(DbauditError, match=said):
            mark_throwaway(url)
