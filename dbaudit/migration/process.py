"""Run one command to its end, or to its limits, and leave nothing of it running.

The command's output goes straight into a file, never through a pipe: a pipe that nobody empties blocks the tool, and
one that a daemon keeps open blocks us.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dbaudit.errors import DbauditError
from dbaudit.migration.gauges import process_seconds
from dbaudit.migration.guard import Guard, Limits
from dbaudit.migration.pulse import Pulse

# Marks everything that a command started, so that daemons which left its process group are found and killed too.
_MARK = "DBAUDIT_STEP"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code (negative: the signal that killed it), wall seconds, why we stopped it."""

    code: int
    seconds: float
    stopped: str | None


def run(
    command: Sequence[str], environment: Mapping[str, str], output: Path, limits: Limits,
    pulse: Callable[[Callable[[], float]], Pulse] | None = None,
) -> Ended:  # fmt: skip
    """Run a command without a shell, without input; standard output and error go to `output`, appended.

    When a limit is passed it is killed, with its whole process group and what else it started; so too when an
    exception, such as KeyboardInterrupt, passes through. Raises DbauditError where it cannot be started.
    `pulse` makes the pulse of the step, of a function that tells the processor seconds of all that the command started.
    """
    mark = secrets.token_hex(16)
    with output.open("ab") as sink:
        begun = time.perf_counter()
        process = _start(command, {**environment, _MARK: mark}, sink.fileno())
        guard = Guard(limits, lambda: _kill_group(process), output, pulse(lambda: _seconds(mark)) if pulse else None)
        try:
            with guard:
                process.wait()
                seconds = time.perf_counter() - begun
        finally:
            _kill_group(process)
            process.wait()
            _kill_marked(mark)
    return Ended(process.returncode, seconds, guard.why)


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
    """Kill what the command started and what made a group of its own."""
    for process in _marked(mark):
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)


def _seconds(mark: str) -> float:
    return sum(process_seconds(process) or 0.0 for process in _marked(mark))


def _marked(mark: str) -> Iterator[int]:
    """The processes that carry the mark in their environment. Linux only."""
    wanted = f"{_MARK}={mark}".encode()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if wanted in entry.read_bytes().split(b"\0"):
                yield int(entry.parent.name)
