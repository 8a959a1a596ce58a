"""Why a server refuses to be repaired: it is read-only, or its binary log would tear a chunk and its journal apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pymysql

from dbaudit.errors import DbauditError
from dbaudit.repair import faults
from dbaudit.repair.journal import is_there
from dbaudit.repair.lease import held, last

if TYPE_CHECKING:
    from dbaudit.repair.target import Target
    from dbaudit.server.server import Connection

_READ_ONLY = ("read_only", "super_read_only", "innodb_read_only")


def refuse_if_unsafe(connection: Connection, target: Target) -> tuple[str, ...]:
    """Raise DbauditError where this server must not be written to. Gives sentences on what could not be looked at."""
    _refuse_if_read_only(target)
    variables = target.variables
    if variables.get("log_bin", "OFF").upper() not in ("ON", "1"):
        return ()
    if variables.get("binlog_format", "ROW").upper() == "STATEMENT":
        raise DbauditError(
            f"{target.shown} has binlog_format=STATEMENT: replicas would evaluate the repair anew, on other rows",
            "SET GLOBAL binlog_format = ROW (or MIXED), and connect again",
        )
    return _refuse_if_filtered(connection, target)


def refuse_if_held(connection: Connection, target: Target) -> int:
    """Raise BusyError where another run is at work, before anything is counted: a plan may take minutes.

    The lease itself is taken later; this only tells at once. On a server that takes no writes nobody is at work,
    whatever its lease says. Gives the number of the last lease: who then takes the next one knows that nobody was at
    work in between.
    """
    _refuse_if_read_only(target)
    if not is_there(connection, target):
        return 0
    number = last(connection, target.journal, target.database)
    found = held(connection, target.journal, target.database)
    connection.commit()
    if found and not found.free:
        raise found.refusal()
    return number


def _refuse_if_read_only(target: Target) -> None:
    on = [name for name in _READ_ONLY if target.variables.get(name, "OFF").upper() not in ("OFF", "0")]
    if on:
        raise DbauditError(
            f"{target.shown} is read-only ({on[0]}): it is a replica, or was told to take no writes",
            "name the URL of the primary",
        )


def _refuse_if_filtered(connection: Connection, target: Target) -> tuple[str, ...]:
    try:
        status = _log_status(connection)
    except pymysql.MySQLError as error:
        if not faults.is_denied(error):
            raise
        return (
            f"whether the binary log is filtered could not be seen ({faults.text_of(error)}): "
            f"GRANT REPLICATION CLIENT ON *.* TO {target.account}",
        )
    do, ignore = (_names(status.get(name)) for name in ("Binlog_Do_DB", "Binlog_Ignore_DB"))
    if separates(do, ignore, target.database, target.journal.schema):
        raise DbauditError(
            f"the binary log of {target.shown} has only one of `{target.database}` and `{target.journal.schema}`: "
            "a replica would get the repair without its journal, or the journal alone",
            "keep the journal beside the data: --journal-schema SAME",
        )
    return ()


def separates(do: frozenset[str], ignore: frozenset[str], database: str, journal: str) -> bool:
    """Whether filters let one of two schemas through and not the other."""
    through = [(not do or name in do) and name not in ignore for name in (database, journal)]
    return through[0] != through[1]


def _log_status(connection: Connection) -> Mapping[str, Any]:
    with connection.cursor(pymysql.cursors.DictCursor) as cursor:
        try:
            cursor.execute("SHOW BINARY LOG STATUS")
        except pymysql.ProgrammingError:
            cursor.execute("SHOW MASTER STATUS")
        return dict(cursor.fetchone() or {})


def _names(text: Any) -> frozenset[str]:
    return frozenset(name for name in str(text or "").split(",") if name)
