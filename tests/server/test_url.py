"""A server by URL: only one that is marked, and only while it is nobody else's."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pymysql
import pytest

from dbaudit.errors import DbauditError, UsageError
from dbaudit.server import occupied
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
from dbaudit.server.private import PrivateServer, start_private
from dbaudit.server.url import MARKER, mark_throwaway, read_url, start_url

Begin = Callable[..., PrivateServer]


@pytest.fixture(scope="module")
def begin(places: Places, program: Path) -> Iterator[Begin]:
    """Start a server that plays the operator's own, with more options; one for each set of options."""
    with contextlib.ExitStack() as running:
        started: dict[tuple[str, ...], PrivateServer] = {}

        def start(*options: str) -> PrivateServer:
            if options not in started:
                wrapper = places.tmp.with_name("servers") / f"program-{len(started)}"
                case = 'case "$*" in *skip-networking*) more="' + " ".join(options) + '";; esac'
                wrapper.write_text(f'#!/bin/sh\n{case}\nexec {program} "$@" $more\n')
                wrapper.chmod(0o755)
                apart = replace(places, tmp=wrapper.parent)
                started[options] = running.enter_context(start_private(wrapper, apart, Needs()))
            return started[options]

        yield start


@pytest.fixture
def theirs(begin: Begin) -> Iterator[PrivateServer]:
    """The operator's server, without a mark."""
    server = begin("--server-id=7")
    yield server
    server.drop_database(MARKER)


@pytest.fixture
def url(theirs: PrivateServer) -> str:
    """The URL of the operator's server, which is marked."""
    mark_throwaway(url_of(theirs))
    return url_of(theirs)


def url_of(server: PrivateServer) -> str:
    return server.url(server._endpoint.admin, "mysql").render_as_string(hide_password=False)


