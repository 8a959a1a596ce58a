"""Orphans that migration 209 moves out of their tables.

What is wrong: rows of `instance_faults`, `instance_actions` or `migrations` name an instance that does not exist,
compute nodes a service that does not exist, or figures of compute nodes a node that does not exist.

Why it matters: migration 209 (Havana) moves them to tables called `dump_*`, so that foreign keys can be made, and
migration 232 (Icehouse) drops those. Upstream means it to. A compute node that is moved comes back, with another id,
when its service starts.

How it came about: instances and services whose rows were deleted by hand or by scripts, before there were foreign
keys.

Repair: none is needed. Copy the `dump_*` tables after 209 if you keep histories, or delete the orphans before.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from dbaudit.check import LOSES, WARNING, Audited, Check, Fact, step
from dbaudit.packs.nova._orphans import OF_INSTANCES, compute_node_stats, compute_nodes, of_instances

check = Check(
    __name__,
    severity=WARNING,
    effect=LOSES,
    expected=True,
    before=step("nova", 209),
    needs=("instances", "services", "compute_nodes", "compute_node_stats", *OF_INSTANCES),
    message="migration 209 moves {count} row(s) of `{object}` to `dump_{object}`, because {why}; {fate}",
    remedy="Copy `dump_{object}` elsewhere between the migrations 209 and 232 if you want to keep these rows.",
)
WHY = "what they belong to does not exist"


@check.facts
def moved(audited: Audited) -> Iterator[Fact]:
    t = audited.tables
    dropped = audited.stage(step("nova", 232)) is not None
    facts = {"why": WHY, "fate": "migration 232 drops that table" if dropped else "Icehouse drops that table"}
    wanted = [
        ("compute_nodes", compute_nodes(t), ("hypervisor_hostname",)),
        ("compute_node_stats", compute_node_stats(t), ("compute_node_id", "key")),
    ]
    instances = t.instances
    nulls = select(func.count().label("n")).select_from(instances).where(instances.c.uuid.is_(None))
    if not int(audited.one(nulls)["n"]):  # else it finds none of these: see null_uuid_hides_orphans
        wanted += [(name, of_instances(t, name), ("instance_uuid",)) for name in OF_INSTANCES]
    for name, query, key in wanted:
        count, keys = audited.sample(query, *key)
        if count:
            yield Fact(name, facts, count=count, keys=keys)
