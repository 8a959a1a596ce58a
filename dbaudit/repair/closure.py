"""Everything that a change of a table's rows reaches: the tables behind cascading foreign keys, and what forbids it.

Only what the server says of itself is used; a table that is not InnoDB, or has a trigger, refuses the repair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbaudit.errors import DbauditError
from dbaudit.repair.walk import Key, primary_key
from dbaudit.schema.model import Schema, Table
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.repair.target import Target
    from dbaudit.repair.work import Part
    from dbaudit.server.server import Connection

# Foreign keys as the server lists them: a row for each column, with its names and the rule.
ForeignKeys = list[dict[str, str]]
_CASCADES = ("CASCADE", "SET NULL", "SET DEFAULT")


@dataclass(frozen=True, slots=True)
class Edge:
    """A foreign key whose rows change with those that they refer to."""

    parent: str
    child: str
    columns: tuple[tuple[str, str], ...]  # (child's column, parent's column)


@dataclass(frozen=True, slots=True)
class Touched:
    """A table whose rows a part changes. `columns` are those that a row is stored in, generated ones left out."""

    table: Table
    key: Key
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    @property
    def definition(self) -> str:
        """A digest of what an undo needs to be the same: columns, primary key, foreign keys."""
        parts = (self.table.columns, self.key, sorted(map(repr, self.table.foreign_keys)))
        return hashlib.sha256(repr(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Closure:
    """The table of a part first, then those that its cascades reach, and by which foreign keys."""

    tables: tuple[Touched, ...]
    edges: tuple[Edge, ...] = ()

    @property
    def root(self) -> Touched:
        """The part's own table."""
        return self.tables[0]


def closure_of(part: Part, schema: Schema, foreign: ForeignKeys, target: Target) -> Closure:
    """What a part reaches. Raises DbauditError with the reason where it cannot be repaired safely."""
    table = schema.tables.get(part.table)
    if table is None:
        raise DbauditError(f"there is no table `{part.table}` in {target.shown}", "is this the right database?")
    found: dict[str, Touched] = {part.table: touched(table)}
    edges: list[Edge] = []
    queue = [part.table] if part.deletes else []
    while queue:
        parent = queue.pop(0)
        for edge in _cascades(foreign, parent, target.database):
            edges.append(edge)
            if edge.child not in found:
                found[edge.child] = touched(schema.tables[edge.child])
                queue.append(edge.child)
    for each in found.values():
        _refuse(each, schema)
    return Closure(tuple(found.values()), tuple(edges))


def referred_columns(foreign: ForeignKeys, table: str) -> frozenset[str]:
    """Columns of a table to which foreign keys refer, from whatever schema."""
    return frozenset(row["to_column"] for row in foreign if row["parent"] == table)


def touched(table: Table) -> Touched:
    """A table as the journal sees it. Raises DbauditError where its rows cannot be told apart."""
    columns = tuple(column.name for column in table.columns if column.generated is None)
    return Touched(table, primary_key(table), columns)


def _refuse(each: Touched, schema: Schema) -> None:
    engine = each.table.engine or ""
    if engine.lower() != "innodb":
        raise DbauditError(
            f"`{each.name}` is {engine}, not InnoDB: a chunk on it is no transaction and cannot be undone",
            f"ALTER TABLE {quoted(each.name)} ENGINE=InnoDB, or repair it by hand",
        )
    triggers = sorted(trigger.name for trigger in schema.triggers.values() if trigger.table == each.name)
    if triggers:
        raise DbauditError(
            f"`{each.name}` has the trigger(s) {', '.join(triggers)}: what they do is not in the journal",
            "drop them for the time of the repair, or repair it by hand",
        )


def foreign_keys(connection: Connection, database: str) -> ForeignKeys:
    """The foreign keys that refer to a database, from whatever schema."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_NAME, "
            "k.REFERENCED_COLUMN_NAME, r.DELETE_RULE FROM information_schema.KEY_COLUMN_USAGE k "
            "JOIN information_schema.REFERENTIAL_CONSTRAINTS r ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA "
            "AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME "
            "WHERE k.REFERENCED_TABLE_SCHEMA = %s ORDER BY 1, 2, 3, k.ORDINAL_POSITION",
            (database,),
        )
        names = ("schema", "child", "name", "column", "parent", "to_column", "rule")
        return [dict(zip(names, map(str, row), strict=True)) for row in cursor.fetchall()]


def _cascades(foreign: ForeignKeys, parent: str, database: str) -> Iterator[Edge]:
    by_name: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for row in foreign:
        if row["parent"] == parent and row["rule"] in _CASCADES:
            by_name.setdefault((row["schema"], row["child"], row["name"]), []).append(row)
    for (schema, child, name), rows in sorted(by_name.items()):
        if schema != database:
            raise DbauditError(
                f"the foreign key {name} of `{schema}`.`{child}` changes rows of another database with `{parent}`",
                "repair it by hand",
            )
        yield Edge(parent, child, tuple((row["column"], row["to_column"]) for row in rows))
