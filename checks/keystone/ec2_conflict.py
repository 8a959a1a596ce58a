"""EC2 keys that stop the move to the `credential` table.

What is wrong: the same access key stands in `ec2_credential` and, under its SHA-256, in `credential`, and the two do
not agree: another secret, another project, or a blob that cannot be read (encoded twice by the v3 API, not JSON, or
empty). A key without a user cannot be inserted at all.

Why it matters: migration 033 compares both, raises Conflict or ValidationError at the first such key and stops. Keys
before it have been copied; `ec2_credential` is still there, so it can be run again once the keys agree.

How it came about: keys written through the v3 credentials API next to the EC2 API, restored or edited by hand.

Repair: for each key decide which row is right and delete the other one; give keys without a user an owner or delete
them. Keys are as good as passwords: ask their users.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dbaudit.check import BLOCKS, ERROR, Audited, Check, Fact, step
from dbaudit.packs.keystone._ec2_pairs import decoded, pairs

check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    before=step("keystone", 33),
    needs=("ec2_credential", "credential"),
    message="migration 033 stops at {count} EC2 key(s): {why}",
    remedy="Decide for each key which row is right, and delete the other: "
    "`DELETE FROM credential WHERE id = SHA2('<access>', 256)` keeps the old key, "
    "`DELETE FROM ec2_credential WHERE access = '<access>'` the new one.",
)
REASONS = {
    "secret": "another secret in `credential`",
    "project": "another project in `credential`",
    "blob": "a blob in `credential` that cannot be read",
    "user": "no user",
}


@check.facts
def conflicts(audited: Audited) -> Iterator[Fact]:
    bad: dict[str, list[str]] = {}
    for row in audited.rows(pairs(audited.tables)):
        if reason := fault(row):
            bad.setdefault(reason, []).append(row["access"])
    for reason, keys in sorted(bad.items()):
        yield Fact("ec2_credential", {"reason": reason, "why": REASONS[reason]}, count=len(keys), keys=tuple(keys))


def fault(row: Any) -> str | None:
    """What migration 033 trips over in this pair of rows, None for nothing."""
    if row["id"] is None:
        return "user" if row["user_id"] is None else None
    blob = decoded(row["blob"])
    if blob is None:
        return "blob"
    if blob.get("secret") != row["secret"]:
        return "secret"
    return "project" if row["project_id"] is not None and row["project_id"] != row["tenant_id"] else None
