"""Locations of images that do not exist, in a table without a foreign key.

What is wrong: `image_locations` has lost its foreign key, and rows of it belong to images that are not there.

Why it matters: migration 037 (Kilo) makes the foreign key where there is none. The server refuses it (1452) and the
migration stops at its last statement: the index `image_id` of `image_properties` is gone by then, so that a second run
fails on that (1091).

How it came about: a table that was MyISAM, or was restored or copied without its key, and images deleted by hand.

Repair: delete these locations before the upgrade.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, select

from dbaudit.check import BLOCKS, ERROR, Audited, Check, Delete, Fact, Guard, Tables, step

STEP = step("glance", 37)
check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    before=STEP,
    table="image_locations",
    needs=("images",),
    key=("image_id",),
    message="migration 037 stops (1452): {count} location(s) belong to images that do not exist, and it makes the "
    "missing foreign key",
    remedy="Before the upgrade: `DELETE FROM image_locations WHERE image_id NOT IN (SELECT id FROM images)`.",
    repair=Delete(guards=(Guard("images", {"image_id": "id"}),)),
)


@check.facts
def stopped(audited: Audited) -> Iterator[Fact]:
    stage = audited.stage(STEP)
    if stage is None or stage.before.tables["image_locations"].foreign_keys:
        return
    count, keys = audited.sample(orphans(audited.tables), "image_id")
    if count:
        yield Fact("image_locations", count=count, keys=keys)


@check.rows
def orphans(t: Tables) -> Select[Any]:
    place, image = t.image_locations, t.images
    joined = place.outerjoin(image, image.c.id == place.c.image_id)
    query = select(place.c.id, place.c.image_id).select_from(joined)
    return query.where(image.c.id.is_(None), place.c.image_id.is_not(None))
