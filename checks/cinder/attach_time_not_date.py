"""Times of attachment that are no date.

What is wrong: `attach_time` of an attached volume, which is text, holds something that is no date and time.

Why it matters: migration 040 (Kilo) writes it to a DATETIME. In the strict SQL mode that cinder sets by then the
server refuses it (1292) and the migration stops; `volumes.multiattach` and the table `volume_attachment` are there,
so that a second run fails on them (1060). In another mode it becomes 0000-00-00.

How it came about: the column is text, and not all who wrote it wrote a date.

Repair: set it to NULL, or to a date, before the upgrade.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import DateTime, Select, cast, not_, or_, select

from dbaudit.check import BLOCKS, ERROR, Check, Tables, Update, step

check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    before=step("cinder", 40),
    table="volumes",
    key=("id",),
    each="volume {id}: {attach_time!r}",
    message="migration 040 stops (1292): `attach_time` of {count} attached volume(s) is no date",
    remedy="Before the upgrade: `UPDATE volumes SET attach_time = NULL WHERE id IN (...)`.",
    repair=Update(lambda t: {"attach_time": None}),
)
DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?$"


@check.rows
def undated(t: Tables) -> Select[Any]:
    volume = t.volumes
    time = volume.c.attach_time
    bad = or_(not_(time.regexp_match(DATE)), time.like("0000-%"), cast(time, DateTime).is_(None))
    return select(volume.c.id, time).where(volume.c.attach_status == "attached", time.is_not(None), bad)
