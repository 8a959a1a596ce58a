"""Orphans that migration 209 cannot see because one instance has no uuid.

What is wrong: `instances.uuid` is NULL in some row, and rows of `instance_faults`, `instance_actions` or `migrations`
name an instance that does not exist.

Why it matters: migration 209 looks for orphans with NOT IN, which one NULL makes match nothing. They stay, and the
foreign key is refused (1452). It stops half-way: the `dump_*` tables are there, and a second run fails on them (1050).

How it came about: an instance that failed before it had a uuid, next to rows that outlived their instances.

Repair: delete the instances without a uuid, or give them one, before the upgrade.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from dbaudit.check import BLOCKS, ERROR, Audited, Check, Fact, step
from dbaudit.packs.nova._orphans import OF_INSTANCES, of_instances

check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    before=step("nova", 209),
    needs=("instances", *OF_INSTANCES),
    message="migration 209 stops (1452): {nulls} instance(s) without a uuid keep it from finding {count} row(s) of "
    "`{object}` whose instance does not exist",
    remedy="Delete the instances without a uuid before the upgrade, with their rows elsewhere: "
    "`SELECT id FROM instances WHERE uuid IS NULL`.",
)


@check.facts
def hidden(audited: Audited) -> Iterator[Fact]:
    instances = audited.tables.instances
    nulls = select(func.count().label("n")).select_from(instances).where(instances.c.uuid.is_(None))
    without = int(audited.one(nulls)["n"])
    if not without:
        return
    for name in OF_INSTANCES:
        count, keys = audited.sample(of_instances(audited.tables, name), "instance_uuid")
        if count:
            yield Fact(name, {"nulls": without}, count=count, keys=keys)
