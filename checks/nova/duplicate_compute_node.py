"""Compute nodes of one host and one hypervisor name.

What is wrong: `compute_nodes` has a column `host` already, filled, and rows that agree in it and in
`hypervisor_hostname`.

Why it matters: migrations 268 and 279 (Kilo) make a unique key of both columns, 268 without `deleted`, so that deleted
nodes count. The server refuses it (1062) and the migration stops. 268 leaves a column that exists alone, so the key
is all that it still has to make: once the rows are right, it can be run again.

How it came about: the column was back-ported, and nodes that were deleted and came back were filled like the others.

Repair: set `host` to NULL in the deleted rows, or delete them; settle live twins by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, and_, func, select

from dbaudit.check import BLOCKS, ERROR, Audited, Check, Fact, Tables, step

FIRST, SECOND = step("nova", 268), step("nova", 279)
check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    before=(FIRST, SECOND),
    needs=("compute_nodes",),
    message="{step} stops (1062): {count} compute node(s) share {columns} with another",
    remedy="`UPDATE compute_nodes SET host = NULL WHERE deleted <> 0`, and settle live twins by hand.",
)


@check.facts
def twins(audited: Audited) -> Iterator[Fact]:
    table = audited.schema.tables["compute_nodes"]
    if table.column("host") is None:  # 268 makes it, empty
        return
    columns: tuple[str, ...] = ("host", "hypervisor_hostname")
    at = FIRST
    if audited.stage(FIRST) is None:
        at, columns = SECOND, (*columns, "deleted")
    count, keys = audited.sample(shared(audited.tables, columns), "host", "hypervisor_hostname")
    if count:
        facts = {"step": str(at), "columns": ", ".join(columns)}
        yield Fact("compute_nodes", facts, step=at, count=count, keys=keys)


def shared(t: Tables, columns: tuple[str, ...]) -> Select[Any]:
    """Rows that agree with another in all columns, none of them NULL."""
    node, twin = t.compute_nodes, t.compute_nodes.alias()
    groups = select(*(twin.c[name] for name in columns)).group_by(*(twin.c[name] for name in columns))
    group = groups.having(func.count() > 1).subquery()
    same = and_(*(node.c[name] == group.c[name] for name in columns))
    return select(node.c.id, node.c.host, node.c.hypervisor_hostname).select_from(node.join(group, same))
