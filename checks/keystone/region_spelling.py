"""Regions that differ only in case become one.

What is wrong: endpoints name regions that differ only in case, or in blanks at their end.

Why it matters: migration 053 (Juno) makes `endpoint.region` a reference to the table `region`, whose key takes them
for one. All these endpoints end in the region that is met first; clients that ask for the other spelling find none.

How it came about: endpoints entered by hand, by several people.

Repair: spell them the way that clients do before the upgrade.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, distinct, func, select

from dbaudit.check import ADVICE, NOTE, Check, Tables, step

check = Check(
    __name__,
    severity=NOTE,
    effect=ADVICE,
    before=step("keystone", 53),
    table="endpoint",
    key=("id",),
    each="endpoint {id}: `{region}`",
    message="migration 053 makes one region of several spellings: {count} endpoint(s) are in regions that differ only "
    "in case or in blanks at their end",
    remedy="Before the upgrade, give all endpoints of a region one spelling: `UPDATE endpoint SET region = 'RegionOne' "
    "WHERE region = 'regionone'`.",
)


@check.rows
def spellings(t: Tables) -> Select[Any]:
    endpoint, other = t.endpoint, t.endpoint.alias()
    several = func.count(distinct(func.hex(other.c.region))) > 1
    group = select(other.c.region).group_by(other.c.region).having(several).subquery()
    joined = endpoint.join(group, group.c.region == endpoint.c.region)
    return select(endpoint.c.id, endpoint.c.region).select_from(joined)
