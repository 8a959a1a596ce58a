"""Live rows that Havana soft-deletes because a newer one has the same key.

What is wrong: live rows agree in the columns of a unique key that a pending migration makes: two flavors of one
flavorid, two key pairs of one name, an address that is held twice. Names that differ only in case agree, and so do
NULLs.

Why it matters: the migration keeps the row with the highest id and soft-deletes the others, without a word. Instances
go on pointing at a flavor that is deleted, compute nodes at a service that is deleted, the older quota or address is
gone, the key pair that remains may be another key. Nothing is lost of mere copies, to whose id nothing points.

How it came about: Grizzly has no unique keys there; requests that crossed, rows written by hand, restored or merged
databases.

Repair: decide for each pair which row is right before the upgrade, point what refers to the other one at it, and
soft-delete or rename the other one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from dbaudit.check import ERROR, LOSES, NOTE, Audited, Check, Fact, key_text
from dbaudit.packs.nova._dedupe import KEYS, STEPS, Key, older

SHOWN = 100  # rows whose ids are told; the count is always the whole number
WRITTEN = 5  # rows that are written out as evidence

check = Check(
    __name__,
    severity=ERROR,
    effect=LOSES,
    before=STEPS,
    message="{step} soft-deletes {count} live row(s) of `{object}`: a newer row has the same {columns}{copies}",
    remedy="Decide which row of `{object}` is right, and soft-delete the others yourself (`deleted` = id) once nothing "
    "points at them; or give them another {columns}.",
)


@check.facts
def lost(audited: Audited) -> Iterator[Fact]:
    for key in KEYS:
        if audited.stage(key.step) is None or key.table not in audited.schema.tables:
            continue
        bad = older(audited.tables, key).subquery()
        live = bad.select().where(bad.c.deleted == 0, bad.c.deleted_at.is_(None))
        rows = list(audited.rows(live.order_by(bad.c.id)))
        for copies in (False, True):
            if some := [row for row in rows if bool(row["copy"]) is copies]:
                fact = told(key, some)
                yield replace(fact, severity=NOTE, expected=True) if copies else fact


def told(key: Key, rows: list[Mapping[str, Any]]) -> Fact:
    """The rows of one table that go for one key."""
    facts = {
        "step": str(key.step),
        "columns": ", ".join(key.columns),
        "copies": "; they are mere copies" if rows[0]["copy"] else "",
        "rows": [row["id"] for row in rows[:SHOWN]],
    }
    evidence = (f"id {row['id']} goes, id {row['stays']} stays: {key_text(row, key.columns)}" for row in rows[:WRITTEN])
    return Fact(
        key.table,
        facts,
        step=key.step,
        count=len(rows),
        keys=tuple(key_text(row, key.natural or key.columns) for row in rows),
        evidence=tuple(evidence),
    )
