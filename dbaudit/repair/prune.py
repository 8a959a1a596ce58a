"""Delete what an undo would need, of runs that are long over: images may hold secrets, and take room."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pymysql

from dbaudit.repair import records
from dbaudit.repair.lease import Lease
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.repair.target import Target
    from dbaudit.server.server import Connection

ROWS = 5_000  # deleted in one transaction


def prune(connection: Connection, target: Target, days: int) -> tuple[int, ...]:
    """Delete the images of runs that ended so many days ago; the runs stay listed. Gives their numbers.

    A run that is at work, stopped and to be resumed, or half undone, is left alone. It works under the database's
    lease, so that no undo reads what is deleted. Raises BusyError where another run holds it.
    """
    lease = Lease.take(connection, target.journal, target.database, "runs prune")
    try:
        runs = _over(connection, target, days)
        for run in runs:
            with connection.cursor() as cursor:
                cursor.execute(f"UPDATE {target.journal.table('run')} SET undoable = 0 WHERE run = %s", (run,))
                lease.renew(cursor)
            connection.commit()
            _empty(connection, target, run, lease)
    finally:
        with contextlib.suppress(pymysql.MySQLError, OSError):
            connection.rollback()
            lease.release(connection)
    return runs


def _over(connection: Connection, target: Target, days: int) -> tuple[int, ...]:
    run, chunk = target.journal.table("run"), target.journal.table("chunk")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT run FROM {run} r WHERE db = %s AND ended < UTC_TIMESTAMP(6) - INTERVAL %s DAY AND undoable = 1 "
            f"AND (state = %s OR state = %s AND NOT EXISTS (SELECT 1 FROM {chunk} c WHERE c.run = r.run "
            "AND c.undone IS NOT NULL)) ORDER BY run",
            (target.database, days, records.UNDONE, records.DONE),
        )
        return tuple(int(row[0]) for row in cursor.fetchall())


def _empty(connection: Connection, target: Target, run: int, lease: Lease) -> None:
    schema = quoted(target.journal.schema)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT images FROM {target.journal.table('image')} WHERE run = %s", (run,))
        for (images,) in cursor.fetchall():
            while cursor.execute(
                f"DELETE FROM {schema}.{quoted(str(images))} WHERE dbaudit_run = %s LIMIT {ROWS}", (run,)
            ):
                lease.renew(cursor)
                connection.commit()
        cursor.execute(f"DELETE FROM {target.journal.table('image')} WHERE run = %s", (run,))
        lease.renew(cursor)
    connection.commit()
