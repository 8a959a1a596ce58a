"""Role grants that stop the move to the `assignment` table.

What is wrong: a grant has a role that does not exist, or one role twice (direct and inherited, say), or roles of a
form that migration 029 did not make, or it is not JSON.

Why it matters: migration 039 (Icehouse) writes one row of `assignment` for each role and stops at the first that the
server refuses: 1452 for a role that does not exist, 1062 for the same role twice. What it wrote before stays, so that
a second run fails on that (1062). What is not JSON stops 029 (Havana) already.

How it came about: roles that were deleted by hand, inherited roles next to direct ones, grants edited by hand, 029 run
twice or half-way.

Repair: take such roles out of the JSON before the upgrade. To run 039 again after it stopped, empty `assignment`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from dbaudit.check import BLOCKS, ERROR, Audited, Check, Fact, step
from dbaudit.packs.keystone._grants import Unreadable, grants, plain, read

FORM, MOVE = step("keystone", 29), step("keystone", 39)
check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    before=(FORM, MOVE),
    needs=("role",),
    message="{step} stops at {count} grant(s) of `{object}`: {why}",
    remedy="Correct the JSON in `{object}`.`data` before the upgrade; and empty `assignment` before you run 039 again.",
)
REASONS = {
    "json": "the data is not a JSON object with a list of roles",
    "form": "a role has another form than migration 029 makes",
    "twice": "the same role stands there twice (1062)",
    "unknown": "a role does not exist (1452)",
}


@check.facts
def refused(audited: Audited) -> Iterator[Fact]:
    role = audited.tables.role
    known = {folded(row["id"]) for row in audited.rows(select(role.c.id))}
    ids, moves = plain(audited), audited.stage(MOVE) is not None
    bad: dict[tuple[str, str], list[str]] = {}
    for table, key, data in grants(audited):
        reason = fault(data, ids, known)
        if reason and (moves or reason == "json"):
            bad.setdefault((table, reason), []).append(key)
    for (table, reason), keys in sorted(bad.items()):
        at = FORM if reason == "json" and ids else MOVE
        facts = {"step": str(at), "reason": reason, "why": REASONS[reason]}
        yield Fact(table, facts, step=at, count=len(keys), keys=tuple(keys))


def fault(data: Any, ids: bool, known: set[str]) -> str | None:
    """What a migration trips over in this grant, None for nothing."""
    try:
        grant = read(data, ids)
    except Unreadable:
        return "json"
    roles = [folded(each) for each in grant.roles]
    if any(each not in known for each in roles):
        return "unknown"
    return "twice" if len(set(roles)) < len(roles) else "form" if grant.strange else None


def folded(identifier: str) -> str:
    """An id as the column's collation compares it: without regard to case and to blanks at its end."""
    return identifier.rstrip(" ").casefold()
