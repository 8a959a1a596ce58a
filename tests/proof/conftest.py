"""A database that is measured, changed and measured again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from dbaudit.proof.compare import Comparison, compare
from dbaudit.proof.design import Design
from dbaudit.proof.manifest import Manifest
from dbaudit.proof.measure import ROWS_KEPT, Place, measure
from dbaudit.proof.survivors import Survivors
from dbaudit.server.server import Server

NOTHING = Survivors()


def execute(server: Server, schema: str, statements: Iterable[str]) -> None:
    """Run statements in one lenient session, as an old migration tool does."""
    with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = '', time_zone = '+00:00'")
        for statement in statements:
            cursor.execute(statement)


def take(
    server: Server, schema: str, like: Manifest | None = None, *, survivors: Survivors = NOTHING, rows: int = ROWS_KEPT
) -> Manifest:
    with contextlib.closing(server.admin(schema)) as connection:
        return measure(connection, schema, Place("test"), survivors, like=like, rows_kept=rows)


def lost(
    server: Server, schema: str, before: Iterable[str], then: Iterable[str], *, survivors: Survivors = NOTHING,
    design: Design | None = None, rows: int = ROWS_KEPT,
) -> Comparison:  # fmt: skip
    """What a database that was made by `before` lost through `then`."""
    execute(server, schema, before)
    first = take(server, schema, survivors=survivors, rows=rows)
    execute(server, schema, then)
    second = take(server, schema, first, survivors=survivors, rows=rows)
    return compare(first, second, survivors=survivors, design=design or Design())
