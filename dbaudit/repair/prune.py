"""Delete what an undo would need, of runs that are long over: images may hold secrets, and take room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbaudit.repair import records
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.repair.target import Target
    from dbaudit.server.server import Connection

ROWS = 5_000  # deleted in one transaction


def prune(connection: Connection, target: Target, days: int) -> tuple[int, ...]:
    """Delete the images of runs that ended so many days ago; the runs stay listed. Gives their numbers.

    A run that is at work, or stopped and to be resumed, is left alone.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT run FROM {target.journal.table('run')} WHERE db = %s AND state IN (%s, %s) "
            "AND ended < UTC_TIMESTAMP(6) - INTERVAL %s DAY AND undoable = 1 ORDER BY run",
            (target.database, records.DONE, records.UNDONE, days),
        )
        runs = tuple(int(row[0]) for row in cursor.fetchall())
        for run in runs:
            cursor.execute(f"UPDATE {target.journal.table('run')} SET undoable = 0 WHERE run = %s", (run,))
            connection.commit()
            _empty(connection, target, run)
    return runs


def _empty(connection: Connection, target: Target, run: int) -> None:
    schema = quoted(target.journal.schema)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT images FROM {target.journal.table('image')} WHERE run = %s", (run,))
        for (images,) in cursor.fetchall():
            while cursor.execute(
                f"DELETE FROM {schema}.{quoted(str(images))} WHERE dbaudit_run = %s LIMIT {ROWS}", (run,)
            ):
                connection.commit()
        cursor.execute(f"DELETE FROM {target.journal.table('image')} WHERE run = %s", (run,))
    connection.commit()
