"""NULLs in columns that a pending migration makes NOT NULL.

What is wrong: NULL stands in a column that nova's Juno or Kilo migrations make NOT NULL: `quota_usages.resource`,
`product_id`, `vendor_id` and `dev_type` of `pci_devices` (247), `key_pairs.name` (280).

Why it matters: in the strict SQL mode that nova sets from Juno on, the server refuses (1138) and the migration stops;
280 has dropped the unique key of `key_pairs` by then, and a second run fails on that. In another mode each NULL
silently becomes ''.

How it came about: rows written by hand or by early releases.

Repair: fill the column or delete the rows before the upgrade.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from dbaudit.check import BLOCKS, ERROR, Audited, Check, Fact, step

COLUMNS = (
    (step("nova", 247), "quota_usages", "resource"),
    (step("nova", 247), "pci_devices", "product_id"),
    (step("nova", 247), "pci_devices", "vendor_id"),
    (step("nova", 247), "pci_devices", "dev_type"),
    (step("nova", 280), "key_pairs", "name"),
)
check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    before=tuple(dict.fromkeys(at for at, _, _ in COLUMNS)),
    message="{step} stops (1138): `{object}` is NULL in {count} row(s), deleted ones included",
    remedy="Fill `{object}` or delete these rows before the upgrade.",
)


@check.facts
def nulls(audited: Audited) -> Iterator[Fact]:
    for at, name, column in COLUMNS:
        table = audited.schema.tables.get(name)
        if audited.stage(at) is None or table is None or table.column(column) is None:
            continue
        rows = getattr(audited.tables, name)
        count = int(audited.one(select(func.count().label("n")).where(rows.c[column].is_(None)))["n"])
        if count:
            yield Fact(f"{name}.{column}", {"step": str(at)}, step=at, count=count, keys=(f"{name}.{column}",))
