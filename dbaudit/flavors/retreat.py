"""When the undo of a reconcile is refused: ids of flavors would change under a nova that works, or that used them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dbaudit.flavors.reconcile import WORK
from dbaudit.proof.running import ALIVE, HEARTBEATS
from dbaudit.reconcile import Refused
from dbaudit.repair.images import AFTER, BEFORE
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.repair.undo import UndoPlan
    from dbaudit.server.server import Connection

# Columns that hold the id of a flavor, in tables with the primary key `id`.
_REFERENCES = (
    ("instances", "instance_type_id"), ("instance_type_extra_specs", "instance_type_id"),
    ("instance_type_projects", "instance_type_id"), ("migrations", "old_instance_type_id"),
    ("migrations", "new_instance_type_id"),
)  # fmt: skip


def refuse_undo(plan: UndoPlan, connection: Connection) -> None:
    """Raise Refused where the plan is a reconcile's and nova's services run, resize, or made rows with its ids."""
    if plan.record.work != WORK:
        return
    found = [*_living(plan, connection), *_resizing(plan, connection), *_referring(plan, connection)]
    connection.commit()
    if found:
        raise Refused(
            f"nothing of run {plan.record.run} was undone: {'; '.join(found)}",
            "stop nova's services and end resizes first; rows that use the new ids are brought right by hand",
        )


def _has(plan: UndoPlan, table: str, *columns: str) -> bool:
    found = plan.schema.tables.get(table)
    return found is not None and all(found.column(column) is not None for column in columns)


def _count(connection: Connection, statement: str, values: tuple[object, ...] = ()) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int((cursor.fetchone() or (0,))[0])


def _living(plan: UndoPlan, connection: Connection) -> Iterator[str]:
    for table, column in HEARTBEATS:
        if _has(plan, table, column):
            since = f"UTC_TIMESTAMP() - INTERVAL {ALIVE} SECOND"
            if count := _count(connection, f"SELECT COUNT(*) FROM {quoted(table)} WHERE {quoted(column)} >= {since}"):
                yield f"nova's services seem to run: {count} of `{table}` reported in the last {ALIVE} seconds"


def _resizing(plan: UndoPlan, connection: Connection) -> Iterator[str]:
    if _has(plan, "instances", "vm_state", "task_state", "deleted"):
        open_ = "deleted = 0 AND (vm_state = 'resized' OR LEFT(task_state, 7) = 'resize_')"
        if count := _count(connection, f"SELECT COUNT(*) FROM instances WHERE {open_}"):
            yield f"{count} instances have an open resize"


def _referring(plan: UndoPlan, connection: Connection) -> Iterator[str]:
    """Rows made or changed since the run began, outside of its images, that use an id that it gave to a flavor."""
    images = {each.of.name: each for each in plan.images}
    if "instance_types" not in images:
        return
    own, run = images["instance_types"].table, plan.record.run
    given = (
        f"SELECT a.id FROM {own} a LEFT JOIN {own} b ON b.dbaudit_run = a.dbaudit_run AND b.dbaudit_side = {BEFORE} "
        f"AND b.id = a.id AND b.flavorid <=> a.flavorid WHERE a.dbaudit_run = %s AND a.dbaudit_side = {AFTER} "
        "AND b.id IS NULL"
    )
    since = plan.record.started[:19].replace("T", " ")
    for table, column in _REFERENCES:
        if not _has(plan, table, column, "created_at", "updated_at"):
            continue
        sql = (
            f"SELECT COUNT(*) FROM {quoted(table)} t JOIN ({given}) g ON t.{quoted(column)} = g.id "
            "WHERE (t.created_at >= %s OR t.updated_at >= %s)"
        )
        values: tuple[object, ...] = (run, since, since)
        if table in images:
            sql += f" AND t.id NOT IN (SELECT i.id FROM {images[table].table} i WHERE i.dbaudit_run = %s "
            sql += f"AND i.dbaudit_side = {AFTER})"
            values += (run,)
        if count := _count(connection, sql, values):
            yield f"{count} rows of `{table}` that were made or changed since hold ids that the run gave to flavors"
