"""Rows without the uuid of their instance, in tables that refer to `instances`.

What is wrong: `uuid` is NULL in `instances` or `shadow_instances`, or `instance_uuid` is NULL in a table that has a
foreign key to `instances` on it. The site's own tables count; `fixed_ips` does not, since free addresses are so.

Why it matters: migration 267 (Kilo) scans every such table, refuses at the first NULL (ValidationError) and stops.
Nothing is changed by then: it can be run again.

How it came about: rows of instances that failed before they had a uuid; tables of the site where NULL means no
instance, as for hosts that are not virtual.

Repair: delete the rows, or give them a uuid. Where NULL is right, as in a table of yours, drop its foreign key for the
time of the upgrade. `nova-manage db null_instance_uuid_scan --delete` (Kilo) deletes them all, those of yours too.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from dbaudit.check import BLOCKS, ERROR, Audited, Check, Fact, step

check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    before=step("nova", 267),
    needs=("instances",),
    message="migration 267 stops (ValidationError): {count} row(s) of `{object}` have no {column}",
    remedy="Delete these rows of `{object}` or fill their {column}; where NULL is right in a table of yours, drop its "
    "foreign key to `instances` for the time of the upgrade.",
)
EXEMPT = ("fixed_ips", "shadow_fixed_ips")


@check.facts
def unnamed(audited: Audited) -> Iterator[Fact]:
    for name, column in scanned(audited):
        table = getattr(audited.tables, name)
        query = select(func.count().label("n")).select_from(table).where(table.c[column].is_(None))
        if count := int(audited.one(query)["n"]):
            yield Fact(name, {"column": column}, count=count, keys=(name,))


def scanned(audited: Audited) -> Iterator[tuple[str, str]]:
    """Tables and columns that the migration scans, as it will find them, of those that there are now."""
    stage = audited.stage(step("nova", 267))
    after = stage.before.tables if stage else {}
    for name, table in sorted(audited.schema.tables.items()):
        keys = after[name].foreign_keys if name in after else ()
        refers = any("instance_uuid" in key.columns and key.referred_table == "instances" for key in keys)
        if name in ("instances", "shadow_instances"):
            yield name, "uuid"
        elif name not in EXEMPT and refers and table.column("instance_uuid"):
            yield name, "instance_uuid"
