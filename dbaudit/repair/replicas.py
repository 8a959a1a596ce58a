"""Which replicas a server has, as far as the account may know: by their registration, else by what they read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pymysql

from dbaudit.repair import faults

if TYPE_CHECKING:
    from dbaudit.repair.target import Target
    from dbaudit.server.server import Connection


def registered(connection: Connection, target: Target) -> list[dict[str, Any]] | None:
    """Replicas, each with its Host and Port where it told them; None where the account may see none.

    An account that may not ask for the registered ones may see who reads the binary log: these tell no port.
    """
    if target.variables.get("log_bin", "OFF").upper() not in ("ON", "1"):
        return []
    with connection.cursor(pymysql.cursors.DictCursor) as cursor:
        for statement in ("SHOW REPLICAS", "SHOW SLAVE HOSTS"):
            try:
                cursor.execute(statement)
                return [dict(row) for row in cursor.fetchall()]
            except pymysql.MySQLError as error:
                if faults.is_denied(error):
                    return _reading(cursor)
                if not isinstance(error, pymysql.ProgrammingError):
                    raise
    return []


def sees_all(cursor: Any) -> bool:
    """Whether the account has PROCESS: it sees everybody's connections, and InnoDB's figures."""
    try:
        cursor.execute("SELECT 1 FROM information_schema.INNODB_METRICS LIMIT 1")
        cursor.fetchall()
    except pymysql.OperationalError as error:
        if not faults.is_denied(error):
            raise
        return False
    return True


def _reading(cursor: Any) -> list[dict[str, Any]] | None:
    if not sees_all(cursor):
        return None
    cursor.execute(
        "SELECT HOST AS reader FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%' ORDER BY 1"
    )
    return [dict(row) for row in cursor.fetchall()]
