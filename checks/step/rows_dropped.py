"""Rows or values that a pending migration drops, as upstream means it to.

What is wrong: a pending migration drops a table that has rows, or a column that has values, and moves them nowhere.

Why it matters: what upstream no longer uses may still be used by the site: billing, monitoring, reports.

How it came about: upstream removed a feature, for example nova-volume's tables or cinder's `migrations`.

Repair: none is needed for the upgrade; copy the rows elsewhere first if anything of yours reads them.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from dbaudit.check import LOSES, WARNING, Audited, Check, Drop, Fact, Unknown

check = Check(
    __name__,
    severity=WARNING,
    effect=LOSES,
    expected=True,
    message="{step} drops `{object}` with {count} {what}; upstream means it to",
    remedy="Copy `{object}` elsewhere before the upgrade if anything of yours still reads it.",
)


@check.facts
def dropped(audited: Audited) -> Iterator[Fact | Unknown]:
    for stage in audited.pending:
        for drop in stage.drops:
            count = held(audited, drop)
            label = drop.table if drop.column is None else f"{drop.table}.{drop.column}"
            if count is None:
                yield Unknown(f"{stage.step} drops `{label}`, and there is no server to count what it holds")
            elif count:
                what = "row(s)" if drop.column is None else "value(s)"
                yield Fact(label, {"what": what, "step": str(stage.step)}, step=stage.step, count=count, keys=(label,))


def held(audited: Audited, drop: Drop) -> int | None:
    """How many rows or values there are to lose now; 0 where the object is made by a step before; None if unknown."""
    table = audited.schema.tables.get(drop.table)
    if table is None or (drop.column is not None and table.column(drop.column) is None):
        return 0
    if drop.column is None:
        return audited.row_counts.get(drop.table)
    if audited.query is None:
        return None
    query = select(func.count(getattr(audited.tables, drop.table).c[drop.column]).label("n"))
    return int(audited.one(query)["n"])
