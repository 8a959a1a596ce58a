"""Snapshots of another volume type than their volume.

What is wrong: `snapshots.volume_type_id` is not that of the snapshot's volume: NULL, or another one.

Why it matters: a volume made from the snapshot gets the snapshot's type, and so another back end, other limits, no
encryption. Ussuri's migration 136 makes the column NOT NULL and stops at the first NULL.

How it came about: the column came with Havana's migration 017, which left it NULL for snapshots that were there;
volumes whose type was changed or filled in by hand.

Repair: give the snapshot the type of its volume.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, not_, select

from dbaudit.check import ADVICE, WARNING, Check, Guard, Tables, Update, since

check = Check(
    __name__,
    severity=WARNING,
    effect=ADVICE,
    releases=since("havana"),
    table="snapshots",
    needs=("volumes",),
    key=("id",),
    each="snapshot {id} of volume {volume_id}",
    message="{count} snapshot(s) have another volume type than their volume",
    remedy="`dbaudit repair cinder.snapshot-type-differs URL --apply`.",
    repair=Update(
        lambda t: {
            "volume_type_id": select(t.volumes.c.volume_type_id)
            .where(t.volumes.c.id == t.snapshots.c.volume_id)
            .correlate(t.snapshots)
            .scalar_subquery()
        },
        guards=(Guard("volumes", {"volume_id": "id"}),),
    ),
)


@check.rows
def differ(t: Tables) -> Select[Any]:
    snapshot, volume = t.snapshots, t.volumes
    joined = snapshot.join(volume, volume.c.id == snapshot.c.volume_id)
    same = snapshot.c.volume_type_id.op("<=>")(volume.c.volume_type_id)
    return select(snapshot.c.id, snapshot.c.volume_id).select_from(joined).where(snapshot.c.deleted == 0, not_(same))
