"""What the tests of private servers share: a program to run, and a dbaudit of its own that can be killed."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dbaudit.server import workspace
from dbaudit.server.place import Places
from tests import matrix

ROOT = Path(__file__).resolve().parents[2]
# Starts a private server, tells about it, and does what the second argument says.
USER_OF_A_SERVER = """
import json, os, signal, sys, time
from pathlib import Path
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
from tests import matrix
from dbaudit.server.private import start_private
places = Places(Path(sys.argv[1]), Path(sys.argv[2]))
with start_private(Path(sys.argv[3]), places, Needs()) as server:
    print(json.dumps([server.pid, server.supervisor, str(server.directory)]), flush=True)
    exec(sys.argv[4])
"""
WAIT = "time.sleep(600)"


@dataclass
class Dbaudit:
    """A process that has a private server."""

    process: subprocess.Popen[str]
    server: int
    supervisor: int
    directory: Path

    def kill(self, *pids: int) -> None:
        """SIGKILL at once, and nothing that could clean up."""
        for pid in (self.process.pid, *pids):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> Path:
    """A server program of this machine, for each server of the matrix."""
    if not (found := matrix.program(request.param)):
        pytest.skip(f"there is no server program of {request.param} on this machine")
    return found


@pytest.fixture
def own(places: Places, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """A place for servers that no other test uses; at the end nothing may be left in it."""
    tmp = places.tmp.with_name("servers") / f"{time.monotonic_ns():x}"
    tmp.mkdir(mode=0o711)
    yield replace(places, tmp=tmp)
    assert [path for path in tmp.iterdir() if "dbaudit" in path.name] == []
    assert workspace.servers_of(tmp) == []


@pytest.fixture
def start(own: Places, program: Path) -> Iterator[Callable[..., Dbaudit]]:
    """Start another dbaudit with a server; `user` is whom it runs as."""
    running: list[subprocess.Popen[str]] = []

    def begin(then: str = WAIT, user: str | None = None) -> Dbaudit:
        cache, ids = own.cache, {}
        if user:
            entry = pwd.getpwnam(user)
            cache = own.tmp / "cache"
            cache.mkdir()
            for path in (own.tmp, cache):
                os.chown(path, entry.pw_uid, entry.pw_gid)
            ids = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            try:
                subprocess.run([sys.executable, "-c", "import dbaudit"], cwd=ROOT, check=True, **ids)
            except (OSError, subprocess.CalledProcessError):
                pytest.skip(f"the Python that runs the tests, or the checkout, is closed to {user}")
        process = subprocess.Popen(
            [sys.executable, "-c", USER_OF_A_SERVER, own.tmp, cache, program, then],
            stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True, **ids,
        )  # fmt: skip
        running.append(process)
        server, supervisor, directory = json.loads(process.stdout.readline())
        return Dbaudit(process, server, supervisor, Path(directory))

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def runs(pid: int) -> bool:
    """Whether a process is there and not only waits to be counted as dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def within(seconds: float, happened: Callable[[], bool]) -> bool:
    """Whether it happened in time."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
