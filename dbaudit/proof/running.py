"""Signs that services still work on a database: then a manifest stands for an instant that is over at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# Where services write when they were last alive.
HEARTBEATS = (("services", "updated_at"), ("compute_nodes", "updated_at"), ("agents", "heartbeat_timestamp"))
# Seconds within which a live service has written: OpenStack's services do it every 10 to 60 seconds.
ALIVE = 120


def signs_of_life(connection: Connection, database: str) -> Iterator[str]:
    """A sentence for each sign. What the account may not see is no sign."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT USER, COUNT(*) FROM information_schema.PROCESSLIST "
            "WHERE DB = %s AND ID <> CONNECTION_ID() GROUP BY USER ORDER BY USER",
            (database,),
        )
        for user, count in cursor.fetchall():
            yield f"services seem to be running: {user} has {count} other connection(s) to {database}"
        for table, column in HEARTBEATS:
            cursor.execute(
                "SELECT 1 FROM information_schema.COLUMNS "
                "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND COLUMN_NAME = %s",
                (database, table, column),
            )
            if cursor.fetchone():
                cursor.execute(
                    f"SELECT COUNT(*) FROM {quoted(database)}.{quoted(table)} "
                    f"WHERE {quoted(column)} > UTC_TIMESTAMP() - INTERVAL {ALIVE} SECOND"
                )
                (count,) = cursor.fetchone() or (0,)
                if count:
                    yield f"services seem to be running: {count} of `{table}` reported in the last {ALIVE} seconds"
