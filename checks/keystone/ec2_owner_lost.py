"""EC2 keys that lose their project or change their user when they move.

What is wrong: the same access key and secret stand in `ec2_credential` and in `credential`, but the latter names no
project, or another user.

Why it matters: migration 033 takes such a pair for equal, writes nothing and drops `ec2_credential`. The project that
only the old row knew is gone, or the key works for another user than before.

How it came about: a v3 credential made by hand, without a project or for another user.

Repair: before the upgrade copy the project and the user of the old row into `credential`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dbaudit.check import ERROR, LOSES, Audited, Check, Fact, step
from dbaudit.packs.keystone._ec2_pairs import decoded, pairs

check = Check(
    __name__,
    severity=ERROR,
    effect=LOSES,
    before=step("keystone", 33),
    needs=("ec2_credential", "credential"),
    message="migration 033 drops the {column} of {count} EC2 key(s), because `credential` already has the key",
    remedy="Before the upgrade: `UPDATE credential c JOIN ec2_credential e ON c.id = SHA2(e.access, 256) "
    "SET c.project_id = e.tenant_id, c.user_id = e.user_id WHERE e.access IN (...)`.",
)


@check.facts
def lost(audited: Audited) -> Iterator[Fact]:
    bad: dict[str, list[str]] = {}
    for row in audited.rows(pairs(audited.tables)):
        for column in columns(row):
            bad.setdefault(column, []).append(row["access"])
    for column, keys in sorted(bad.items()):
        yield Fact(f"ec2_credential.{column}", {"column": column}, count=len(keys), keys=tuple(keys))


def columns(row: Any) -> tuple[str, ...]:
    """The columns of the old row that the migration forgets."""
    blob = None if row["id"] is None else decoded(row["blob"])
    if blob is None or blob.get("secret") != row["secret"]:
        return ()
    project = row["project_id"] is None and row["tenant_id"] is not None
    user = row["user_id"] is not None and row["user_id"] != row["owner"]
    return (*(("tenant_id",) if project else ()), *(("user_id",) if user else ()))
