"""Attachments that Kilo does not carry over.

What is wrong: an attached volume names the host that it is attached to, or a volume that is being attached or detached
names an instance.

Why it matters: migration 040 (Kilo) makes a row of `volume_attachment` for each volume whose `attach_status` is
'attached', and drops `instance_uuid`, `mountpoint`, `attach_time` and `attached_host`. As the host it writes
`volumes.host`, the storage back end, and the real one is lost. Of volumes on their way to or from an instance it makes
no row at all.

How it came about: volumes attached to hosts, and requests in flight or stuck, at the time of the upgrade.

Repair: let requests end, and reset stuck volumes, before the upgrade. Save the columns first, and write the hosts to
`volume_attachment` afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from dbaudit.check import ERROR, LOSES, Audited, Check, Fact, step

check = Check(
    __name__,
    severity=ERROR,
    effect=LOSES,
    before=step("cinder", 40),
    needs=("volumes",),
    message="migration 040 loses the {what} of {count} volume(s) {which}",
    remedy="Before: `CREATE TABLE saved_attachments AS SELECT id, instance_uuid, mountpoint, attached_host, "
    "attach_time, status, attach_status FROM volumes WHERE instance_uuid IS NOT NULL OR attached_host IS NOT NULL`; "
    "after: `UPDATE volume_attachment a JOIN saved_attachments s ON s.id = a.volume_id "
    "SET a.attached_host = s.attached_host`.",
)


@check.facts
def lost(audited: Audited) -> Iterator[Fact]:
    volume = audited.tables.volumes
    live = select(volume.c.id).where(func.coalesce(volume.c.deleted, 0) == 0)
    attached = func.coalesce(volume.c.attach_status, "") == "attached"
    if audited.schema.tables["volumes"].column("attached_host") is not None:  # 012 makes it, empty
        other = ~volume.c.attached_host.is_not_distinct_from(volume.c.host)
        count, keys = audited.sample(live.where(attached, volume.c.attached_host.is_not(None), other), "id")
        if count:
            facts = {"what": "host", "which": "that are attached to one"}
            yield Fact("volumes.attached_host", facts, count=count, keys=keys)
    count, keys = audited.sample(live.where(~attached, volume.c.instance_uuid.is_not(None)), "id")
    if count:
        facts = {"what": "instance", "which": "that are on their way to or from one"}
        yield Fact("volumes.instance_uuid", facts, count=count, keys=keys)
