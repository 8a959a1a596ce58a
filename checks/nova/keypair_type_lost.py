"""Types of key pairs that Kilo throws away.

What is wrong: `key_pairs` has a column `type` already, with values other than 'ssh'.

Why it matters: migration 275 (Kilo) drops such a column and makes it anew with the default 'ssh': x509 certificates
then count as SSH keys.

How it came about: the column was back-ported from Kilo.

Repair: copy id and type elsewhere before the upgrade, and set them again afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from dbaudit.check import ERROR, LOSES, Audited, Check, Fact, step

check = Check(
    __name__,
    severity=ERROR,
    effect=LOSES,
    before=step("nova", 275),
    needs=("key_pairs",),
    message="migration 275 drops `key_pairs.type` and makes it anew: {count} key pair(s) that are not of type ssh "
    "become so",
    remedy="Before: `CREATE TABLE saved_key_types AS SELECT id, type FROM key_pairs WHERE type <> 'ssh'`; after: "
    "`UPDATE key_pairs k JOIN saved_key_types s ON s.id = k.id SET k.type = s.type`.",
)


@check.facts
def lost(audited: Audited) -> Iterator[Fact]:
    if audited.schema.tables["key_pairs"].column("type") is None:
        return
    pair = audited.tables.key_pairs
    query = select(pair.c.id, pair.c.user_id, pair.c.name).where(pair.c.type != "ssh")
    count, keys = audited.sample(query, "user_id", "name")
    if count:
        yield Fact("key_pairs.type", count=count, keys=keys)
