"""Image block devices that Havana writes without a `deleted`.

What is wrong: instances that have an image have block devices, live or archived.

Why it matters: migration 186 (Havana) writes one image block device for each such instance and leaves `deleted` NULL,
since the column has no default. Nova asks for `deleted = 0` and never sees these rows; they hold their instances fast,
so that archiving them fails for ever on the foreign key.

How it came about: it is a fault of the migration; every upgrade has it.

Repair: after the upgrade set `deleted` of these rows, to 0 or, where the instance is deleted, to their id.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select, union

from dbaudit.check import ADVICE, NOTE, Check, Tables, step

check = Check(
    __name__,
    severity=NOTE,
    effect=ADVICE,
    expected=True,
    before=step("nova", 186),
    table="block_device_mapping",
    needs=("instances", "shadow_block_device_mapping"),
    key=("uuid",),
    message="migration 186 writes an image block device for {count} instance(s) and leaves `deleted` NULL in it: nova "
    "does not see these rows, and cannot archive their instances",
    remedy="After the upgrade: `UPDATE block_device_mapping b JOIN instances i ON i.uuid = b.instance_uuid "
    "SET b.deleted = IF(i.deleted = 0, 0, b.id) WHERE b.deleted IS NULL`.",
)


@check.rows
def written(t: Tables) -> Select[Any]:
    instance, live, archived = t.instances, t.block_device_mapping, t.shadow_block_device_mapping
    holders = union(select(live.c.instance_uuid), select(archived.c.instance_uuid)).subquery()
    joined = instance.join(holders, holders.c.instance_uuid == instance.c.uuid)
    return select(instance.c.uuid).select_from(joined).where(instance.c.image_ref != "")
