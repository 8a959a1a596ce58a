"""Look at cinder's tables before a backfill: Selects over the schema as it is there, values as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, func, select

from dbaudit.check import Tables
from dbaudit.errors import UsageError
from dbaudit.repair.walk import text_of
from dbaudit.schema.model import Schema
from dbaudit.schema.read import read_live

if TYPE_CHECKING:
    from dbaudit.repair.target import Target
    from dbaudit.server.server import Connection

NAMED = 5  # keys named in a sentence; counts are always whole


class Look:
    """A connection, and which tables and columns there are. Raises UsageError where this is no cinder."""

    def __init__(self, connection: Connection, target: Target) -> None:
        self._connection = connection
        self.schema: Schema = read_live(connection, target.database)
        self.tables = Tables(self.schema)
        missing = [name for name in ("volumes", "volume_types", "services", "quota_usages") if not self.has(name)]
        if missing:
            raise UsageError(
                f"{target.shown} is no cinder: it has no table {', '.join(missing)}", "name cinder's database"
            )

    def has(self, table: str, column: str | None = None) -> bool:
        """Whether there is that table, or that column of it."""
        found = self.schema.tables.get(table)
        return found is not None and (column is None or found.column(column) is not None)

    def rows(self, query: Select[Any]) -> list[Mapping[str, Any]]:
        """The rows of a Select, by label; every value is text or None."""
        with self._connection.cursor() as cursor:
            cursor.execute(*text_of(query))
            names = [each[0] for each in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def count(self, query: Select[Any]) -> int:
        """How many rows a Select has."""
        return int(self.rows(select(func.count().label("n")).select_from(query.subquery()))[0]["n"])

    def sample(self, query: Select[Any], column: str) -> tuple[int, str]:
        """How many rows a Select has, and the first of a column's values for a sentence."""
        number = self.count(query)
        values = [str(row[column]) for row in self.rows(query.order_by(column).limit(NAMED))] if number else []
        return number, ", ".join(values) + (", ..." if number > len(values) else "")
