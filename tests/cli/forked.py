"""`dbaudit` as a process of its own, forked from one that has imported it: half a second of CPU less for each call.

That a command imports no more than it needs, standard input and at least one signal of each kind are looked at in
processes that begin from nothing (`python -m dbaudit`).
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import pkgutil
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

import dbaudit
from tests.conftest import COVERAGE


@functools.cache
def context() -> ForkServerContext:
    """The process that forks, which has imported all of dbaudit but the pytest plugin."""
    names = [module.name for module in pkgutil.walk_packages(dbaudit.__path__, "dbaudit.")]
    found = multiprocessing.get_context("forkserver")
    # With this module and what it imports: each child needs it to find what it is to run.
    wanted = [*(name for name in names if name not in ("dbaudit.testing", "dbaudit.__main__")), __name__]
    measured = os.environ.pop(COVERAGE, None)  # it is the children that are measured, each by itself
    found.set_forkserver_preload([*wanted, "tests.cli.warmed", *(("coverage", "coverage.sqldata") if measured else ())])
    forkserver.ensure_running()
    if measured is not None:
        os.environ[COVERAGE] = measured
    return found


def command_line(words: list[str]) -> int:
    """What `call` runs in its child, unless it is told something else."""
    from dbaudit.cli.app import run

    sys.argv = ["dbaudit", *words]
    return run()


def call(
    words: list[str], environment: dict[str, str], folder: Path, within: float,
    main: Callable[[list[str]], int] = command_line,
) -> tuple[int, bytes, bytes]:  # fmt: skip
    """Run a command there: its exit code and what it said. Raises TimeoutExpired as subprocess.run does."""
    out, err = said = [folder / f".{name}-{time.monotonic_ns()}" for name in ("out", "err")]
    begun = Begun(words, environment, folder, out, err, main)
    try:
        code = begun.wait(within)
    except subprocess.TimeoutExpired:
        begun.kill()
        begun.wait(within)
        raise
    texts = [path.read_bytes() for path in said]
    for path in said:
        path.unlink()
    return code, texts[0], texts[1]


class Begun:
    """A command that runs there, writing to two files; it is asked as subprocess.Popen is."""

    def __init__(
        self, words: list[str], environment: dict[str, str], folder: Path, out: Path, err: Path,
        main: Callable[[list[str]], int] = command_line,
    ) -> None:  # fmt: skip
        self._words = words
        self._process = context().Process(target=_run, args=(main, words, environment, str(folder), str(out), str(err)))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.exitcode

    def wait(self, within: float | None = None) -> int:
        """Its exit code, once it has ended. Raises TimeoutExpired."""
        self._process.join(within)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(self._words, within or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()


def _run(
    main: Callable[[list[str]], int], words: list[str], environment: dict[str, str], folder: str, out: str, err: str
) -> None:
    """In the child: be as a new process is, then run the command line."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    nothing, end = os.pipe()
    os.close(end)
    for number, file in enumerate((nothing, *(os.open(name, os.O_WRONLY | os.O_CREAT) for name in (out, err)))):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    if COVERAGE not in environment:
        sys.exit(main(words))
    import coverage

    measured = coverage.process_startup()
    del os.environ[COVERAGE]  # what it starts in its turn takes twice as long when it is measured, and repeats it
    try:
        sys.exit(main(words))
    finally:
        sys.stdout.flush()
        if measured is not None:
            measured.stop()
            measured.save()
