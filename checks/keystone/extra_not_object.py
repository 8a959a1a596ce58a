"""`extra` of endpoints and services that stops migrations.

What is wrong: `extra` is NULL, is not JSON, or is JSON but no object.

Why it matters: migrations 042 (endpoints) and 044 (services) of Icehouse take `enabled` out of it, 066 (Kilo) writes a
name into that of services. The first row that they cannot read stops them (TypeError, ValueError); the column
`enabled` is there by then, so that a second run of 042 or 044 fails on it (1060). 066 puts up with NULL.

How it came about: rows written by hand or by catalogue scripts.

Repair: set `extra` to '{}' where nothing of it is needed, else to a JSON object.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import select

from dbaudit.check import BLOCKS, ERROR, Audited, Check, Fact, step


def refuses_enabled(extra: Any) -> bool:
    """Whether 042 and 044 stop at this: they look for `enabled` in what the JSON holds, and take it out."""
    try:
        value = json.loads(extra)
    except (TypeError, ValueError):
        return True
    return not isinstance(value, dict) and (not isinstance(value, str | list) or "enabled" in value)


def refuses_name(extra: Any) -> bool:
    """Whether 066 stops at this."""
    try:
        return extra is not None and not isinstance(json.loads(extra), dict)
    except (TypeError, ValueError):
        return True


READERS: tuple[tuple[int, str, Callable[[Any], bool]], ...] = (
    (42, "endpoint", refuses_enabled),
    (44, "service", refuses_enabled),
    (66, "service", refuses_name),
)
check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    before=tuple(step("keystone", number) for number, _, _ in READERS),
    message="{step} stops at {count} row(s) of `{object}`: `extra` is NULL or is not a JSON object",
    remedy="Before the upgrade: `UPDATE {object} SET extra = '{{}}' WHERE id IN (...)`, or make it a JSON object.",
)


@check.facts
def unreadable(audited: Audited) -> Iterator[Fact]:
    told: set[str] = set()
    for number, name, refuses in READERS:
        at = step("keystone", number)
        if audited.stage(at) is None or name not in audited.schema.tables:
            continue
        row = getattr(audited.tables, name)
        rows = audited.rows(select(row.c.id, row.c.extra).order_by(row.c.id))
        bad = [each["id"] for each in rows if refuses(each["extra"]) and each["id"] not in told]
        told.update(bad)
        if bad:
            yield Fact(name, {"step": str(at)}, step=at, count=len(bad), keys=tuple(bad))
