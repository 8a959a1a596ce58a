"""The schema of a throwaway database from step to step: read whole once, afterwards only the tables of each step.

A database of nova has a hundred tables, and a step touches two of them. It holds only while nobody else changes the
schema: `forget` it where a step did not end as it should.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import pymysql

from dbaudit.migration.steps import StepFacts
from dbaudit.schema.definition import read_table
from dbaudit.schema.model import Schema, Table
from dbaudit.schema.read import read_live
from dbaudit.schema.text import name

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

_NO_TABLE = 1146


class TrackedSchema:
    """What is known of a database's schema between two statements of one session."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._known: Schema | None = None

    def read(self, connection: Connection) -> Schema:
        """The schema, from the server where it is not known."""
        if self._known is None:
            self._known = read_live(connection, self._database)
        return self._known

    def read_again(self, connection: Connection, tables: Iterable[str]) -> Schema:
        """The schema after these tables may have changed, come or gone."""
        known = self.read(connection)
        found = dict(known.tables)
        for each in tables:
            table = read_one(connection, each)
            found.pop(each, None)
            if table is not None:
                found[table.name] = table
        self._known = replace(known, tables=found)
        return self._known

    def forget(self) -> None:
        """Read it anew when it is asked for next."""
        self._known = None


def read_one(connection: Connection, table: str) -> Table | None:
    """One table as it is now, None where there is none of that name."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"SHOW CREATE TABLE {name(table)}")
        except pymysql.MySQLError as error:
            if error.args and error.args[0] == _NO_TABLE:
                return None
            raise
        row = cursor.fetchone()
    return read_table(row[1]) if row and len(row) == 2 else None  # of a view it tells more


def tables_of(facts: StepFacts) -> frozenset[str]:
    """The tables that a step changes, makes or drops."""
    changes = (
        facts.work, facts.columns_added, facts.columns_dropped, facts.columns_renamed, facts.columns_changed,
        facts.columns_moved, facts.indexes_added, facts.indexes_dropped, facts.keys_added, facts.keys_dropped,
        facts.others.options_changed, facts.others.checks_added, facts.others.checks_dropped,
    )  # fmt: skip
    named = {each.table for group in changes for each in group}
    return frozenset(named.union((added.table.name for added in facts.tables_added), facts.tables_dropped))


def around(schema: Schema, tables: Iterable[str]) -> frozenset[str]:
    """These tables, those that they refer to and those that refer to them: the server changes keys along with columns.

    Names that the schema does not have stay among them.
    """
    wanted = frozenset(tables)
    found = set(wanted)
    for table in schema.tables.values():
        referred = {key.referred_table for key in table.foreign_keys}
        if table.name in wanted:
            found |= referred
        elif referred & wanted:
            found.add(table.name)
    return frozenset(found)


def only(schema: Schema, tables: Iterable[str]) -> Schema:
    """The schema with no other tables."""
    wanted = frozenset(tables)
    return replace(schema, tables={key: table for key, table in schema.tables.items() if key in wanted})
