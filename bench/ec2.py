"""Times of an EC2 sync: the first, one without changes, and how long a change takes while both sides are written to.

    python bench/ec2.py [--keys 100000] [--seconds 120] [--rate 50] [--servers 2] [--binary FILE]
                         [--also-scans | --only-scans]

Two throwaway servers (or one) hold a Grizzly and a Havana database. Prints what it measured beside what is promised,
and exits 1 where a promise is not kept.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dbaudit.server.choose import start
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
from dbaudit.server.server import Server

OLD = (
    "CREATE TABLE ec2_credential (access VARCHAR(64) NOT NULL, secret VARCHAR(64), user_id VARCHAR(64), "
    "tenant_id VARCHAR(64), PRIMARY KEY (access)) ENGINE=InnoDB DEFAULT CHARSET=utf8"
)
NEW = (
    "CREATE TABLE credential (id VARCHAR(64) NOT NULL, user_id VARCHAR(64) NOT NULL, project_id VARCHAR(64), "
    "`blob` TEXT NOT NULL, type VARCHAR(255) NOT NULL, extra TEXT, PRIMARY KEY (id)) ENGINE=InnoDB DEFAULT CHARSET=utf8"
)
OWNERS = [uuid.UUID(int=number).hex for number in range(2_000)]
SETTLE = 5.0  # seconds that a change may take to be seen after the load has ended


def sha(access: str) -> str:
    return hashlib.sha256(access.encode()).hexdigest()


def blob(access: str, secret: str) -> str:
    return json.dumps({"access": access, "secret": secret, "trust_id": None})


@dataclass
class Side:
    """A database: what its service writes there, and how the bench sees what arrives."""

    server: Server
    name: str
    old: bool

    @property
    def url(self) -> str:
        return self.server.url(self.server._endpoint.admin, self.name).render_as_string(hide_password=False)

    def make(self, keys: int) -> None:
        self.server.create_database(self.name, "utf8")
        with contextlib.closing(self.server.admin(self.name)) as connection, connection.cursor() as cursor:
            cursor.execute(OLD if self.old else NEW)
            for table in ("user", "project"):
                cursor.execute(f"CREATE TABLE {table} (id VARCHAR(64) NOT NULL PRIMARY KEY) ENGINE=InnoDB CHARSET=utf8")
                cursor.executemany(f"INSERT INTO {table} VALUES (%s)", [(owner,) for owner in OWNERS])
            for first in range(0, keys, 5_000):
                rows = [self.row(uuid.uuid4().hex, uuid.uuid4().hex) for _ in range(min(5_000, keys - first))]
                cursor.executemany(self.insert, rows)

    @property
    def insert(self) -> str:
        if self.old:
            return "INSERT INTO ec2_credential VALUES (%s, %s, %s, %s)"
        return "INSERT INTO credential VALUES (%s, %s, %s, %s, 'ec2', '{}')"

    def row(self, access: str, secret: str) -> tuple[str, ...]:
        owner = random.choice(OWNERS)
        return (access, secret, owner, owner) if self.old else (sha(access), owner, owner, blob(access, secret))

    def change(self, cursor: Any, what: str, access: str, secret: str) -> None:
        key = access if self.old else sha(access)
        if what == "create":
            cursor.execute(self.insert, self.row(access, secret))
        elif what == "delete":
            table = "ec2_credential WHERE access" if self.old else "credential WHERE id"
            cursor.execute(f"DELETE FROM {table} = %s", (key,))
        elif self.old:
            cursor.execute("UPDATE ec2_credential SET secret = %s WHERE access = %s", (secret, key))
        else:
            cursor.execute("UPDATE credential SET `blob` = %s WHERE id = %s", (blob(access, secret), key))

    def secrets(self, cursor: Any, accesses: list[str]) -> dict[str, str]:
        """What is there of these keys."""
        if self.old:
            cursor.execute("SELECT access, secret FROM ec2_credential WHERE access IN %s", (accesses,))
            return dict(cursor.fetchall())
        cursor.execute("SELECT `blob` FROM credential WHERE id IN %s", ([sha(access) for access in accesses],))
        return {each["access"]: each["secret"] for each in (json.loads(text) for (text,) in cursor.fetchall())}


@dataclass
class Traffic:
    """Changes on one side, and how long each takes to the other."""

    here: Side
    there: Side
    rate: float
    stop: threading.Event
    waiting: dict[str, tuple[float, str | None]] = field(default_factory=dict)
    taken: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    made: int = 0
    settle: float = SETTLE

    def write(self) -> None:
        live: list[str] = []
        with contextlib.closing(self.here.server.admin(self.here.name)) as connection, connection.cursor() as cursor:
            due = time.monotonic()
            while not self.stop.is_set():
                what = random.choices(("create", "update", "delete"), (2, 1, 1))[0] if len(live) > 100 else "create"
                access, secret = uuid.uuid4().hex, uuid.uuid4().hex
                if what != "create":
                    access = live.pop(random.randrange(len(live)))
                    if access in self.waiting:
                        live.append(access)
                        continue
                self.here.change(cursor, what, access, secret)
                with self.lock:
                    self.waiting[access] = (time.monotonic(), None if what == "delete" else secret)
                self.made += 1
                if what != "delete":
                    live.append(access)
                due += 1 / self.rate
                time.sleep(max(due - time.monotonic(), 0))

    def watch(self) -> None:
        end = float("inf")
        with contextlib.closing(self.there.server.admin(self.there.name)) as connection, connection.cursor() as cursor:
            while time.monotonic() < end and not (self.stop.is_set() and not self.waiting):
                if self.stop.is_set() and end == float("inf"):
                    end = time.monotonic() + self.settle
                with self.lock:
                    wanted = dict(self.waiting)
                found = self.there.secrets(cursor, list(wanted)) if wanted else {}
                now = time.monotonic()
                with self.lock:
                    for access, (since, secret) in wanted.items():
                        if found.get(access) == secret and self.waiting.get(access) == (since, secret):
                            del self.waiting[access]
                            self.taken.append(now - since)
                time.sleep(0.02)


class Report:
    """Measured beside promised."""

    failed = False

    def line(self, what: str, value: float, limit: float | None = None, unit: str = "s") -> None:
        kept = limit is None or value < limit
        self.failed |= not kept
        promise = "" if limit is None else f"  (promised < {limit:g} {unit}{'' if kept else '  NOT KEPT'})"
        print(f"{what:<58} {value:8.3f} {unit}{promise}", flush=True)


def synced(sides: tuple[Side, Side], key: Path, *words: str) -> float:
    began = time.monotonic()
    command = [sys.executable, "-m", "dbaudit", "ec2", "sync", *(side.url for side in sides), "--apply", "--key-file"]
    done = subprocess.run([*command, str(key), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr)
        raise SystemExit("the sync reported something")
    return time.monotonic() - began


def load(report: Report, sides: tuple[Side, Side], folder: Path, options: argparse.Namespace, *words: str) -> None:
    """Follow while both sides are written to."""
    name = "with triggers" if words else "without triggers"
    events, metrics = folder / f"events{len(words)}", folder / f"metrics{len(words)}"
    command = [sys.executable, "-m", "dbaudit", "ec2", "sync", *(side.url for side in sides), "--apply", "--follow"]
    command += [
        "--interval",
        "1s",
        "--key-file",
        str(folder / "key"),
        "--events",
        str(events),
        "--metrics",
        str(metrics),
    ]
    process = subprocess.Popen([*command, *words])
    while not metrics.exists():
        time.sleep(0.1)
    time.sleep(5)
    idle = gauge(metrics, "round_seconds")
    full = rounds(events)[-1]["seconds"]
    report.line(f"a round without changes, {name}", idle if words else full, 1 if words else 3)
    stop = threading.Event()
    traffic = [Traffic(*pair, options.rate, stop) for pair in (sides, sides[::-1])]
    threads = [threading.Thread(target=work) for each in traffic for work in (each.write, each.watch)]
    for each in traffic:
        each.settle = SETTLE + 4 * full  # without triggers a change takes up to two rounds
    for thread in threads:
        thread.start()
    time.sleep(options.seconds)
    stop.set()
    for thread in threads:
        thread.join()
    memory = peak(process.pid)
    process.send_signal(signal.SIGTERM)
    code = process.wait(60)
    taken = sorted(one for each in traffic for one in each.taken)
    lost = sum(len(each.waiting) for each in traffic)
    slowest = max((each["seconds"] for each in rounds(events) if each["full"]), default=0)
    limit = 1.5 if words else 1 + 2 * slowest
    made = sum(each.made for each in traffic)
    print(f"{made:,} changes in {options.seconds:g} s, both sides, {name}; {lost} did not arrive; exit {code}")
    report.line("  propagation, median", statistics.median(taken))
    report.line("  propagation, p99", taken[int(len(taken) * 0.99)], limit)
    report.line("  propagation, longest", taken[-1])
    report.line("  slowest full scan beside it", slowest)
    report.line("  memory of the follower, peak", memory, 400, "MB")
    report.failed |= bool(lost or code)


def rounds(events: Path) -> list[dict[str, Any]]:
    return [each for each in map(json.loads, events.read_text().splitlines()) if each["event"] == "round"]


def gauge(path: Path, name: str) -> float:
    return float(
        next(line.split()[1] for line in path.read_text().splitlines() if line.startswith(f"dbaudit_ec2_{name} "))
    )


def peak(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmHWM"))) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("keys", 100_000), ("servers", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    for name, number in (("seconds", 120.0), ("rate", 50.0)):
        parser.add_argument(f"--{name}", type=float, default=number)
    parser.add_argument("--binary", type=Path)
    loads = parser.add_mutually_exclusive_group()
    loads.add_argument("--also-scans", action="store_true", help="the load without triggers too")
    loads.add_argument("--only-scans", action="store_true", help="the load without triggers alone")
    options = parser.parse_args()
    report = Report()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="b")))
        folder.chmod(0o711)
        for name in ("t", "c"):
            (folder / name).mkdir(mode=0o711)
        places = Places(folder / "t", folder / "c", os.environ.get("PATH", ""))
        servers = [
            stack.enter_context(start("private", places=places, needs=Needs(), binary=options.binary))
            for _ in range(options.servers)
        ]
        sides = Side(servers[0], "keystone_g", True), Side(servers[-1], "keystone_h", False)
        for side in sides:
            side.make(options.keys // 2)
        print(f"{options.keys:,} keys, half on each side; {servers[0].version.name}, {options.servers} server(s)")
        report.line("first sync (whole process)", synced(sides, folder / "key"), 60)
        report.line("sync without changes (whole process)", synced(sides, folder / "key"))
        if not options.only_scans:
            load(report, sides, folder, options, "--triggers")
        if options.also_scans or options.only_scans:
            load(report, sides, folder, options)
    raise SystemExit(1 if report.failed else 0)


if __name__ == "__main__":
    main()
