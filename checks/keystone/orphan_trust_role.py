"""Roles of trusts that do not exist.

What is wrong: rows of `trust_role` name a trust that is not in `trust`.

Why it matters: nothing reads them, and nothing ever deletes them: the table only grows.

How it came about: `trust_role` has no foreign key, and `keystone-manage trust_flush` (Stein and later), like a DELETE
by hand, takes the trusts alone.

Repair: delete them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from dbaudit.check import ADVICE, NOTE, Check, Delete, Guard, Tables

check = Check(
    __name__,
    severity=NOTE,
    effect=ADVICE,
    table="trust_role",
    needs=("trust",),
    key=("trust_id", "role_id"),
    message="{count} role(s) of trusts that do not exist",
    remedy="`dbaudit repair keystone.orphan-trust-role URL --apply`.",
    repair=Delete(guards=(Guard("trust", {"trust_id": "id"}),)),
)


@check.rows
def orphans(t: Tables) -> Select[Any]:
    role, trust = t.trust_role, t.trust
    joined = role.outerjoin(trust, trust.c.id == role.c.trust_id)
    return select(role.c.trust_id, role.c.role_id).select_from(joined).where(trust.c.id.is_(None))
