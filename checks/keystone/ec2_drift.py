"""EC2 keys that differ between `ec2_credential` and `credential` while both are in use.

What is wrong: a database of Havana or later has `ec2_credential` again, for Grizzly nodes that still run, and an
access key stands in one of the tables only, or in both with another secret, user or project.

Why it matters: a key that was created, revoked or changed on one side does not work, or still works, on the other.
A revoked key that still works is a hole.

How it came about: migration 033 moves the keys once; afterwards each release writes its own table only.

Repair: `dbaudit ec2 check URL` names the keys, `dbaudit ec2 sync URL --apply` carries them over in both directions,
revocations included, once it has seen both sides in step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from dbaudit.check import DRIFT, WARNING, Audited, Cannot, Check, Fact, since
from dbaudit.packs.keystone._ec2 import Key, decode, key_of, row_id
from dbaudit.packs.keystone._ec2_pairs import pairs

check = Check(
    __name__,
    severity=WARNING,
    effect=DRIFT,
    releases=since("havana"),
    message="{count} EC2 key(s) are {why}",
    remedy="`dbaudit ec2 check URL` says more; `dbaudit ec2 sync URL --apply` carries keys over.",
)
REASONS = {
    "grizzly": "in `ec2_credential` only",
    "havana": "in `credential` only",
    "different": "in both tables, but with another secret, user, project or limit",
}


@check.facts
def drift(audited: Audited) -> Iterator[Fact]:
    if not {"ec2_credential", "credential"} <= audited.schema.tables.keys():  # as it should be from Havana on
        return
    if audited.schema.tables["credential"].column("blob") is None:
        raise Cannot("the blobs are encrypted (Newton and later): `dbaudit ec2 check --fernet-keys DIR` reads them")
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    for row in audited.rows(pairs(audited.tables)):
        seen.add(row_id(row["access"]))
        if reason := fault(row):
            found.setdefault(reason, []).append(row["access"])
    new = audited.tables.credential
    for row in audited.rows(select(new.c.id, new.c.blob).where(new.c.type == "ec2").order_by(new.c.id)):
        blob = None if row["id"] in seen else decode(row["blob"])
        key = key_of(blob, None, None)
        if key is not None and key.id == row["id"]:  # others no EC2 API can see
            found.setdefault("havana", []).append(key.access)
    for reason, keys in sorted(found.items()):
        yield Fact("ec2_credential", {"reason": reason, "why": REASONS[reason]}, count=len(keys), keys=tuple(keys))


def fault(row: Any) -> str | None:
    """How this row of `ec2_credential` differs from its twin, None where it does not."""
    if row["id"] is None:
        return "grizzly"
    there = key_of(decode(row["blob"]), row["owner"], row["project_id"])
    here = Key(row["access"], row["secret"], row["user_id"], row["tenant_id"])
    return None if there == here else "different"
