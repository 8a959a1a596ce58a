"""Run one command to its end, or to its time limit, and leave nothing of it running.

The command's output goes straight into a file, never through a pipe: a pipe that nobody empties blocks the tool, and
one that a daemon keeps open blocks us.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dbaudit.errors import DbauditError

# Marks everything that a command started, so that daemons which left its process group are found and killed too.
_MARK = "DBAUDIT_STEP"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code (negative: the signal that killed it), wall seconds, whether we stopped it."""

    code: int
    seconds: float
    timed_out: bool


def run(command: Sequence[str], environment: Mapping[str, str], output: Path, limit: float) -> Ended:
    """Run a command without a shell, without input; standard output and error go to `output`, appended.

    After `limit` seconds it is killed, with its whole process group and what else it started; so too when an
    exception, such as KeyboardInterrupt, passes through. Raises DbauditError where it cannot be started.
    """
    mark = secrets.token_hex(16)
    expired = threading.Event()
    with output.open("ab") as sink:
        begun = time.perf_counter()
        process = _start(command, {**environment, _MARK: mark}, sink.fileno())

        def expire() -> None:
            expired.set()
            _kill_group(process)

        timer = threading.Timer(limit, expire)
        timer.daemon = True
        timer.start()
        try:
            process.wait()
            seconds = time.perf_counter() - begun
        finally:
            timer.cancel()
            _kill_group(process)
            process.wait()
            _kill_marked(mark)
    return Ended(process.returncode, seconds, expired.is_set())


def _start(command: Sequence[str], environment: Mapping[str, str], sink: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(command),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise DbauditError(f"cannot run {command[0]}: {error.strerror}", "check the --runner template") from error


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the group that the command leads. The group outlives its leader when children of it do."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _kill_marked(mark: str) -> None:
    """Kill what carries the mark in its environment: processes that made a group of their own. Linux only."""
    wanted = f"{_MARK}={mark}".encode()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if wanted in entry.read_bytes().split(b"\0"):
                os.kill(int(entry.parent.name), signal.SIGKILL)
