"""What a repair would do: how many rows of how many, samples of them before and after, the SQL. Touches nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, literal, select, update

from dbaudit.change import Delete, Update
from dbaudit.check import Cannot, Tables
from dbaudit.errors import DbauditError
from dbaudit.repair.chunk import check_change
from dbaudit.repair.closure import Closure, ForeignKeys, closure_of, foreign_keys, referred_columns
from dbaudit.repair.refusal import refuse_if_unsafe
from dbaudit.repair.replicas import registered, sees_all
from dbaudit.repair.secret import shown
from dbaudit.repair.walk import Values, text_of
from dbaudit.repair.work import Part, Work
from dbaudit.schema.model import Schema
from dbaudit.schema.read import read_live

if TYPE_CHECKING:
    from dbaudit.repair.target import Target
    from dbaudit.server.server import Connection

SAMPLE = 5  # rows shown before and after


@dataclass(frozen=True, slots=True)
class PartPlan:
    """A part of the work: `rows` of `total` are to be changed; `sample` has them before and after, `counts`
    counts them by the columns that the part groups by.

    `reaches` names the tables that cascades change too. A `derived` part is counted anew after the parts before it.
    `end` is the table's last key: rows that come behind it later are not this plan's. None for an empty table.
    """

    part: Part
    closure: Closure
    rows: int
    total: int
    sql: str
    tables: Tables = field(repr=False)
    end: Values | None = None
    sample: tuple[Mapping[str, Any], ...] = ()
    counts: tuple[Mapping[str, Any], ...] = ()

    @property
    def reaches(self) -> tuple[str, ...]:
        """Tables that cascading foreign keys reach."""
        return tuple(each.name for each in self.closure.tables[1:])

    def as_dict(self) -> dict[str, Any]:
        """The part as JSON has it."""
        return {
            "part": self.part.name,
            "table": self.part.table,
            "operation": self.part.change.verb,
            "rows": self.rows,
            "total": self.total,
            "cascades": list(self.reaches),
            "derived": self.part.derived,
            "sql": self.sql,
            "sample": [dict(each) for each in self.sample],
            "counts": [dict(each) for each in self.counts],
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done. `notes` are sentences on what is not known, and on what cannot be undone."""

    work: Work
    parts: tuple[PartPlan, ...]
    schema: Schema = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows to be changed, derived counters left out."""
        return sum(each.rows for each in self.parts if not each.part.derived)

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON has it."""
        return {"work": self.work.name, "rows": self.rows, "parts": [each.as_dict() for each in self.parts]}


def make_plan(work: Work, target: Target, connection: Connection) -> Plan:
    """The plan of a work on a target; reads only. Raises DbauditError where it cannot be repaired safely."""
    notes = [*work.warnings, *refuse_if_unsafe(connection, target)]
    connection.commit()
    schema = read_live(connection, target.database)
    try:
        foreign = foreign_keys(connection, target.database)
        parts = tuple(_plan_part(part, schema, foreign, connection, target) for part in work.parts)
    except Cannot as reason:
        raise DbauditError(f"{work.name} cannot be repaired here: {reason}", "is this the right database?") from reason
    connection.commit()
    if not _sees_triggers(connection, target):
        notes.append(
            "whether the tables have triggers could not be seen: "
            f"GRANT TRIGGER ON `{target.database}`.* TO {target.account}"
        )
    notes += unseen(connection, target)
    if any(part.derived for part in work.parts):
        notes.append("counters are computed anew by an undo, not restored")
    if any(part.change.absence for part in work.parts):
        notes.append("these rows are bad because others are absent: they must be so at two looks, some time apart")
    return Plan(work, parts, schema, tuple(notes))


def _plan_part(part: Part, schema: Schema, foreign: ForeignKeys, connection: Connection, target: Target) -> PartPlan:
    closure = closure_of(part, schema, foreign, target)
    tables = Tables(schema)
    check_change(part, closure, tables, referred_columns(foreign, part.table))
    table = getattr(tables, part.table)
    keys = closure.root.key.of(table)
    bad = part.rows(tables)
    found = bad.with_only_columns(*keys, maintain_column_froms=True).distinct().subquery("bad")
    end = _first(connection, closure.root.key.end(table))
    rows = _number(connection, select(func.count()).select_from(found))
    total = _number(connection, select(func.count()).select_from(table))
    if rows > total:
        raise DbauditError(f"the Select of {part.name} is not over `{part.table}`", "it must use the table itself")
    sample = _sample(part, tables, closure, connection) if rows else ()
    counts = _counts(part, tables, connection) if rows and part.groups else ()
    return PartPlan(part, closure, rows, total, _shown(bad, part, tables, connection), tables, end, sample, counts)


