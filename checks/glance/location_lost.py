"""Locations of images that glance takes for duplicates.

What is wrong: an image has live locations that differ only in case, or in blanks at their end.

Why it matters: migration 031 (Icehouse) removes duplicate locations and compares them by the column's collation, which
takes these for equal: one of them is deleted, for good. In a store that tells case apart, such as Ceph or a file
system, that may be the only right one.

How it came about: locations set by hand or copied between stores.

Repair: find out before the upgrade which of them exist, and delete the others.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, distinct, func, select

from dbaudit.check import ERROR, LOSES, Check, Tables, step

check = Check(
    __name__,
    severity=ERROR,
    effect=LOSES,
    before=step("glance", 31),
    table="image_locations",
    key=("image_id",),
    each="image {image_id}: {rows} locations in {spellings} spellings",
    message="migration 031 deletes one location each of {count} set(s) that differ only in case or in blanks",
    remedy="Find out which location of each image is right, and soft-delete the others before the upgrade: "
    "`SELECT id FROM image_locations WHERE image_id = '...' AND deleted = 0`.",
)


@check.rows
def alike(t: Tables) -> Select[Any]:
    place = t.image_locations
    same = [place.c.image_id, place.c.value]
    written = func.hex(place.c.value)
    if "meta_data" in place.c:  # 026 makes it, the same for all
        same.append(place.c.meta_data)
        written = func.concat(written, "/", func.hex(func.coalesce(place.c.meta_data, "")))
    spellings = func.count(distinct(written))
    return (
        select(place.c.image_id, func.count().label("rows"), spellings.label("spellings"))
        .where(place.c.deleted == 0)
        .group_by(*same)
        .having(spellings > 1)
    )
