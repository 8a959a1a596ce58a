"""Rows that are neither live nor deleted.

What is wrong: `deleted` is NULL in rows of a table that is deleted from softly.

Why it matters: the service asks for `deleted = 0` or for the opposite, and finds these rows by neither. Users do not
see them, quotas do not count them, and archiving and purging leave them behind, with all that refers to them.

How it came about: the column has no default, so that rows written by hand or by a migration have NULL there.

Repair: set `deleted` to 0, or to the mark of deletion where `deleted_at` is set.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from dbaudit.check import ADVICE, WARNING, Audited, Check, Fact

check = Check(
    __name__,
    severity=WARNING,
    effect=ADVICE,
    message="`deleted` is NULL in {count} row(s) of `{table}`: they are neither live nor deleted",
    remedy="`UPDATE {table} SET deleted = (deleted_at IS NOT NULL) WHERE deleted IS NULL`.",
)
SOFT = {"created_at", "updated_at", "deleted_at", "deleted"}  # what a table has that is deleted from softly
NATURAL = ("id", "volume_id", "snapshot_id")  # columns that name a row, the first that a table has as text


@check.facts
def undecided(audited: Audited) -> Iterator[Fact]:
    for name, table in sorted(audited.schema.tables.items()):
        mark = table.column("deleted")
        if mark is None or not mark.null or not {column.name for column in table.columns} >= SOFT:
            continue
        row = getattr(audited.tables, name)
        texts = {column.name for column in table.columns if "char" in column.type}
        key = next((each for each in NATURAL if each in texts), "deleted")
        count, keys = audited.sample(select(row.c[key]).where(row.c.deleted.is_(None)), key)
        if count:
            yield Fact(f"{name}.deleted", {"table": name}, count=count, keys=keys if key != "deleted" else (name,))
