"""Duplicates that Havana's migrations leave, so that the unique key is refused.

What is wrong: two rows agree in the columns of a unique key that a pending migration makes, `deleted` included, and
the older one has its `deleted_at` set although its `deleted` is the same as that of the newer one.

Why it matters: the migration soft-deletes older duplicates only where `deleted_at` is NULL. This one stays, the key is
refused (1062), and the migration stops; keys that it made before stay, and a second run fails on them (1061).

How it came about: rows that were undeleted, or deleted, by hand: `deleted` changed and `deleted_at` not.

Repair: set `deleted` to the row's id where it is deleted, clear `deleted_at` where it is not; then settle which of
the two is right.
"""

from __future__ import annotations

from collections.abc import Iterator

from dbaudit.check import BLOCKS, ERROR, Audited, Check, Fact
from dbaudit.packs.nova._dedupe import KEYS, STEPS, older

check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    before=STEPS,
    message="{step} stops (1062): {count} row(s) of `{object}` have the same {columns} and deleted as a newer row, "
    "and a `deleted_at` that keeps them from being removed",
    remedy="For each: `UPDATE {object} SET deleted = id` if it is deleted, `SET deleted_at = NULL` if it is not, "
    "and rename or remove the one that is wrong.",
)


@check.facts
def kept(audited: Audited) -> Iterator[Fact]:
    for key in KEYS:
        if audited.stage(key.step) is None or key.table not in audited.schema.tables:
            continue
        bad = older(audited.tables, key).subquery()
        query = bad.select().where(bad.c.deleted_at.is_not(None), bad.c.deleted.is_not(None))
        query = query.where(*(bad.c[name].is_not(None) for name in key.columns))
        if key.table == "cells":  # 179 gives deleted cells a `deleted` of their own first
            query = query.where(bad.c.deleted == 0)
        count, keys = audited.sample(query, *key.columns)
        if count:
            facts = {"step": str(key.step), "columns": ", ".join(key.columns)}
            yield Fact(key.table, facts, step=key.step, count=count, keys=keys)
