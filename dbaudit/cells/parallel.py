"""The same work on several databases, in processes of their own: reading dumps is work for the processor."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from dbaudit.processes import context
from dbaudit.progress import Progress, Watch

R = TypeVar("R")


def each(
    work: Callable[..., R], tasks: Sequence[tuple[object, ...]], jobs: int, stage: str, watch: Watch
) -> Iterator[R]:
    """The result of `work(*task)` for each task, in order; at most `jobs` at a time.

    Work and tasks must be fit for pickling. What a worker raises is raised here.
    """
    jobs = min(jobs, len(tasks))
    watch(Progress(stage, 0, len(tasks), "databases"))
    if jobs <= 1:
        for number, task in enumerate(tasks, 1):
            yield work(*task)
            watch(Progress(stage, number, len(tasks), "databases"))
        return
    made = context(work.__module__)
    with ProcessPoolExecutor(jobs, mp_context=made, initializer=_leave_interrupts) as pool:
        futures = [pool.submit(work, *task) for task in tasks]
        try:
            for number, future in enumerate(futures, 1):
                yield future.result()
                watch(Progress(stage, number, len(tasks), "databases"))
        finally:
            for future in futures:
                future.cancel()


def _leave_interrupts() -> None:
    """Ctrl-C is the parent's: it stops the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
