"""Most rows of the token table are dead.

What is wrong: expired tokens were never deleted, and they are most of the table.

Why it matters: migrations 024, 025, 035, 036 (Havana) and 055 (Juno) each rebuild or scan the whole table: on a table
of millions this is where the hours of the upgrade go, and keystone is down meanwhile.

How it came about: Grizzly has no command that deletes them; `keystone-manage token_flush` came with Havana.

Repair: delete expired tokens before the upgrade, in small batches by primary key. Keep unexpired ones even if they are
not valid (they are the revocation list), and those without an expiry.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import case, func, select

from dbaudit.check import NOTE, SLOW, WARNING, Audited, Check, Fact, step, until

# Dead rows from which the rebuilds are felt: five passes over 100,000 rows of some 4 kB take minutes on plain disks.
FELT = 100_000
# The least number worth a word; below it, the table is small whatever the share of dead rows.
WORTH_A_WORD = 1_000

check = Check(
    __name__,
    severity=WARNING,
    effect=SLOW,
    releases=until("queens"),
    needs=("token",),
    message="{count} of {total:,} tokens ({share} %) are expired; {rebuilds} pending step(s) rebuild or scan the table",
    remedy="Delete expired tokens before the upgrade, in batches by primary key: DELETE FROM token WHERE "
    "expires < UTC_TIMESTAMP() AND id BETWEEN ... ; keep unexpired ones, valid or not.",
)
REBUILDS = tuple(step("keystone", number) for number in (24, 25, 35, 36, 55))


@check.facts
def dead(audited: Audited) -> Iterator[Fact]:
    token = audited.tables.token
    gone = token.c.expires < func.utc_timestamp()
    query = select(func.count().label("total"), func.count(case((gone, 1))).label("dead"))
    row = audited.one(query.select_from(token))
    total, expired = int(row["total"]), int(row["dead"] or 0)
    if expired < WORTH_A_WORD or 2 * expired < total:
        return
    pending = [stage.step for stage in audited.pending if stage.step in REBUILDS]
    if not pending:
        return
    facts = {"total": total, "share": 100 * expired // total, "rebuilds": len(pending)}
    severity = WARNING if expired >= FELT else NOTE
    yield Fact("token", facts, step=pending[0], count=expired, severity=severity)
