"""Something that a pending migration creates is there already.

What is wrong: a table, column, index or foreign key has the name of one that a pending migration is going to create,
and the migration does not look before it creates it.

Why it matters: the migration stops at that statement (errors 1050, 1060, 1061, 1022). MySQL cannot roll back what the
migration did before it, the version is not raised, and a second run stops earlier.

How it came about: a change of a later release was backported, a site added a column of the same name, or an earlier
run of this very migration stopped half-way.

Repair: rename the site's object before the upgrade and copy its values back afterwards; drop it if it is upstream's
own from a run that stopped.
"""

from __future__ import annotations

from collections.abc import Iterator

from dbaudit.check import BLOCKS, ERROR, Audited, Check, Fact, Trouble

check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    message="`{object}` is there already, and {step} does not expect it: {work} fails with {error}{detail}",
    remedy="Rename or drop `{object}` before the upgrade; keep its values if they are the site's own. "
    "If an earlier run of {step} stopped half-way, restore the dump from before it.",
)


@check.facts
def clashes(audited: Audited) -> Iterator[Fact]:
    for stage in audited.pending:
        for clash in stage.clashes:
            if clash.trouble is Trouble.EXISTS:
                detail = f" ({clash.detail})" if clash.detail else ""
                facts = {"work": clash.work, "error": clash.error, "detail": detail, "step": str(stage.step)}
                yield Fact(clash.object, facts, step=stage.step, keys=(clash.object,))
