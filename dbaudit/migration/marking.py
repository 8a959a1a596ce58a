"""Writes into a throwaway database that it stands at a step which did not run whole: to go on behind it, or to begin
there. Only a rehearsal may do that."""

from __future__ import annotations

import contextlib

import pymysql

from dbaudit.errors import DbauditError
from dbaudit.migration.catalogue import repository
from dbaudit.migration.revisions import books
from dbaudit.migration.runner import RunStep
from dbaudit.server.server import Server, quoted


def mark_done(server: Server, database: str, step: RunStep) -> str:
    """Set the version to a step's; the sentence says what was written. A phase has no version: nothing is written.

    Raises DbauditError where the database keeps no version that could be set.
    """
    if step.is_phase:
        return f"{step.step} has no version of its own: nothing was written"
    with contextlib.closing(server.admin()) as connection, connection.cursor() as cursor:
        try:
            for book in books(connection, database):
                place = f"{quoted(database)}.{quoted(book.table)}"
                if book.repository is None:
                    if cursor.execute(f"SELECT {quoted(book.version)} FROM {place}") != 1:
                        continue  # several heads: which of them it replaces is not known
                    cursor.execute(f"UPDATE {place} SET {quoted(book.version)} = %s", (step.argument,))
                    return f"{book.table} was set to {step.argument}"
                cursor.execute(f"SELECT {quoted(book.repository)} FROM {place}")
                for (name,) in cursor.fetchall():
                    if repository(str(name)) == step.step.repository and step.argument.isdigit():
                        own = quoted(book.repository)
                        sql = f"UPDATE {place} SET {quoted(book.version)} = %s WHERE {own} = %s"
                        cursor.execute(sql, (int(step.argument), name))
                        return f"the version of {name} in {book.table} was set to {step.argument}"
        except pymysql.MySQLError as error:
            raise DbauditError(f"{step.step} cannot be marked as done: {error.args[-1]}") from error
    raise DbauditError(
        f"{step.step} cannot be marked as done: the database keeps no version of {step.step.repository}, or several",
        "leave out --continue-after and --restart-at",
    )
