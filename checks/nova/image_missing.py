"""Live instances of images that glance does not have.

What is wrong: `instances.image_ref` of live instances names an image that is deleted in glance, or was never there.

Why it matters: such an instance cannot be rebuilt or migrated to a host that has not its image in the cache.

How it came about: images that were deleted while instances of them lived; glance allows it.

Repair: none by rows. Keep a copy of what is still in a cache, or rebuild the instances from another image.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from dbaudit.check import ADVICE, NOTE, Audited, Check, Fact

check = Check(
    __name__,
    severity=NOTE,
    effect=ADVICE,
    needs=("instances",),
    beside=("glance",),
    message="{count} live instance(s) are of {images} image(s) that glance does not have",
    remedy="Look whether their hosts still have the images, before you move or rebuild these instances.",
)
ASKED = 500  # images asked about in one query


@check.facts
def missing(audited: Audited) -> Iterator[Fact]:
    instance = audited.tables.instances
    glance = audited.other("glance")
    image = glance.tables.images
    live = (instance.c.deleted == 0, instance.c.image_ref.is_not(None), instance.c.image_ref != "")
    used = select(instance.c.image_ref, func.count().label("n")).where(*live).group_by(instance.c.image_ref)
    counts = {str(row["image_ref"]): int(row["n"]) for row in audited.rows(used)}
    names, there = sorted(counts), set[str]()
    for start in range(0, len(names), ASKED):
        asked = names[start : start + ASKED]
        found = select(image.c.id).where(image.c.id.in_(asked), image.c.deleted == 0)
        there |= {str(row["id"]) for row in glance.rows(found)}
    gone = [name for name in names if name not in there]
    if gone:
        total = sum(counts[name] for name in gone)
        yield Fact("instances.image_ref", {"images": len(gone)}, count=total, keys=tuple(gone))