def _number(connection: Connection, query: Any) -> int:
    return int((_first(connection, query) or (0,))[0])


def _first(connection: Connection, query: Any) -> Values | None:
    with connection.cursor() as cursor:
        cursor.execute(*text_of(query))
        row = cursor.fetchone()
        return None if row is None else tuple(row)


def _sample(part: Part, tables: Tables, closure: Closure, connection: Connection) -> tuple[Mapping[str, Any], ...]:
    table = getattr(tables, part.table)
    key = closure.root.key
    bad = part.rows(tables)
    named = {name: table.c[name] for name in key.columns}
    named |= {name: column for name, column in bad.selected_columns.items() if name in part.label and name not in named}
    columns = [column.label(name) for name, column in named.items()]
    if isinstance(part.change, Update):
        for name, value in part.change.values(tables).items():
            columns += [table.c[name].label(f"{name}: before"), _labelled(value, f"{name}: after")]
    query = bad.with_only_columns(*columns, maintain_column_froms=True)
    return _rows(query.order_by(*key.of(table)).limit(SAMPLE), connection, part.table)


def _counts(part: Part, tables: Tables, connection: Connection) -> tuple[Mapping[str, Any], ...]:
    """How many rows there are of each group, with what the grouping columns become."""
    table, bad = getattr(tables, part.table), part.rows(tables)
    columns = [table.c[name].label(name) for name in part.groups]
    if isinstance(part.change, Update):
        changed = part.change.values(tables)
        columns += [_labelled(changed[name], f"{name}: after") for name in part.groups if name in changed]
    names = [column.name for column in columns]
    query = bad.with_only_columns(*columns, func.count().label("rows"), maintain_column_froms=True)
    return _rows(query.group_by(*names).order_by(*names), connection, part.table)


def _rows(query: Any, connection: Connection, table: str) -> tuple[Mapping[str, Any], ...]:
    with connection.cursor() as cursor:
        cursor.execute(*text_of(query))
        names = [each[0] for each in cursor.description or ()]
        found = [{name: shown(table, name, value) for name, value in zip(names, row, strict=True)} for row in cursor]
    return tuple(row | {"rows": int(row["rows"])} if "rows" in row else row for row in found)


def _labelled(value: Any, name: str) -> Any:
    return value.label(name) if hasattr(value, "label") else literal(value).label(name)


def _shown(bad: Any, part: Part, tables: Tables, connection: Connection) -> str:
    """The Select of the rows and the statement as people read them, without the chunk's bounds."""
    table = getattr(tables, part.table)
    change = delete(table) if isinstance(part.change, Delete) else update(table).values(part.change.values(tables))
    with connection.cursor() as cursor:
        shown = [" ".join(cursor.mogrify(*text_of(query)).split()) for query in (change, bad)]
    return f"{shown[0]} -- the rows of: {shown[1]}"


def unseen(connection: Connection, target: Target) -> list[str]:
    """What a run cannot watch because the account may not see it."""
    found: list[str] = []
    if registered(connection, target) is None:
        found.append(
            "which replicas the server has could not be seen: name those whose lag is to be watched with --replica, "
            f"or GRANT PROCESS ON *.* TO {target.account}"
        )
    with connection.cursor() as cursor:
        if not sees_all(cursor):
            found.append(f"InnoDB's history list cannot be watched: GRANT PROCESS ON *.* TO {target.account}")
    return found


def _sees_triggers(connection: Connection, target: Target) -> bool:
    """Whether the account has the privilege without which triggers are invisible."""
    who = "CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)))"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'TRIGGER' "
            f"AND GRANTEE = {who} UNION ALL SELECT 1 FROM information_schema.SCHEMA_PRIVILEGES "
            f"WHERE PRIVILEGE_TYPE = 'TRIGGER' AND GRANTEE = {who} AND %s LIKE TABLE_SCHEMA",
            (target.database,),
        )
        return cursor.fetchone() is not None
