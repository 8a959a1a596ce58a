"""Gauges that read a server: replica lag, running threads, Galera flow control, history list.

Each keeps a connection of its own. A figure that cannot be read holds the run back: unknown is not fine.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pymysql
from sqlalchemy import URL

from dbaudit.server.url import read_url

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# Limits where the user names none. Lag in seconds; threads as pt-archiver's neighbours have it; history list length at
# which purge is clearly behind; share of the time in which flow control paused the node since the last look.
LAG, THREADS, HISTORY, PAUSED = 5.0, 25, 1_000_000, 0.05


class _Reader:
    """Rows over a connection that is opened anew when it broke."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._connection: Connection | None = None

    def row(self, *statements: str) -> dict[str, Any] | None:
        """The first row of the first statement that the server knows; raises pymysql's errors."""
        return next(iter(self.rows(*statements)), None)

    def rows(self, *statements: str) -> list[dict[str, Any]]:
        """Its rows."""
        if self._connection is None:
            endpoint = read_url(self._url.render_as_string(hide_password=False))
            self._connection = endpoint.connect(endpoint.admin)
        try:
            return self._ask(self._connection, statements)
        except (pymysql.MySQLError, OSError):
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None
            raise

    @staticmethod
    def _ask(connection: Connection, statements: tuple[str, ...]) -> list[dict[str, Any]]:
        for last, statement in enumerate(statements, 1):
            try:
                with connection.cursor(pymysql.cursors.DictCursor) as cursor:
                    cursor.execute(statement)
                    return [dict(row) for row in cursor.fetchall()]
            except pymysql.ProgrammingError:
                if last == len(statements):
                    raise
        return []


class ReplicaLag:
    """Lag of one replica by its own account of it; a replica that does not replicate has none, and holds.

    One that has several sources is as late as the latest of them.
    """

    def __init__(self, url: URL, limit: float = LAG) -> None:
        self._reader, self._limit = _Reader(url), limit
        self._name = f"{url.host or 'localhost'}:{url.port or url.query.get('unix_socket') or 3306}"

    def holds(self) -> str | None:
        """A sentence where the lag is more than the limit, or is not known."""
        try:
            rows = self._rows()
        except (pymysql.MySQLError, OSError) as error:
            return f"replica lag of {self._name} is unknown ({error.args[-1] if error.args else error})"
        if not rows:
            return f"replica lag of {self._name} is unknown (it is no replica)"
        lags = [row.get("Seconds_Behind_Source", row.get("Seconds_Behind_Master")) for row in rows]
        if None in lags:
            return f"replica lag of {self._name} is unknown (replication does not run)"
        lag = max(map(int, filter(None, lags)), default=0)
        return f"replica lag of {self._name} is {int(lag)} s (limit {self._limit:g} s)" if lag > self._limit else None

    def status(self) -> dict[str, Any]:
        """What the replica says of itself, empty where it says nothing."""
        with contextlib.suppress(pymysql.MySQLError, OSError):
            return next(iter(self._rows()), {})
        return {}

    def _rows(self) -> list[dict[str, Any]]:
        """A row for each source; those of MySQL's group replication have no lag, and count where there is no other."""
        found = self._reader.rows("SHOW ALL SLAVES STATUS", "SHOW REPLICA STATUS", "SHOW SLAVE STATUS")
        return [row for row in found if not str(row.get("Channel_Name", "")).startswith("group_replication_")] or found


class _Status:
    """A gauge over one figure of the server that is written to."""

    def __init__(self, url: URL) -> None:
        self._reader = _Reader(url)

    def _status(self, name: str) -> int | None:
        row = self._reader.row(f"SHOW GLOBAL STATUS LIKE '{name}'")
        return int(row["Value"]) if row else None

    def _unknown(self, what: str, error: Exception) -> str:
        return f"{what} cannot be read ({error.args[-1] if error.args else error})"


class ThreadsRunning(_Status):
    """Threads_running of the server, our own two left out."""

    def __init__(self, url: URL, limit: int = THREADS) -> None:
        super().__init__(url)
        self._limit = limit

    def holds(self) -> str | None:
        """A sentence where more run than the limit."""
        try:
            running = self._status("Threads_running") or 0
        except (pymysql.MySQLError, OSError) as error:
            return self._unknown("Threads_running", error)
        return f"Threads_running is {running} (limit {self._limit})" if running > self._limit else None


class FlowControl(_Status):
    """Growth of `wsrep_flow_control_paused_ns` of the node that is written to."""

    def __init__(self, url: URL, limit: float = PAUSED, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(url)
        self._limit, self._clock = limit, clock
        self._last: tuple[float, int] | None = None

    def holds(self) -> str | None:
        """A sentence where flow control paused the node for more than the limit's share since the last look."""
        try:
            paused = self._status("wsrep_flow_control_paused_ns")
        except (pymysql.MySQLError, OSError) as error:
            return self._unknown("wsrep_flow_control_paused_ns", error)
        if paused is None:
            return None  # not a node of a cluster
        now, before = self._clock(), self._last
        self._last = (now, paused)
        if before is None or now <= before[0]:
            return None
        share = (paused - before[1]) / 1e9 / (now - before[0])
        return f"Galera flow control paused {share:.0%} of the time (limit {self._limit:.0%})" if (
            share > self._limit
        ) else None  # fmt: skip


class HistoryList(_Status):
    """Length of InnoDB's history list: how far purge is behind."""

    def __init__(self, url: URL, limit: int = HISTORY) -> None:
        super().__init__(url)
        self._limit = limit
        self._readable = True

    def holds(self) -> str | None:
        """A sentence where it is longer than the limit. Where the account may not read it, it never holds."""
        try:
            length = self._status("Innodb_history_list_length") if self._readable else 0
            if length is None:
                row = self._reader.row(
                    "SELECT COUNT AS n FROM information_schema.INNODB_METRICS WHERE NAME = 'trx_rseg_history_len'"
                )
                length = int(row["n"]) if row else 0
        except pymysql.OperationalError as error:
            if error.args[0] == 1227:  # needs PROCESS; `readable` of the plan says so
                self._readable = False
                return None
            return self._unknown("the history list length", error)
        except (pymysql.MySQLError, OSError) as error:
            return self._unknown("the history list length", error)
        return f"the history list is {length} long (limit {self._limit})" if length > self._limit else None
