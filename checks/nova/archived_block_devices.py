"""Archived instances whose archived block devices migration 186 brings back.

What is wrong: `shadow_block_device_mapping` holds rows of instances that are only in `shadow_instances` and that were
booted from an image.

Why it matters: migration 186 writes one image block device for each of them, into the live table, whose foreign key
to `instances` refuses it (1452). It stops half-way: the new columns are there, the version is still 185, and a second
run fails on the first of them (1060).

How it came about: `nova-manage db archive_deleted_rows` moved instances together with their block devices.

Repair: empty the shadow rows before the upgrade; keep a copy if you need them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select

from dbaudit.check import BLOCKS, ERROR, Check, Tables, step

check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    before=step("nova", 186),
    table="shadow_block_device_mapping",
    needs=("shadow_instances", "instances"),
    key=("uuid",),
    each="instance {uuid}: {devices} archived block device(s)",
    message="migration 186 stops (1452): {count} archived instance(s) have archived block devices and an image",
    remedy="Save and delete them first: `CREATE TABLE saved_block_devices AS SELECT * FROM "
    "shadow_block_device_mapping; DELETE FROM shadow_block_device_mapping WHERE instance_uuid NOT IN "
    "(SELECT uuid FROM instances)`.",
)


@check.rows
def archived(t: Tables) -> Select[Any]:
    gone, device, live = t.shadow_instances, t.shadow_block_device_mapping, t.instances
    joined = gone.join(device, device.c.instance_uuid == gone.c.uuid).outerjoin(live, live.c.uuid == gone.c.uuid)
    return (
        select(gone.c.uuid, func.count().label("devices"))
        .select_from(joined)
        .where(live.c.uuid.is_(None), gone.c.image_ref.is_not(None), gone.c.image_ref != "")
        .group_by(gone.c.uuid)
    )
