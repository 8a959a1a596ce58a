"""Switches a throwaway server's performance_schema to what a step is observed by: the migrating account, nothing else.

Only sessions that the account opens afterwards are instrumented, so that what dbaudit itself asks in between is not
counted, and costs nothing. What was set before is put back by `restore`.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pymysql

from dbaudit.server.server import Account, Server

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

_CONSUMERS = (
    "events_statements_current", "events_statements_history_long", "events_stages_current",
    "events_stages_history_long", "statements_digest", "global_instrumentation", "thread_instrumentation",
)  # fmt: skip
# Of stages those that tell how an ALTER was done: all of them would cost some 5 % of short statements.
_INSTRUMENTS = (
    "statement/%", "stage/innodb/alter table%", "stage/sql/copy to tmp table", "stage/sql/altering table",
    "stage/sql/rename", "wait/io/table/sql/handler", "wait/lock/metadata/sql/mdl",
)  # fmt: skip
# Rows are counted, not timed: two readings of a clock a row are what costs.
_NOT_TIMED = "wait/io/table/sql/handler"
# Seconds to wait for a statement that is not counted yet; of a killed one it may be longer, and is then not counted.
_SETTLE = 2.0
_RESET = (
    "events_statements_history_long", "events_stages_history_long", "events_statements_summary_by_digest",
    "table_io_waits_summary_by_table",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Instruments:
    """What a server can tell: `missing` says why it cannot, '' where it can; `locks` that it shows metadata locks."""

    missing: str
    locks: bool
    actors: tuple[tuple[str, str, str], ...] = ()


def prepare(server: Server, account: Account) -> Instruments:
    """Instrument the sessions of `account`."""
    with contextlib.closing(server.admin()) as connection:
        try:
            return _prepare(connection, account)
        except pymysql.MySQLError as error:
            return Instruments(f"performance_schema cannot be set up: {error.args[-1]}", locks=False)


def _prepare(connection: Connection, account: Account) -> Instruments:
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@performance_schema")
        if not (cursor.fetchone() or (0,))[0]:
            return Instruments("performance_schema is off on this server", locks=False)
        names = ", ".join(["%s"] * len(_CONSUMERS))
        cursor.execute(
            f"UPDATE performance_schema.setup_consumers SET ENABLED = 'YES' WHERE NAME IN ({names})", _CONSUMERS
        )
        for pattern in _INSTRUMENTS:
            timed = "NO" if pattern == _NOT_TIMED else "YES"
            cursor.execute(
                "UPDATE performance_schema.setup_instruments SET ENABLED = 'YES', TIMED = %s WHERE NAME LIKE %s",
                (timed, pattern),
            )
        cursor.execute("SELECT HOST, USER, ROLE FROM performance_schema.setup_actors")
        actors = tuple((str(host), str(user), str(role)) for host, user, role in cursor.fetchall())
        _act(connection, (("%", account.user, "%"),))
        cursor.execute(
            "SELECT COUNT(*) FROM performance_schema.setup_instruments WHERE NAME = 'wait/lock/metadata/sql/mdl'"
        )
        return Instruments("", bool((cursor.fetchone() or (0,))[0]), actors)


def _act(connection: Connection, actors: tuple[tuple[str, str, str], ...]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE TABLE performance_schema.setup_actors")
        for actor in actors:
            cursor.execute("INSERT INTO performance_schema.setup_actors (HOST, USER, ROLE) VALUES (%s, %s, %s)", actor)


def reset(connection: Connection) -> None:
    """Begin to count anew."""
    with connection.cursor() as cursor:
        for table in _RESET:
            cursor.execute(f"TRUNCATE TABLE performance_schema.{table}")


def settle(connection: Connection, account: Account) -> None:
    """Wait until the account's last statements are counted: a server answers the client before it counts."""
    end = time.monotonic() + _SETTLE
    with connection.cursor() as cursor:
        while time.monotonic() < end:
            cursor.execute(
                "SELECT COUNT(*) FROM performance_schema.events_statements_current s JOIN performance_schema.threads t"
                " ON t.THREAD_ID = s.THREAD_ID WHERE t.PROCESSLIST_USER = %s AND s.END_EVENT_ID IS NULL",
                (account.user,),
            )
            if not (cursor.fetchone() or (0,))[0]:
                return
            time.sleep(0.005)


def restore(server: Server, instruments: Instruments) -> None:
    """Instrument the sessions that were instrumented before."""
    if not instruments.missing:
        with contextlib.suppress(Exception), contextlib.closing(server.admin()) as connection:
            _act(connection, instruments.actors)
