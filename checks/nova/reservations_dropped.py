"""Reservations of quota that Havana drops.

What is wrong: there are reservations of usages that are kept for the whole project, as Grizzly keeps them all.

Why it matters: migration 216 (Havana) deletes them with the usages of instances, cores, ram and security groups, which
it then counts anew for each user. Requests in flight that commit or roll back theirs afterwards find nothing.

How it came about: requests in flight at the time of the upgrade, and reservations that were never settled.

Repair: none is needed once nova is stopped; upstream means it to.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from dbaudit.check import LOSES, NOTE, Check, Tables, step

check = Check(
    __name__,
    severity=NOTE,
    effect=LOSES,
    expected=True,
    before=step("nova", 216),
    table="reservations",
    needs=("quota_usages",),
    key=("uuid",),
    message="migration 216 deletes {count} reservation(s) of quota that is kept for whole projects",
    remedy="Stop nova's services before the upgrade, and let requests end.",
)


@check.rows
def dropped(t: Tables) -> Select[Any]:
    reservation, usage = t.reservations, t.quota_usages
    held = select(reservation.c.uuid).join(usage, usage.c.id == reservation.c.usage_id)
    if "user_id" in usage.c:  # 203 makes it, empty
        held = held.where(usage.c.user_id.is_(None))
    gone = held.subquery()
    return select(reservation.c.uuid).where(reservation.c.uuid.in_(select(gone.c.uuid)))
