"""Counters of a type's volumes that say another number than there are.

What is wrong: `quota_usages.in_use` of `volumes_<type>` is not the number of the project's live volumes of that type.

Why it matters: the limit of the type is too high or too low for the project. What is too low goes below zero as volumes
are deleted.

How it came about: volumes whose type was filled in or changed by hand. Cinder makes a missing counter from the rows,
but believes one that is there.

Repair: set it to the number of volumes. Counters with reservations pending are left alone; run it again when they end.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, or_, select

from dbaudit.check import ADVICE, WARNING, Check, Tables, Update, since

check = Check(
    __name__,
    severity=WARNING,
    effect=ADVICE,
    releases=since("havana"),
    table="quota_usages",
    needs=("volumes", "volume_types", "reservations"),
    key=("project_id", "resource"),
    each="project {project_id}: {resource} is {in_use}, and there are {there}",
    message="{count} counter(s) of a type's volumes say another number than there are",
    remedy="`dbaudit repair cinder.type-usage-differs URL --apply`.",
    repair=Update(lambda t: {"in_use": there(t)}),
)


def there(t: Tables) -> Any:
    """The live volumes that a counter counts."""
    usage, volume, kind = t.quota_usages, t.volumes, t.volume_types
    kinds = select(kind.c.id).where(kind.c.deleted == 0, func.concat("volumes_", kind.c.name) == usage.c.resource)
    counted = select(func.count()).select_from(volume).where(
        volume.c.project_id == usage.c.project_id,
        volume.c.deleted == 0,
        volume.c.volume_type_id.in_(kinds.correlate(usage)),
    )  # fmt: skip
    if "use_quota" in volume.c:
        counted = counted.where(or_(volume.c.use_quota.is_(None), volume.c.use_quota == 1))
    return counted.correlate(usage).scalar_subquery()


@check.rows
def differ(t: Tables) -> Select[Any]:
    usage, kind, pending = t.quota_usages, t.volume_types, t.reservations
    known = select(kind.c.id).where(kind.c.deleted == 0, func.concat("volumes_", kind.c.name) == usage.c.resource)
    reserved = select(pending.c.id).where(pending.c.usage_id == usage.c.id, pending.c.deleted == 0)
    return select(usage.c.project_id, usage.c.resource, usage.c.in_use, there(t).label("there")).where(
        usage.c.deleted == 0,
        known.correlate(usage).exists(),
        ~reserved.correlate(usage).exists(),
        usage.c.in_use != there(t),
    )
