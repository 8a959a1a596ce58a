"""Root block devices that are neither volume, snapshot, swap nor ephemeral disk.

What is wrong: a row of `block_device_mapping` has no volume, no snapshot and no `virtual_name` of swap or ephemeralN,
and its device is the root device of its instance.

Why it matters: migration 186 takes such a row for the root disk and looks for a `source_type` that it never set: it
dies with KeyError, half-way (the new columns are there, the version is still 185).

How it came about: rows written by hand or by early EC2 requests.

Repair: delete the row if the instance boots from its image, else name the volume that it stands for.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, not_, or_, select

from dbaudit.check import BLOCKS, ERROR, Check, Tables, step

check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    before=step("nova", 186),
    table="block_device_mapping",
    needs=("instances",),
    key=("instance_uuid", "device_name"),
    each="instance {instance_uuid}: {device_name}",
    message="migration 186 stops (KeyError) at {count} root block device(s) that say nothing about their source",
    remedy="Delete these rows where the instance boots from its image; else set their `volume_id`.",
)


@check.rows
def sourceless(t: Tables) -> Select[Any]:
    device, instance = t.block_device_mapping, t.instances

    def blank(column: Any) -> Any:
        return or_(column.is_(None), column == "")

    def bare(column: Any) -> Any:
        return func.replace(column, "/dev/", "")

    named = device.c.virtual_name.regexp_match("^(swap|ephemeral([0-9]|[1-9][0-9]+))$")
    return (
        select(device.c.instance_uuid, device.c.device_name)
        .select_from(device.join(instance, instance.c.uuid == device.c.instance_uuid))
        .where(blank(device.c.snapshot_id), blank(device.c.volume_id))
        .where(or_(device.c.virtual_name.is_(None), not_(named)))
        .where(bare(device.c.device_name) == bare(instance.c.root_device_name))
    )
