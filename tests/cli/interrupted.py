"""The command line, sending itself a signal at the first sign of a stage: `main(["restore", "SIGTERM", *words])`.

Servers, their supervisors and the handlers of signals are the same in a process that was forked and in one that begins
from nothing; one stage is interrupted in each way.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from dbaudit.progress import Progress, Watch
from dbaudit.report import progress


def main(words: list[str]) -> int:
    """Run the command that follows a stage and the name of a signal; its exit code, if it lives to have one."""
    stage, name, *command = words

    @contextmanager
    def drawn(*, quiet: bool = False) -> Iterator[Watch]:
        def watch(sign: Progress) -> None:
            if sign.stage == stage:
                os.kill(os.getpid(), getattr(signal, name))

        yield watch

    progress.drawn = drawn
    from dbaudit.cli.app import run

    return run(command)
