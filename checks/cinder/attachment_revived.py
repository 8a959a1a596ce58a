"""Deleted volumes whose attachments come back to life.

What is wrong: volumes are deleted, and their `attach_status` is still 'attached'.

Why it matters: migration 040 (Kilo) does not look at `deleted`: it writes a live row of `volume_attachment` for each.
Instances and quotas then seem to hold volumes that are long gone.

How it came about: volumes that were deleted by force or by hand while they were attached.

Repair: set `attach_status` of these volumes to 'detached' before the upgrade.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from dbaudit.check import ADVICE, WARNING, Check, Tables, Update, step

check = Check(
    __name__,
    severity=WARNING,
    effect=ADVICE,
    before=step("cinder", 40),
    table="volumes",
    key=("id",),
    each="volume {id}, instance {instance_uuid}",
    message="migration 040 makes live attachments of {count} deleted volume(s) that still say attached",
    remedy="Before the upgrade: `UPDATE volumes SET attach_status = 'detached' WHERE deleted <> 0 AND attach_status = "
    "'attached'`.",
    repair=Update(lambda t: {"attach_status": "detached"}),
)


@check.rows
def revived(t: Tables) -> Select[Any]:
    volume = t.volumes
    return select(volume.c.id, volume.c.instance_uuid).where(
        volume.c.attach_status == "attached", volume.c.deleted != 0
    )
