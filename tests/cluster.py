"""More than one server: a primary with a replica whose lag is real (MariaDB or MySQL), and a small Galera cluster.

They are not dbaudit's private servers, which Linux lets no network have: only their data directories are made by it.
Root has no password on their sockets, in a directory that is closed to others; they talk on 127.0.0.1. For tests of
what waits for replicas (lag) and of what a cluster forbids or slows (certification, flow control).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dbaudit.server import binary, log
from dbaudit.server.disk import Needs
from dbaudit.server.identity import server_identity
from dbaudit.server.place import Places
from dbaudit.server.private import start_private
from dbaudit.server.server import Account, Endpoint, Server
from dbaudit.server.template import Recipe
from dbaudit.server.version import ServerVersion
from tests import matrix

# Seconds for a replica to catch up, or a node to join, on a busy machine.
PATIENCE = 60
_PR_SET_PDEATHSIG = 1


class Member(Server):
    """A server of a group; killed at the end, or when the tests are."""

    kind = "member"

    def __init__(
        self, program: Path, home: Path, launch: Callable[[], subprocess.Popen[bytes]], version: ServerVersion
    ) -> None:
        endpoint = Endpoint(Account("root", ""), socket=home / "s")
        super().__init__(label=f"{version.name} ({program})", version=version, endpoint=endpoint, directory=home)
        self._launch = launch
        self.process = launch()

    def wait(self) -> None:
        """Until it answers."""

        def answers() -> bool:
            assert self.process.poll() is None, f"{self.label} ended: {self.log_tail()}"
            return (self._home() / "s").exists() and self.alive()

        until(f"{self.label} answers", answers)

    def kill(self) -> None:
        """As a crash of the machine does, but that the data directory stays."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Kill it, and start it again on the same data."""
        self.kill()
        self.process = self._launch()
        self.wait()

    def log_tail(self, lines: int = 20) -> str:
        return log.tail(self._home() / "log", lines)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._home(), ignore_errors=True)

    def _home(self) -> Path:
        assert self.directory is not None
        return self.directory


def ask(server: Server, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query, as the administrator."""
    with contextlib.closing(server.admin()) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def run(server: Server, *statements: str) -> None:
    for statement in statements:
        ask(server, statement)


def status(server: Server, name: str) -> str:
    """A status variable of the server; empty where it has none of that name."""
    found = ask(server, f"SHOW GLOBAL STATUS LIKE '{name}'")
    return str(found[0][1]) if found else ""


def until(what: str, holds: Any, patience: float = PATIENCE) -> None:
    """Ask again until it holds; fail with the words after `patience` seconds."""
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, f"still not so after {patience} s: {what}"
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    with contextlib.ExitStack() as held:
        found = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in found]


def begin(places: Places, program: Path, options: list[str], state: str = "") -> Member:
    """Start a server on a fresh data directory, with a network and these options; `state` is Galera's."""
    identity, kept = server_identity(), matrix.cache() / "private"
    found = binary.examine(program, identity)
    data = Recipe(found, identity, kept).path
    if not data.is_dir():  # made by the first start
        start_private(program, replace(places, tmp=places.tmp.with_name("servers"), cache=kept), Needs()).close()
    home = places.tmp.with_name("servers") / f"m{time.monotonic_ns():x}"
    shutil.copytree(data, home / "data")
    (home / "data" / "auto.cnf").unlink(missing_ok=True)  # MySQL's name of this very server
    if state:
        (home / "data" / "grastate.dat").write_text(f"# GALERA saved state\n{state}")
    if identity.drop:
        for folder, _, files in os.walk(home):
            for each in (folder, *(os.path.join(folder, name) for name in files)):
                os.chown(each, identity.uid, identity.gid)
    share = binary.find_share(found, identity)
    command = [
        str(program), "--no-defaults", *(share.options if share else ()), f"--datadir={home}/data",
        f"--socket={home}/s", f"--pid-file={home}/pid", "--secure-file-priv=",
        f"--tmpdir={home}", "--bind-address=127.0.0.1", "--skip-name-resolve", "--performance-schema=OFF",
        "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M",
        "--loose-innodb-log-file-size=16M", "--loose-mysqlx=OFF", *options,
    ]  # fmt: skip
    user: dict[str, Any] = {"user": identity.uid, "group": identity.gid, "extra_groups": []} if identity.drop else {}

    def launch() -> subprocess.Popen[bytes]:
        with (home / "log").open("ab") as output:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=home,
                preexec_fn=_end_with_us, **user,
            )  # fmt: skip

    member = Member(program, home, launch, found.version)
    try:
        member.wait()
    except BaseException:
        member.close()
        raise
    return member


def _end_with_us() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def mariadb() -> Path:
    """MariaDB's program. Raises AbsentError."""
    found = matrix.program("mariadb:10.11") or matrix.program("mariadb")
    if not found:
        raise matrix.AbsentError("there is no mariadbd here: tests/images/build --roots mariadb:10.11")
    return found


