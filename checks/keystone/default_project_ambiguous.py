"""Users with several default projects, of which one is kept.

What is wrong: `extra` of a user names different projects as `default_project_id`, `tenantId` and `tenant_id`.

Why it matters: migration 034 (Havana) moves the first of these that is there, in this order, to the new column
`default_project_id` and throws the others away. Tools that read another one then see another project.

How it came about: users whose default project was changed through another API, or by another client, than the one
that made them.

Repair: none is needed for the upgrade; make them agree before if anything of yours reads `extra`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from dbaudit.check import LOSES, NOTE, Audited, Check, Fact, step

check = Check(
    __name__,
    severity=NOTE,
    effect=LOSES,
    expected=True,
    before=step("keystone", 34),
    needs=("user",),
    message="migration 034 keeps one default project each of {count} user(s) whose `extra` names several",
    remedy="Make `tenantId`, `tenant_id` and `default_project_id` in `user`.`extra` agree before the upgrade.",
)
NAMES = ("default_project_id", "tenantId", "tenant_id")


@check.facts
def ambiguous(audited: Audited) -> Iterator[Fact]:
    user = audited.tables.user
    rows = audited.rows(select(user.c.id, user.c.extra).order_by(user.c.id))
    bad = tuple(row["id"] for row in rows if len(projects(row["extra"])) > 1)
    if bad:
        yield Fact("user.extra", count=len(bad), keys=bad)


def projects(extra: Any) -> set[str]:
    """The projects that `extra` names, none where it cannot be read."""
    try:
        value = json.loads(extra)
    except (TypeError, ValueError):
        return set()
    named = (value.get(name) for name in NAMES) if isinstance(value, dict) else ()
    return {str(project) for project in named if project is not None}
