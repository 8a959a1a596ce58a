"""Rehearse databases in processes of this machine, so many at a time; none of them outlives this one.

Each job has a process of its own: a crash of one is told of that one, and a stop is a signal that it can clean up on.
A thread waits for each; so the crew is an executor as a cluster's is.
"""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess, parent_process
from types import FrameType, TracebackType
from typing import Self

from dbaudit.errors import DbauditError
from dbaudit.plan.job import Job, Report, rehearse
from dbaudit.processes import context
from dbaudit.progress import Progress, Watch

# Seconds for a process to stop its server and remove its files, before it is killed.
STOP_WITHIN = 60.0


class Crew:
    """Up to `jobs` processes. Leaving the block by an exception stops those that run."""

    def __init__(self, jobs: int, watch: Watch) -> None:
        self._watch = watch
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="dbaudit-plan")
        self._running: set[BaseProcess] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def submit(self, job: Job) -> Future[Report]:
        """Rehearse a database as soon as a process is free."""
        return self._threads.submit(self._run, job)

    def _run(self, job: Job) -> Report:
        made = context(__name__)
        ours, theirs = made.Pipe(duplex=False)
        process = made.Process(target=work, args=(job, theirs), name=f"dbaudit-{job.label}")
        with self._lock:
            if self._stopped:
                raise DbauditError("the plan was stopped")
            process.start()
            self._running.add(process)
        theirs.close()
        try:
            return self._listen(job, ours, process)
        finally:
            process.join()
            ours.close()
            with self._lock:
                self._running.discard(process)

    def _listen(self, job: Job, pipe: Connection, process: BaseProcess) -> Report:
        while True:
            try:
                said = pipe.recv()
            except EOFError:
                process.join()
                raise DbauditError(
                    f"the process that rehearsed {job.label} ended without an answer (exit code {process.exitcode})",
                    "was it killed, or the memory short? The same command goes on where the plan stopped",
                ) from None
            if isinstance(said, Report):
                return said
            if isinstance(said, BaseException):
                raise said
            self._watch(said)

    def stop(self) -> None:
        """End what runs: first by a signal on which it cleans up, then for good."""
        with self._lock:
            self._stopped = True
            running = tuple(self._running)
        for process in running:
            process.terminate()
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in running:
            process.join(STOP_WITHIN)
            if process.is_alive():
                process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.stop()
        self._threads.shutdown()


def work(job: Job, pipe: Connection) -> None:
    """What the process of a job does: rehearse it, tell of it, and stop when told to or when its parent is gone."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    threading.Thread(target=_stop_with_parent, daemon=True).start()

    def watch(sign: Progress) -> None:
        with suppress(OSError):
            pipe.send(Progress(f"{job.label} {sign.stage}", sign.done, sign.total, sign.unit, sign.detail))

    with suppress(OSError):  # the parent is gone: nobody wants the answer
        try:
            pipe.send(rehearse(job, watch))
        except KeyboardInterrupt:
            pass
        except Exception as error:  # noqa: BLE001 - a bug of ours: it is the parent that shows it
            pipe.send(error)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # cleaning up is not stopped by a second one
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _stop_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
