"""dbaudit's end of the supervisor: give an order, hear what became of it, and let go."""

from __future__ import annotations

import contextlib
import io
import json
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dbaudit.errors import DbauditError
from dbaudit.server import binary, supervisor
from dbaudit.server.identity import Identity

# Seconds for the supervisor to kill a server and remove its files, which may be many gigabytes.
CLOSE_WITHIN = 60


@dataclass(frozen=True, slots=True)
class Order:
    """One program to run: its log gets stdout and stderr, `user` is (uid, gid) to become, or None."""

    argv: Sequence[str]
    log: str
    cwd: str
    stdin: str | None = None
    user: tuple[int, int] | None = None
    env: dict[str, str] = field(default_factory=lambda: dict(binary.ENVIRONMENT))


class Lifeline:
    """A running supervisor, told by a pipe. It removes `directories` when this process is gone or lets go."""

    def __init__(self, directories: Sequence[Path], keep_open: Sequence[int]) -> None:
        """`keep_open` are the descriptors of the locks, which the supervisor holds as long as it lives."""
        command = [sys.executable, "-I", "-S", supervisor.__file__, *map(str, directories)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(binary.ENVIRONMENT),
            cwd="/",
            pass_fds=tuple(keep_open),
            start_new_session=True,
        )
        self._exit: int | None = None
        self._heard = b""

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    def run(self, order: Order, identity: Identity) -> int:
        """Start a program; its process id. Raises DbauditError where it cannot be started."""
        assert self._process.stdin is not None
        self._exit = None
        try:
            self._process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise DbauditError(f"the supervisor of the private server is gone: {error}") from error
        answer = self._listen(None)
        if "pid" in answer:
            return int(str(answer["pid"]))
        raise DbauditError(
            f"{order.argv[0]} cannot be started as {identity.name}: {answer.get('error', 'its supervisor died')}"
        )

    def exited(self, within: float = 0) -> int | None:
        """The exit code of the program, or None if it still runs after `within` seconds."""
        if self._exit is None:
            answer = self._listen(within)
            if "exit" in answer:
                self._exit = int(str(answer["exit"]))
        return self._exit

    def _listen(self, within: float | None) -> dict[str, object]:
        """The next answer; {} where there is none in time; an exit where the supervisor itself is gone."""
        assert isinstance(self._process.stdout, io.BufferedReader)
        descriptor = self._process.stdout.fileno()
        end = None if within is None else time.monotonic() + within
        while b"\n" not in self._heard:
            left = None if end is None else max(0.0, end - time.monotonic())
            if not select.select([descriptor], [], [], left)[0]:
                return {}
            data = self._process.stdout.read1(65536)
            if not data:
                return {"exit": self._process.wait()}
            self._heard += data
        line, _, self._heard = self._heard.partition(b"\n")
        answer: dict[str, object] = json.loads(line)
        return answer

    def keep(self) -> None:
        """Have the supervisor stay when we let go: it ends by SIGTERM, or with the server."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b'{"keep": true}\n')
            self._process.stdin.flush()
        except OSError as error:
            raise DbauditError(f"the supervisor of the private server is gone: {error}") from error
        if "kept" not in self._listen(None):
            raise DbauditError("the private server has ended: it cannot be kept")

    def let_go(self) -> None:
        """Close the lifeline and wait until the supervisor has cleaned up."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_WITHIN)