@dataclass(frozen=True)
class Replicated:
    """A primary and its replica."""

    primary: Member
    replica: Member

    def delay(self, seconds: int) -> None:
        """Let the replica apply everything that many seconds after the primary did."""
        self.halt()
        run(self.replica, self.spelled(f"CHANGE MASTER TO MASTER_DELAY = {seconds}"))
        self.go_on()

    def halt(self) -> None:
        """Stop the replica's replication."""
        run(self.replica, self.spelled("STOP SLAVE"))

    def go_on(self) -> None:
        """Start it again."""
        run(self.replica, self.spelled("START SLAVE"))

    def lag(self) -> int | None:
        """Seconds_Behind_Master, as a throttle reads it; None while replication does not run."""
        with contextlib.closing(self.replica.admin()) as connection, connection.cursor() as cursor:
            cursor.execute(self.spelled("SHOW SLAVE STATUS"))
            names = [each[0] for each in cursor.description or ()]
            row = dict(zip(names, cursor.fetchone() or (), strict=True))
        found = row[self.spelled("Seconds_Behind_Master")]
        return None if found is None else int(found)

    def spelled(self, words: str) -> str:
        """A statement of MariaDB as this server spells it."""
        if self.replica.version.vendor == "mysql":
            for old, new in _WORDS:
                words = words.replace(old, new)
        return words


_WORDS = (
    ("CHANGE MASTER", "CHANGE REPLICATION SOURCE"), ("MASTER_USE_GTID=slave_pos", "SOURCE_AUTO_POSITION=1"),
    ("RESET MASTER", "RESET BINARY LOGS AND GTIDS"), ("MASTER", "SOURCE"), ("Master", "Source"), ("SLAVE", "REPLICA"),
)  # fmt: skip


def mysql() -> Path:
    """MySQL 9's program. Raises AbsentError."""
    found = matrix.program("mysql:9")
    if not found:
        raise matrix.AbsentError("there is no mysqld 9 here: tests/images/build --roots mysql:9")
    return found


@contextlib.contextmanager
def replicated(places: Places, program: Path | None = None) -> Iterator[Replicated]:
    """A primary with row-based binary log and a replica that has caught up; MariaDB where no program is named."""
    program, ports = program or mariadb(), free_ports(2)
    of_mysql = binary.examine(program, server_identity()).version.vendor == "mysql"
    gtids = ["--gtid-mode=ON", "--enforce-gtid-consistency"] if of_mysql else ["--gtid-strict-mode=1"]
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(
                begin(places, program, [
                    f"--port={port}", f"--server-id={number}",
                    "--log-bin=log", "--binlog-format=ROW", *gtids,
                ])
            )
            for number, port in enumerate(ports, 1)
        ]  # fmt: skip
        primary, replica = servers
        pair = Replicated(primary, replica)
        for server in servers:
            run(server, pair.spelled("RESET MASTER"))
        run(primary, "CREATE USER replication@'127.0.0.1' IDENTIFIED BY 'r3plica-Aa1'")
        run(primary, "GRANT REPLICATION SLAVE ON *.* TO replication@'127.0.0.1'")
        source = pair.spelled(
            f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={ports[0]}, MASTER_USER='replication', "
            "MASTER_PASSWORD='r3plica-Aa1', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1"
        )
        run(replica, source + (", GET_SOURCE_PUBLIC_KEY=1" if of_mysql else ""))
        pair.go_on()
        until("the replica has caught up", lambda: pair.lag() == 0)
        yield pair


def provider(program: Path) -> Path:
    """Galera's library beside a program, or where Debian puts it. Raises AbsentError."""
    for place in (
        program.resolve().parents[1] / "lib" / "galera",
        Path("/usr/lib/galera"),
        Path("/usr/lib64/galera-4"),
    ):
        if (place / "libgalera_smm.so").is_file():
            return place / "libgalera_smm.so"
    raise matrix.AbsentError("there is no Galera library here: tests/images/build --roots mariadb:10.11")


@contextlib.contextmanager
def galera(places: Places, nodes: int = 2) -> Iterator[list[Member]]:
    """A cluster of synced nodes. All begin with the same empty data, so none has to copy them from another."""
    program = mariadb()
    library, group = provider(program), free_ports(nodes)
    with contextlib.ExitStack() as stack:
        cluster: list[Member] = []
        for number, (port, transfer) in enumerate(zip(group, free_ports(nodes), strict=True)):
            options = [
                f"--server-id={number + 1}", "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-on=ON",
                f"--wsrep-provider={library}", "--wsrep-cluster-name=dbaudit-test", "--wsrep-sst-method=skip",
                f"--wsrep-node-address=127.0.0.1:{port}", "--wsrep-node-incoming-address=127.0.0.1",
                f"--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{port};"
                f"ist.recv_addr=127.0.0.1:{transfer};gcache.size=16M", "--skip-networking",
            ]  # fmt: skip
            first = not cluster
            options.append("--wsrep-cluster-address=gcomm://" + ("" if first else f"127.0.0.1:{group[0]}"))
            state = ""
            if first:
                options.append("--wsrep-new-cluster")
            else:  # it has what the first one has, so only the news since then are sent to it
                # Before that the first one answers, and tells as its state whatever is in its memory.
                until("the first is synced", lambda: status(cluster[0], "wsrep_local_state_comment") == "Synced")
                uuid, seqno = (status(cluster[0], f"wsrep_{name}") for name in ("cluster_state_uuid", "last_committed"))
                options.append(f"--wsrep-start-position={uuid}:{seqno}")
                state = f"version: 2.1\nuuid: {uuid}\nseqno: {seqno}\nsafe_to_bootstrap: 0\n"
            cluster.append(stack.enter_context(begin(places, program, options, state)))
        for node in cluster:
            until("every node is synced", lambda node=node: status(node, "wsrep_local_state_comment") == "Synced")
            until("all see all", lambda node=node: status(node, "wsrep_cluster_size") == str(nodes))
        yield cluster
