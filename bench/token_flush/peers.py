"""What is measured against: each peer deletes the dead tokens of one server, and says how long its statements took."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pymysql.cursors import Cursor

from token_flush.servers import CUTOFF, Durable

# Statements shorter than this are not in the slow log; where fewer than one in a hundred is longer, p99 is below it.
LOGGED = 0.02
_WHERE = f"expires < '{CUTOFF}'"
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Measured:
    """One run: rows a second of wall time, the longest and the 99th hundredth of its DELETEs in seconds, memory."""

    name: str
    rows: int
    seconds: float
    longest: float
    p99: float
    deletes: int
    memory: int = 0  # bytes, of the client's process
    server: float = 0.0  # CPU seconds of the server

    @property
    def rate(self) -> float:
        return self.rows / self.seconds

    def __str__(self) -> str:
        parts = (
            f"{self.name:34} {self.rate:8,.0f} rows/s {self.seconds:7.1f} s",
            f"longest {self.longest * 1e3:6.0f} ms, p99 {self.p99 * 1e3:5.0f} ms of {self.deletes:7,} DELETEs",
            f"server {self.server * 1e6 / max(self.rows, 1):4.0f} us/row, client {self.memory / 2**20:4.0f} MB",
            f"load {os.getloadavg()[0]:.1f}",
        )
        return "  ".join(parts)


Work = Callable[[Durable], int]


def measure(name: str, server: Durable, work: Work, *, living: bool = True) -> Measured:
    """Run a peer and look what it did. Raises AssertionError where dead rows are left or living ones are gone.

    `living` False where somebody else makes and deletes living ones.
    """
    log = server.data / "slow.log"
    with contextlib.closing(server.connect("keystone")) as connection, connection.cursor() as cursor:
        before = count(cursor)
        cursor.execute(f"SET GLOBAL slow_query_log_file = '{log}', GLOBAL long_query_time = {LOGGED}")
        cursor.execute("SET GLOBAL slow_query_log = 1")
        deletes, cpu = commands(cursor), server_cpu(server)
        began = time.perf_counter()
        memory = work(server)
        seconds = time.perf_counter() - began
        cpu, deletes = server_cpu(server) - cpu, commands(cursor) - deletes
        cursor.execute("SET GLOBAL slow_query_log = 0")
        after = count(cursor)
        assert after[1] == 0, (name, before, after)
        assert not living or after[0] == before[0] - before[1], (name, before, after)
    times = sorted(statements(log), reverse=True)
    place = deletes // 100
    p99 = times[place] if place < len(times) else LOGGED
    return Measured(name, before[1], seconds, max(times, default=LOGGED), p99, deletes, memory, cpu)


def count(cursor: Cursor) -> tuple[int, int]:
    """Tokens, and dead ones."""
    cursor.execute(f"SELECT COUNT(*), COALESCE(SUM({_WHERE}), 0) FROM token")
    rows, dead = cursor.fetchone()
    return int(rows), int(dead)


def commands(cursor: Cursor) -> int:
    """DELETEs so far."""
    cursor.execute("SHOW GLOBAL STATUS LIKE 'Com_delete%'")
    return sum(int(value) for _, value in cursor.fetchall())


def server_cpu(server: Durable) -> float:
    """CPU seconds of the server's process so far."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def statements(log: Path) -> list[float]:
    """Seconds of the DELETEs and COMMITs in a slow log."""
    found = []
    for entry in log.read_text(errors="replace").split("# Time:") if log.exists() else []:
        seconds = re.search(r"Query_time: ([\d.]+)", entry)
        if seconds and re.search(r"^(DELETE|COMMIT)\b", entry, re.MULTILINE | re.IGNORECASE):
            found.append(float(seconds[1]))
    return found


def command(words: Sequence[str]) -> int:
    """Run a program to its end; gives its peak memory in bytes."""
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said[-2000:]
    return int(usage.ru_maxrss) * 1024


def dbaudit(*options: str) -> Work:
    """`dbaudit tokens flush`, as a user calls it."""

    def work(server: Durable) -> int:
        url = f"mysql+pymysql://root@localhost/keystone?unix_socket={server.socket}"
        words = [
            sys.executable,
            "-m",
            "dbaudit",
            "tokens",
            "flush",
            url,
            "--apply",
            "--only",
            "token",
            "--before",
            CUTOFF,
        ]
        return command([*words, *options])

    return work


def archiver(*options: str) -> Work:
    """pt-archiver, purging along the primary key as it does by itself."""

    def work(server: Durable) -> int:
        source = f"S={server.socket},u=root,D=keystone,t=token,A=utf8"
        words = ["pt-archiver", "--source", source, "--purge", "--no-check-charset", "--where", _WHERE]
        return command([*words, *options])

    return work


def single(server: Durable) -> int:
    """One DELETE for all."""
    with contextlib.closing(server.connect("keystone")) as connection, connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM token WHERE {_WHERE}")
    return 0


def loop(server: Durable) -> int:
    """DELETE ... LIMIT 1000 until there is none left."""
    with contextlib.closing(server.connect("keystone")) as connection, connection.cursor() as cursor:
        while cursor.execute(f"DELETE FROM token WHERE {_WHERE} LIMIT 1000"):
            pass
    return 0


# The history list is long after such a purge whoever does it; the peers do not look at it.
WATCH = ("--max-history", "1000000000")
BULK = ("--limit", "1000", "--commit-each", "--bulk-delete")
# pt-archiver takes no rate, but rests by the time of its last SELECT: so much that one gentle connection keeps up.
SLOWED = archiver(*BULK, "--sleep-coef", "4")
PEERS: dict[str, Work] = {
    "dbaudit --fast": dbaudit("--fast", *WATCH),
    "dbaudit --rebuild": dbaudit("--rebuild", *WATCH),
    "pt-archiver --commit-each": archiver("--limit", "1000", "--commit-each"),
    "pt-archiver --bulk-delete": archiver(*BULK),
    "single DELETE": single,
    "DELETE ... LIMIT 1000 loop": loop,
}
