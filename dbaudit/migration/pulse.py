"""Whether a running step still moves: what it has done on the server, what it printed, what the processors do for it.

A step hangs where nothing of that changes: it waits for a lock that nobody gives up, or for an answer that never comes.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pymysql

from dbaudit.migration.gauges import counted, process_seconds, redo
from dbaudit.migration.sampler import process_of

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

    from dbaudit.server.server import Account, Connection, Server

# Share of a processor from which on something works, although nothing of it is seen: a server that sleeps, and is asked
# now and then whether it does, uses less than a hundredth.
_WORKS = 0.1
# Sessions that run a statement and wait for nobody.
_RUNNING = (
    "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = %s AND COMMAND IN ('Query', 'Execute')"
    " AND IFNULL(STATE, '') NOT LIKE 'Waiting%%' AND IFNULL(STATE, '') NOT IN ('User sleep', 'User lock') AND ID NOT IN"
    " (SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT')"
)


@dataclass(frozen=True, slots=True)
class Beat:
    """One look. `seen` is equal as long as nothing is done; `seconds` of processors in all, `at` by the clock."""

    seen: object
    seconds: float
    at: float

    def moved(self, before: Beat) -> bool:
        """Whether anything was done since an earlier look."""
        worked = self.seconds - before.seconds
        return self.seen != before.seen or worked > _WORKS * (self.at - before.at)


class Pulse:
    """Looks at the server for what `account` does there. `tool` gives the processor seconds of a tool's processes."""

    def __init__(self, server: Server, account: Account, output: Path, tool: Callable[[], float] | None = None) -> None:
        self._server, self._account, self._output = server, account, output
        self._tool = tool
        self._connection: Connection | None = None

    def beat(self) -> Beat:
        """Look once. Raises whatever a server that cannot be asked raises: then nothing is known."""
        connection = self._connection = self._connection or self._server.admin()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT ID, COMMAND, STATE, INFO FROM information_schema.PROCESSLIST WHERE USER = %s ORDER BY ID",
                (self._account.user,),
            )
            sessions = hash(tuple(cursor.fetchall()))
            seen = (sessions, redo(cursor), self._rows(cursor))
            seconds = self._seconds(cursor)
        if self._tool is not None:
            seconds += self._tool()
        return Beat((*seen, self._output.stat().st_size), seconds, time.monotonic())

    def _seconds(self, cursor: Cursor) -> float:
        """Processor seconds of the server. Where they cannot be seen, in a container or on another machine, a statement
        that waits for nobody is taken to keep a processor busy."""
        process = process_of(self._server)
        if process is not None:
            return process_seconds(process) or 0.0
        cursor.execute(_RUNNING, (self._account.user,))
        ((running,),) = cursor.fetchall()
        return time.monotonic() if running else 0.0

    def _rows(self, cursor: Cursor) -> object:
        """What the account did with rows; on a server that tells it of nobody alone, all rows. From MySQL 5.7 on these
        are those that our own questions read and write, too."""
        if self._server.version.at_least(mysql=(5, 7), mariadb=(0,)):
            with contextlib.suppress(pymysql.MySQLError):  # a MariaDB that has no such table
                cursor.execute(
                    "SELECT SUM(VARIABLE_VALUE) FROM performance_schema.status_by_user"
                    " WHERE USER = %s AND VARIABLE_NAME LIKE 'Handler%%'",
                    (self._account.user,),
                )
                return cursor.fetchone()
            return None
        return counted(cursor, self._server.version, self._account)

    def close(self) -> None:
        """Leave the server."""
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None
