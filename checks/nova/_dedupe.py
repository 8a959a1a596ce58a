"""Which rows nova's Havana migrations take for duplicates before they make unique keys, shared by the checks.

Upstream groups by the columns of the new key and by `deleted`, by the columns' collation and with NULL equal to NULL,
keeps the row with the highest id, and soft-deletes the others unless their `deleted_at` is set already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, false, func, select, true

from dbaudit.check import Step, Tables, step


@dataclass(frozen=True)
class Key:
    """A unique key that a step makes: table and columns, `deleted` left out; `number` is that of the migration.

    `natural` names the columns by which people know a row, where they are not those of the key.
    """

    number: int
    table: str
    columns: tuple[str, ...]
    natural: tuple[str, ...] = ()

    @property
    def step(self) -> Step:
        return step("nova", self.number)


KEYS = (
    Key(172, "instance_types", ("flavorid",)),
    Key(172, "instance_types", ("name",), natural=("flavorid",)),
    Key(173, "key_pairs", ("user_id", "name")),
    Key(174, "instance_type_projects", ("instance_type_id", "project_id")),
    Key(177, "floating_ips", ("address",)),
    Key(189, "cells", ("name",)),
    Key(190, "security_groups", ("project_id", "name")),
    Key(191, "quotas", ("project_id", "resource")),
    Key(195, "fixed_ips", ("address",)),
    Key(196, "services", ("host", "topic")),
    Key(196, "services", ("host", "binary")),
    Key(197, "agent_builds", ("hypervisor", "os", "architecture")),
    Key(198, "console_pools", ("host", "console_type", "compute_host")),
    Key(199, "aggregate_hosts", ("host", "aggregate_id")),
    Key(202, "instance_type_extra_specs", ("instance_type_id", "key")),
    Key(211, "aggregate_metadata", ("aggregate_id", "key")),
)
# Tables to whose ids nothing points: of twins there that are alike in all else, nothing is lost.
LEAVES = (
    "key_pairs", "instance_type_projects", "quotas", "agent_builds", "aggregate_hosts", "instance_type_extra_specs",
    "aggregate_metadata",
)  # fmt: skip
BOOKKEEPING = ("id", "created_at", "updated_at", "deleted_at", "deleted")
STEPS = tuple(dict.fromkeys(key.step for key in KEYS))


def older(t: Tables, key: Key) -> Select[Any]:
    """Rows that have a newer twin for the key: id, the key's columns, `deleted`, `deleted_at`, the id that stays, and
    whether nothing else than what the twin has is in them (`copy`).

    What an earlier key of the same migration has soft-deleted takes no part.
    """
    row, twin = getattr(t, key.table), getattr(t, key.table).alias()
    columns = (*key.columns, "deleted")
    others = (*key.natural, "deleted_at")
    newest = select(func.max(twin.c.id).label("stays"), *(twin.c[name] for name in columns))
    bad = select(row.c.id, *(row.c[name] for name in (*columns, *others)))
    for gone in _earlier(t, key):
        newest, bad = newest.where(twin.c.id.not_in(gone)), bad.where(row.c.id.not_in(gone))
    group = newest.group_by(*(twin.c[name] for name in columns)).having(func.count() > 1).subquery()
    same = and_(*(row.c[name].is_not_distinct_from(group.c[name]) for name in columns))
    kept = getattr(t, key.table).alias()
    rest = [column.name for column in row.c if column.name not in BOOKKEEPING]
    alike = and_(true(), *(row.c[name].is_not_distinct_from(kept.c[name]) for name in rest))
    copy = (alike if key.table in LEAVES else false()).label("copy")
    joined = row.join(group, same).join(kept, kept.c.id == group.c.stays)
    return bad.add_columns(group.c.stays, copy).select_from(joined).where(row.c.id != group.c.stays)


def _earlier(t: Tables, key: Key) -> Iterator[Select[Any]]:
    for other in KEYS[: KEYS.index(key)]:
        if (other.number, other.table) == (key.number, key.table):
            gone = older(t, other).subquery()
            yield select(gone.c.id).where(gone.c.deleted_at.is_(None))
