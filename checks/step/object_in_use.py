"""Something that a pending migration drops is still needed by a foreign key that upstream does not know.

What is wrong: a foreign key of the site's refers to a table, column or index that a pending migration drops, or has no
other index than that one.

Why it matters: the server refuses the drop (errors 1217, 1553), and the migration stops with what it did before left in
place.

How it came about: site tables with foreign keys into the service's tables.

Repair: drop the foreign key before the upgrade, and make it again afterwards where its target still exists.
"""

from __future__ import annotations

from collections.abc import Iterator

from dbaudit.check import BLOCKS, ERROR, Audited, Check, Fact, Trouble

check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    message="`{object}` cannot be dropped by {step}, it is {detail}: {work} fails with {error}",
    remedy="Drop that foreign key before the upgrade; make it again afterwards if its target still exists.",
)


@check.facts
def clashes(audited: Audited) -> Iterator[Fact]:
    for stage in audited.pending:
        for clash in stage.clashes:
            if clash.trouble is Trouble.IN_USE:
                facts = {"work": clash.work, "error": clash.error, "detail": clash.detail, "step": str(stage.step)}
                yield Fact(clash.object, facts, step=stage.step, keys=(clash.object,))
