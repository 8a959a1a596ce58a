"""`extra` of users that stops migration 034.

What is wrong: `extra` of a user is JSON, but a number, a string, true, false or null instead of an object.

Why it matters: migration 034 (Havana) skips what is not JSON, but takes what is for an object: it dies with
AttributeError. The column `default_project_id` is there by then, so that a second run fails on it (1060).

How it came about: users written by hand or imported by scripts.

Repair: set `extra` to '{}'.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from dbaudit.check import BLOCKS, ERROR, Audited, Check, Fact, step

check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    before=step("keystone", 34),
    needs=("user",),
    message="migration 034 stops (AttributeError) at {count} user(s) whose `extra` is JSON but no object",
    remedy="Before the upgrade: `UPDATE user SET extra = '{{}}' WHERE id IN (...)`.",
)


@check.facts
def refused(audited: Audited) -> Iterator[Fact]:
    user = audited.tables.user
    rows = audited.rows(select(user.c.id, user.c.extra).order_by(user.c.id))
    bad = tuple(row["id"] for row in rows if is_scalar(row["extra"]))
    if bad:
        yield Fact("user.extra", count=len(bad), keys=bad)


def is_scalar(extra: Any) -> bool:
    """Whether this is JSON of neither an object nor a list; a list is skipped like what is not JSON."""
    try:
        return not isinstance(json.loads(extra), dict | list)
    except (TypeError, ValueError):
        return False
