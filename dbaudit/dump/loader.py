"""Loading connections: one that executes in order, and workers that take rows in parallel.

Each worker has a queue of its own, so that settings reach it in their order between the rows. It knows nothing of
dumps but places in them.
"""

from __future__ import annotations

import contextlib
import queue
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pymysql

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

    Connection = pymysql.Connection[Cursor]
else:
    Connection = pymysql.Connection

# Statements that wait for a worker: enough to keep it busy, few enough to keep memory small (about 1 MB each).
WAITING = 4
# Deadlock and lock wait timeout: two workers met on one index; the statement is run again.
_AGAIN = frozenset({1205, 1213})
_ATTEMPTS = 6
# Seconds until a stopped worker is no longer waited for; its connection is cut, so it ends at once.
_PATIENCE = 5

# What dumps write around each CREATE TABLE: save, set, put back.
_AROUND = rb"(?:/\*!\d+ )?SET %s(?: \*/)?"
_SAVE = re.compile(_AROUND % rb"(?P<kept>@\w+)\s*=\s*@@(?P<name>\w+)")
_SETTING = re.compile(_AROUND % rb"(?P<name>\w+)\s*=\s*\w+")
_BACK = re.compile(_AROUND % rb"(?P<name>\w+)\s*=\s*(?P<kept>@\w+)")


@dataclass(frozen=True, slots=True)
class Task:
    """A statement for a connection; `table` and `offset` say where it comes from."""

    sql: bytes
    offset: int
    table: str = ""
    size: int = 0


class LoadError(Exception):
    """A statement failed; `error` is the server's."""

    def __init__(self, task: Task, error: Exception) -> None:
        super().__init__(str(error))
        self.task, self.error = task, error

    @property
    def code(self) -> int:
        """The server's error number, 0 when there is none."""
        first = self.error.args[0] if self.error.args else 0
        return first if isinstance(first, int) else 0


def execute(connection: Connection, task: Task) -> int:
    """Run one statement; the rows that it changed. Raises LoadError."""
    for attempt in range(_ATTEMPTS):
        try:
            rows = connection.query(cast(Any, task.sql))
            # What a statement with several results left must be read before the next is sent.
            while (result := getattr(connection, "_result", None)) is not None and result.has_next:
                connection.next_result()
            return rows
        except pymysql.MySQLError as error:
            code = error.args[0] if error.args else 0
            if code in _AGAIN and attempt + 1 < _ATTEMPTS:
                time.sleep(0.05 * 2**attempt)
                continue
            raise LoadError(task, error) from error
        except (OSError, ValueError, AttributeError) as error:  # the connection was cut under it
            raise LoadError(task, error) from error
    raise AssertionError("unreachable")


class _Worker:
    """A thread with a connection and a queue."""

    def __init__(self, connection: Connection, failed: Callable[[LoadError], None]) -> None:
        self.connection, self._failed = connection, failed
        self.queue: queue.Queue[Task | None] = queue.Queue(WAITING)
        self.waiting = self.done = 0  # bytes
        self.owed: list[Task] = []
        self.thread = threading.Thread(target=self._run, name="dbaudit-load", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        failed = False
        while (task := self.queue.get()) is not None:
            if not failed:
                try:
                    execute(self.connection, task)
                except LoadError as error:
                    failed = True
                    self._failed(error)
            self.done += task.size
            self.queue.task_done()
        self.queue.task_done()


class Loader:
    """A control connection and workers. Use as a context manager: leaving it stops them at once."""

    def __init__(self, connect: Callable[[], Connection], workers: int) -> None:
        self._failure: LoadError | None = None
        self.control = connect()
        self._workers: list[_Worker] = []
        try:
            for _ in range(max(1, workers)):
                self._workers.append(_Worker(connect(), self._fail))
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _fail(self, error: LoadError) -> None:
        self._failure = self._failure or error

    @property
    def done(self) -> int:
        """Bytes of rows that are loaded."""
        return sum(worker.done for worker in self._workers)

    def run(self, task: Task) -> int:
        """Execute on the control connection, now. Raises LoadError."""
        self._check()
        return execute(self.control, task)

    def everywhere(self, task: Task) -> None:
        """A setting: on the control connection now, on each worker before the next rows that it is given."""
        self.run(task)
        for worker in self._workers:
            _owe(worker.owed, task)

    def rows(self, task: Task) -> None:
        """Give rows to the worker that has least to do."""
        worker = min(self._workers, key=lambda each: each.waiting - each.done)
        worker.waiting += task.size
        for setting in worker.owed:
            self._put(worker, setting)
        worker.owed.clear()
        self._put(worker, task)

    def wait(self) -> None:
        """Until every worker has done all it was given. Raises LoadError."""
        for worker in self._workers:
            while worker.queue.unfinished_tasks and worker.thread.is_alive():
                self._check()
                with worker.queue.all_tasks_done:
                    if worker.queue.unfinished_tasks:
                        worker.queue.all_tasks_done.wait(0.1)
        self._check()

    def _put(self, worker: _Worker, task: Task) -> None:
        while True:
            self._check()
            with contextlib.suppress(queue.Full):
                worker.queue.put(task, timeout=0.2)
                return

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Cut every connection and end the threads; what runs on the server is abandoned."""
        for worker in self._workers:
            _cut(worker.connection)
        _cut(self.control)
        for worker in self._workers:
            with contextlib.suppress(queue.Empty):
                while True:
                    worker.queue.get_nowait()
                    worker.queue.task_done()
            with contextlib.suppress(queue.Full):
                worker.queue.put(None, timeout=_PATIENCE)
            worker.thread.join(_PATIENCE)


def _owe(owed: list[Task], setting: Task) -> None:
    """Add a setting to those that a worker has not seen yet.

    Around each CREATE TABLE a dump saves a variable, sets it and puts it back: without rows in between only the saving
    is left, and that once.
    """
    if back := _BACK.fullmatch(setting.sql):
        save = _SAVE.fullmatch(owed[-2].sql) if len(owed) > 1 else None
        name = _SETTING.fullmatch(owed[-1].sql) if owed else None
        if save and name and (back["name"], back["kept"], back["name"]) == (save["name"], save["kept"], name["name"]):
            owed.pop()
            return
    if not (owed and owed[-1].sql == setting.sql and _SAVE.fullmatch(setting.sql)):
        owed.append(setting)


def _cut(connection: Connection) -> None:
    """Close a connection so that a thread that waits on it wakes up."""
    sock = getattr(connection, "_sock", None)
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(Exception):
        connection._force_close()  # type: ignore[attr-defined]  # private to PyMySQL, so not in its stubs
