"""The directories of private servers: made, locked, and swept when their dbaudit was killed.

A directory `dbaudit-<pid>-*` belongs to whoever holds the lock on its file `lock`. It appears under that name only
when it is locked, so what a sweep can lock has been abandoned; and nothing else is ever touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dbaudit.server.identity import Identity
from dbaudit.server.supervisor import LOCK, remove

PREFIX = "dbaudit-"
_UNFINISHED = ".dbaudit-"
# Seconds after which a directory that never got its name is taken for abandoned: naming it takes a millisecond.
_UNFINISHED_FOR = 60
# Seconds to wait for a killed server to be gone.
_GONE_WITHIN = 10
_ATTEMPTS = 5  # to remove a directory
# Bytes of a socket's path, with its end: 108 on Linux, 104 on macOS and the BSDs.
SOCKET_PATH_LIMIT = 104


@dataclass(frozen=True, slots=True)
class Workspace:
    """A locked directory of ours; `lock` is the open descriptor of its lock."""

    path: Path
    lock: int

    def release(self) -> None:
        """Let go of the lock; the directory is left to whoever finds it."""
        os.close(self.lock)


def make(parent: Path, identity: Identity | None = None) -> Workspace:
    """A new directory in `parent`, locked, for us alone.

    A server that runs as another user (`identity`) may pass through it, but not look or write.
    """
    parent.mkdir(parents=True, exist_ok=True)
    unnamed = Path(tempfile.mkdtemp(prefix=f"{_UNFINISHED}{os.getpid()}-", dir=parent.resolve()))
    lock = os.open(unnamed / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    if identity and identity.drop:
        unnamed.chmod(0o711)
    return Workspace(unnamed.rename(unnamed.with_name(unnamed.name.removeprefix("."))), lock)


def own_directory(path: Path, identity: Identity) -> Path:
    """A directory of mode 0700 for the server."""
    path.mkdir(mode=0o700)
    if identity.drop:
        os.chown(path, identity.uid, identity.gid)
    return path


def sweep(parent: Path) -> list[Path]:
    """Kill the servers and remove the directories that killed dbaudits of this user left in `parent`; which."""
    return [directory for directory in _candidates(parent) if _sweep_one(directory)]


def _candidates(parent: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        for entry in sorted(os.scandir(parent.resolve()), key=lambda entry: entry.name):
            unfinished = entry.name.startswith(_UNFINISHED)
            if not unfinished and not entry.name.startswith(PREFIX):
                continue
            with contextlib.suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
                if ours and not (unfinished and time.time() - found.st_mtime < _UNFINISHED_FOR):
                    yield Path(entry.path)


def _sweep_one(directory: Path) -> bool:
    try:
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False  # not one of ours, or another sweep has just removed it
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        discard(directory)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def discard(directory: Path) -> None:
    """Kill every server whose data lies in `directory`, and remove it. The caller holds its lock."""
    if directory.exists():  # else its supervisor has done all that
        kill_servers(directory)
    for _ in range(_ATTEMPTS):  # what was killed a moment ago may still end a call that makes a file
        remove(str(directory))
        if not directory.exists():
            break
        time.sleep(0.02)


def kill_servers(directory: Path) -> None:
    """Kill the processes that were started with `--datadir=` in `directory`, and wait until they are gone."""
    for pid in servers_of(directory):
        _kill(pid, directory)
    end = time.monotonic() + _GONE_WITHIN
    while servers_of(directory) and time.monotonic() < end:
        time.sleep(0.01)


def servers_of(directory: Path) -> list[int]:
    """The ids of the processes whose command line names a data directory in `directory`."""
    return [pid for pid, arguments in _processes() if _serves(arguments, directory)]


def _serves(arguments: list[bytes], directory: Path) -> bool:
    beginning = f"--datadir={directory}/".encode()
    return any(argument.startswith(beginning) for argument in arguments)


def _kill(pid: int, directory: Path) -> None:
    """SIGKILL, where the number still means the same process (Linux can hold on to a process, others cannot)."""
    with contextlib.suppress(OSError):
        if not sys.platform.startswith("linux"):
            os.kill(pid, signal.SIGKILL)
            return
        handle = os.pidfd_open(pid)
        try:
            if _serves(_arguments(pid), directory):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def _arguments(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _processes() -> Iterator[tuple[int, list[bytes]]]:
    if Path("/proc/self/cmdline").exists():
        for name in os.listdir("/proc"):
            if name.isdigit():
                yield int(name), _arguments(int(name))
        return
    command = ["/bin/ps", "-axww", "-o", "pid=,command="]
    listed = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).stdout
    for line in listed.splitlines():
        pid, _, command_line = line.strip().partition(b" ")
        yield int(pid), [b"--datadir=" + rest for rest in command_line.split(b" --datadir=")[1:]]