def run(server: PrivateServer, *statements: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(server.admin()) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


def schemas(server: PrivateServer) -> set[str]:
    return {row[0] for row in run(server, "SHOW DATABASES")}


def accounts(server: PrivateServer) -> set[str]:
    return {row[0] for row in run(server, "SELECT user FROM mysql.user WHERE user LIKE 'dbaudit%'")}


def refusal(url: str, act: Callable[[str], object] = mark_throwaway) -> str:
    with pytest.raises(DbauditError) as caught:
        act(url)
    assert caught.value.hint
    password = str(read_url(url).admin.password)
    assert password and password not in caught.value.what + caught.value.hint
    return caught.value.what


def test_an_unmarked_server_is_refused(theirs: PrivateServer) -> None:
    before = schemas(theirs)
    assert "is not marked as throwaway" in refusal(url_of(theirs), start_url)
    assert schemas(theirs) == before


def test_the_mark_says_when_and_by_whom(theirs: PrivateServer, url: str) -> None:
    mark_throwaway(url)
    rows = run(
        theirs, f"SELECT by_account, by_person, TIMESTAMPDIFF(SECOND, at, UTC_TIMESTAMP()) < 60 FROM {MARKER}.marked"
    )
    assert len(rows) == 2
    assert rows[0][0] == "root@localhost" and "@" in rows[0][1] and rows[0][2] == 1


def test_a_marked_server_is_used_and_left_as_it_was(theirs: PrivateServer, url: str) -> None:
    run(theirs, "SET GLOBAL event_scheduler = ON", "CREATE DATABASE theirs")
    before = schemas(theirs)
    with start_url(url) as server:
        assert server.kind == "url" and server.version == theirs.version
        assert server.label == f"throwaway {theirs.version.name} at {theirs.socket}"
        assert run(theirs, "SELECT @@GLOBAL.event_scheduler") == [("OFF",)]
        server.create_database("made_here")
        guest = server.restricted(["made_here", "made_by_it"])
        with contextlib.closing(server.connect(guest)) as connection:
            connection.cursor().execute("CREATE DATABASE made_by_it")
        assert schemas(theirs) == before | {"made_here", "made_by_it"}
        assert accounts(theirs) == {guest.user}
        with pytest.raises(DbauditError, match="cannot create the schema theirs"):
            server.create_database("theirs")
        with pytest.raises(DbauditError, match="not of dbaudit's making"):
            server.drop_database("theirs")
    assert schemas(theirs) == before
    assert accounts(theirs) == set()
    assert run(theirs, "SELECT @@GLOBAL.event_scheduler") == [("ON",)]
    run(theirs, "SET GLOBAL event_scheduler = OFF", "DROP DATABASE theirs")


def test_what_a_killed_run_left_is_taken_away_by_the_next(theirs: PrivateServer, url: str) -> None:
    killed = start_url(url)
    killed.create_database("left")
    killed.restricted(["left"])
    with start_url(url) as server:
        assert "left" not in schemas(theirs) and accounts(theirs) == set()
        server.create_database("left")


def test_other_sessions_are_refused(theirs: PrivateServer, url: str) -> None:
    with contextlib.closing(theirs.admin()):
        assert "1 sessions are not ours, the first of root from localhost" in refusal(url, start_url)
        assert "sessions are not ours" in refusal(url)
    start_url(url).close()


def test_a_replica_is_refused(theirs: PrivateServer, url: str) -> None:
    words = (
        ("REPLICATION SOURCE", "SOURCE", "REPLICA")
        if theirs.version.at_least(mysql=(8, 0, 23))
        else ("MASTER", "MASTER", "SLAVE")
    )
    run(theirs, f"CHANGE {words[0]} TO {words[1]}_HOST = 'db1.example'")
    try:
        assert "it is configured as a replica of db1.example" in refusal(url, start_url)
        assert "configured as a replica" in refusal(url)
    finally:
        run(theirs, f"RESET {words[2]} ALL")


def test_a_read_only_server_is_refused(theirs: PrivateServer, url: str) -> None:
    run(theirs, "SET GLOBAL read_only = 1")
    try:
        assert "it is read only" in refusal(url, start_url)
    finally:
        run(theirs, "SET GLOBAL read_only = 0")


def test_a_server_with_a_replica_is_refused(begin: Begin) -> None:
    source = begin("--log-bin=log", "--server-id=1")
    with contextlib.closing(source.admin()) as replica:
        for word in ("master", "source"):  # whoever does not say so cannot read a log with checksums
            replica.cursor().execute(f"SET @{word}_binlog_checksum = 'CRC32'")
        ask: Any = replica
        # COM_REGISTER_SLAVE: id, host, user, password, port, rank, id of its source
        ask._execute_command(0x15, struct.pack("<I", 77) + b"\x00\x00\x00" + struct.pack("<HII", 3306, 0, 0))
        ask._read_packet()
        # COM_BINLOG_DUMP: position, flags, id, file
        ask._execute_command(0x12, struct.pack("<IHI", 4, 0, 77) + b"log.000001")
        ask._read_packet()
        assert "1 replicas are connected to it" in refusal(url_of(source))


def test_functions_can_be_stored_where_there_is_a_binary_log(begin: Begin) -> None:
    source = begin("--log-bin=other", "--server-id=1")
    mark_throwaway(url_of(source))
    with start_url(url_of(source)) as server:
        server.create_database("d")
        with contextlib.closing(server.connect(server.restricted(["d"]), "d")) as connection:
            connection.cursor().execute("CREATE FUNCTION f() RETURNS INT RETURN 1")
    assert run(source, "SELECT @@GLOBAL.log_bin_trust_function_creators") == [(0,)]


def test_an_engine_that_reaches_out_is_refused(begin: Begin) -> None:
    server = begin("--loose-federated=ON")
    if not [row for row in run(server, "SHOW ENGINES") if row[0] == "FEDERATED" and row[1] != "NO"]:
        pytest.skip("this server has no FEDERATED engine built in")
    assert "its engine FEDERATED lets a dump reach other servers" in refusal(url_of(server))


@pytest.mark.parametrize(
    ("asked", "answer", "reason"),
    [
        ("wsrep_cluster_size", {"Value": "3"}, r"it is a node of a Galera cluster \(of 3\)"),
        ("wsrep_on", {"Value": "ON"}, "it is a node of a Galera cluster"),
        ("replication_group_members", {"member_host": "db2"}, "it is a member of a replication group"),
    ],
)
def test_a_cluster_is_refused(
    theirs: PrivateServer, monkeypatch: pytest.MonkeyPatch, asked: str, answer: dict[str, str], reason: str
) -> None:
    """No single server can be had that is in a cluster: its answer is put in the mouth of one that is not."""
    ask = occupied._rows
    monkeypatch.setattr(occupied, "_rows", lambda c, sql, *v: [answer] if asked in sql else ask(c, sql, *v))
    if asked == "replication_group_members" and not theirs.version.at_least(mysql=(5, 7)):
        assert mark_throwaway(url_of(theirs)) is None
        return
    with pytest.raises(DbauditError, match=reason):
        mark_throwaway(url_of(theirs))


def test_an_account_without_the_rights_is_told_so(theirs: PrivateServer) -> None:
    guest = theirs.restricted(["d"])
    weak = theirs.url(guest, "").render_as_string(hide_password=False)
    assert "refuses what is needed of a throwaway server" in refusal(weak)


def test_a_server_that_is_not_there() -> None:
    what = refusal_without_hint("mysql://root:secret@127.0.0.1:1/")
    assert what.startswith("cannot connect to mysql://root:***@127.0.0.1:1/")


def refusal_without_hint(url: str) -> str:
    with pytest.raises(DbauditError) as caught:
        start_url(url)
    assert "secret" not in caught.value.what + caught.value.hint
    return caught.value.what


@pytest.mark.parametrize("url", ["postgresql://u:secret@h/d", "mysql://u:secret@h:port/", "nonsense", "://"])
def test_a_url_of_something_else_is_wrong_usage(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        start_url(url)
    assert "secret" not in caught.value.what + caught.value.hint


def test_every_part_of_a_url_counts() -> None:
    found = read_url("mariadb+pymysql://u%40x:p%2Fw@db:3307/name?ssl_ca=/etc/ca.pem&charset=utf8")
    assert (found.admin.user, found.admin.password, found.address) == ("u@x", "p/w", ("db", 3307))
    assert found.options == {"ssl": {"ca": "/etc/ca.pem"}}
    assert read_url("mysql://root@localhost/?unix_socket=/s").socket == Path("/s")
    assert isinstance(pymysql.VERSION, tuple)
