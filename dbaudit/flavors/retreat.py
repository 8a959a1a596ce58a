"""When the undo of a reconcile is refused: ids of flavors would change under a nova that works, or that used them.

It is asked before an undo begins and again in the transaction that takes the run back, which it leaves open.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dbaudit.flavors.embedded import KEYS, PLACES
from dbaudit.flavors.outcome import WORK
from dbaudit.flavors.stillness import has, living, resizing, rows
from dbaudit.reconcile import Refused
from dbaudit.repair.images import AFTER, BEFORE, Images
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.repair.undo import UndoPlan
    from dbaudit.server.server import Connection

# Columns that hold the id of a flavor, in tables with the primary key `id`, and which rows of them do.
_ID_KEYS = ", ".join(f"'{key}'" for key, (_, name) in KEYS.items() if name == "id")
_REFERENCES = (
    ("instances", "instance_type_id", "1"), ("instance_type_extra_specs", "instance_type_id", "1"),
    ("instance_type_projects", "instance_type_id", "1"), ("migrations", "old_instance_type_id", "1"),
    ("migrations", "new_instance_type_id", "1"), ("instance_system_metadata", "value", f"t.`key` IN ({_ID_KEYS})"),
)  # fmt: skip


def refuse_undo(plan: UndoPlan, connection: Connection) -> None:
    """Raise Refused where the plan is a reconcile's and nova's services run, resize, or made rows with its ids."""
    if plan.record.work != WORK:
        return
    still = (*living(plan.schema, connection), *resizing(plan.schema, connection))
    found = [*still, *_referring(plan, connection)]
    if found:
        raise Refused(
            f"nothing of run {plan.record.run} was undone: {'; '.join(found)}",
            "stop nova's services and end resizes first; rows that use the new ids are brought right by hand",
        )


def _referring(plan: UndoPlan, connection: Connection) -> Iterator[str]:
    """Rows made or changed since the run began, outside of its images, that use an id that it gave to a flavor."""
    images = {each.of.name: each for each in plan.images}
    if "instance_types" not in images or not (given := _given(images["instance_types"], plan, connection)):
        return
    marks = ", ".join(["%s"] * len(given))
    for table, column, which in _REFERENCES:
        if has(plan.schema, table, column, "created_at", "updated_at"):
            later, values = _later(plan, images.get(table))
            sql = (
                f"SELECT COUNT(*) FROM {quoted(table)} t WHERE t.{quoted(column)} IN ({marks}) AND {which} AND {later}"
            )
            if count := int(rows(connection, sql, (*given, *values))[0][0]):
                yield _said(count, table)
    if has(plan.schema, "instance_extra", "flavor", "created_at", "updated_at"):
        later, values = _later(plan, images.get("instance_extra"))
        sql = f"SELECT t.flavor FROM instance_extra t WHERE t.flavor IS NOT NULL AND {later}"
        if count := sum(not given.isdisjoint(_ids(text)) for (text,) in rows(connection, sql, values)):
            yield _said(count, "instance_extra")


def _given(images: Images, plan: UndoPlan, connection: Connection) -> frozenset[str]:
    """The ids that the run gave to flavors which had others, or none."""
    found = rows(
        connection,
        f"SELECT a.id FROM {images.table} a LEFT JOIN {images.table} b ON b.dbaudit_run = a.dbaudit_run "
        f"AND b.dbaudit_side = {BEFORE} AND b.id = a.id AND b.flavorid <=> a.flavorid "
        f"WHERE a.dbaudit_run = %s AND a.dbaudit_side = {AFTER} AND b.id IS NULL",
        (plan.record.run,),
    )
    return frozenset(str(id_) for (id_,) in found)


def _later(plan: UndoPlan, images: Images | None) -> tuple[str, tuple[object, ...]]:
    """The condition of rows that were made or changed since the run began and are none of its own."""
    since = plan.record.started[:19].replace("T", " ")
    condition, values = "(t.created_at >= %s OR t.updated_at >= %s)", (since, since)
    if images is None:
        return condition, values
    own = f"SELECT i.id FROM {images.table} i WHERE i.dbaudit_run = %s AND i.dbaudit_side = {AFTER}"
    return f"{condition} AND t.id NOT IN ({own})", (*values, plan.record.run)


def _ids(text: str) -> Iterator[str]:
    """The ids of the flavors in a text of instance_extra.flavor; none where it cannot be read."""
    try:
        document = json.loads(text)
    except ValueError:
        return
    for place in PLACES.values():
        part = document.get(place) if isinstance(document, dict) else None
        data = part.get("nova_object.data") if isinstance(part, dict) else None
        if isinstance(data, dict) and data.get("id") is not None:
            yield str(data["id"])


def _said(count: int, table: str) -> str:
    return f"{count} rows of `{table}` that were made or changed since hold ids that the run gave to flavors"
