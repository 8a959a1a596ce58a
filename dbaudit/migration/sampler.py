"""Looks at a running step from outside, some times a second: temporary files, metadata locks, what it is doing.

What comes and goes between two looks is not seen: temporary bytes are a lower bound, and a lock is told only of DDL
that lasted long enough to be seen holding it.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dbaudit.server.server import Account, Server

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# Seconds between two looks at files, and between two at locks, as a step begins; later a share of the time that it
# has run, so that looking never takes more than a little of a long one.
FILES_EVERY, LOCKS_EVERY = 0.1, 0.25
_SHARE, _LONGEST = 0.1, 2.0
_TEMPORARY = re.compile(r"/#sql|/ibtmp|#innodb_temp/| \(deleted\)$|/tmp/")
_VALUE = re.compile(r"'(?:[^'\\]|\\.|'')*(?:'|$)|\"(?:[^\"\\]|\\.)*(?:\"|$)")
_LOCKS = {
    "SHARED_NO_READ_WRITE": "EXCLUSIVE", "EXCLUSIVE": "EXCLUSIVE", "SHARED_NO_WRITE": "SHARED",
    "SHARED_UPGRADABLE": "NONE", "SHARED_WRITE": "NONE", "SHARED_READ": "NONE",
}  # fmt: skip
_STRENGTH = ("NONE", "SHARED", "EXCLUSIVE")


class Sampler:
    """Runs in a thread of its own between `start` and `stop`. `process` is the server's, None where it is elsewhere."""

    def __init__(self, server: Server, account: Account, database: str, process: int | None, *, locks: bool) -> None:
        self._server, self._account, self._database = server, account, database
        self._process, self._locks = process, locks
        self._seen: dict[tuple[int, int], Counter[str]] = {}
        self._end = threading.Event()
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._first = self._files()
        self._peak = self._first
        self.doing: str | None = None

    @property
    def temporary_bytes(self) -> int | None:
        """The most that temporary files had beyond what they had at the start; None where they cannot be seen."""
        return None if self._peak is None or self._first is None else max(0, self._peak - self._first)

    @property
    def locks(self) -> dict[tuple[int, int], str]:
        """By statement (thread, event): the lock that it held on its tables most of the time.

        One look does not tell: it may have been at the beginning or the end, when another lock is held for an instant.
        """
        return {
            key: max(found, key=lambda lock: (found[lock], _STRENGTH.index(lock)))
            for key, found in self._seen.items() if found.total() > 1
        }  # fmt: skip

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._end.set()
        self._thread.join()

    def _pause(self, least: float) -> float:
        return min(max(least, _SHARE * (time.monotonic() - self._begun)), _LONGEST)

    def _watch(self) -> None:
        """Files and locks, each as often as it is due; a step that ends at once is not looked at."""
        connection: Connection | None = None
        files, locks = self._begun + FILES_EVERY, self._begun + LOCKS_EVERY
        try:
            while not self._end.wait(max(0.0, min(files, locks) - time.monotonic())):
                now = time.monotonic()
                if now >= files:
                    self._measure()
                    files = time.monotonic() + self._pause(FILES_EVERY)
                if now >= locks:
                    with contextlib.suppress(Exception):  # a server that died is told by who used it
                        connection = connection or self._server.admin()
                        self._look(connection)
                    locks = time.monotonic() + self._pause(LOCKS_EVERY)
        finally:
            if connection is not None:
                with contextlib.suppress(Exception):
                    connection.close()

    def _measure(self) -> None:
        now = self._files()
        if now is not None and self._peak is not None:
            self._peak = max(self._peak, now)

    def _files(self) -> int | None:
        """Bytes of the server's temporary files, those without a name among them."""
        if self._process is None:
            return None
        try:
            return sum(size for _, size in _open_files(self._process))
        except OSError:
            return None

    def _look(self, connection: Connection) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT INFO, STATE, TIME FROM information_schema.PROCESSLIST"
                " WHERE USER = %s AND INFO IS NOT NULL ORDER BY TIME DESC LIMIT 1",
                (self._account.user,),
            )
            row = cursor.fetchone()
            if row:
                self.doing = f"{row[1] or 'running'} for {row[2]} s: {_shown(str(row[0]))}"
            if self._locks:
                cursor.execute(
                    "SELECT s.THREAD_ID, s.EVENT_ID, m.LOCK_TYPE FROM performance_schema.metadata_locks m"
                    " JOIN performance_schema.events_statements_current s ON s.THREAD_ID = m.OWNER_THREAD_ID"
                    " WHERE m.OBJECT_TYPE = 'TABLE' AND m.OBJECT_SCHEMA = %s AND m.LOCK_STATUS = 'GRANTED'"
                    " AND m.OBJECT_NAME NOT LIKE '#sql%%' AND s.EVENT_NAME REGEXP 'alter_table|_index|optimize'"
                    " AND s.SQL_TEXT LIKE CONCAT('%%', m.OBJECT_NAME, '%%')",
                    (self._database,),
                )
                found: dict[tuple[int, int], list[str]] = {}
                for thread, event, kind in cursor.fetchall():
                    if str(kind) in _LOCKS:
                        found.setdefault((int(thread), int(event)), []).append(_LOCKS[str(kind)])
                for key, kinds in found.items():
                    self._seen.setdefault(key, Counter())[max(kinds, key=_STRENGTH.index)] += 1


def _shown(statement: str) -> str:
    """The beginning of a statement, without its values: they may be secret."""
    return " ".join(_VALUE.sub("?", statement[:2000]).split())[:200]


def _open_files(process: int) -> Iterator[tuple[str, int]]:
    """Names and bytes of the temporary files that a process has open; Linux only, OSError elsewhere."""
    for entry in os.scandir(f"/proc/{process}/fd"):
        with contextlib.suppress(OSError):
            name = os.readlink(entry.path)
            if name.startswith("/") and _TEMPORARY.search(name) and not name.endswith(("/log", "/s")):
                yield name, os.stat(entry.path).st_blocks * 512


def process_of(server: Server) -> int | None:
    """The process of a private server, where its files can be seen."""
    number = getattr(server, "pid", None)
    return number if isinstance(number, int) and Path(f"/proc/{number}/fd").is_dir() else None
