"""Something that a pending migration changes or drops by name is not there.

What is wrong: a pending migration changes a table or column, or drops an index, foreign key or table by the name that
upstream gave it, and nothing has that name.

Why it matters: the migration stops at that statement (errors 1146, 1091, 1054, 1051, 1072), with what it did before
left in place.

How it came about: the object was dropped or renamed by hand, or was made anew under another name by a restore or by a
tool that rebuilds tables.

Repair: give the object its upstream name back (often it is there under another one), or create it again.
"""

from __future__ import annotations

from collections.abc import Iterator

from dbaudit.check import BLOCKS, ERROR, Audited, Check, Fact, Trouble

check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    message="`{object}` is not there, and {step} needs it: {work} fails with {error}{detail}",
    remedy="Create `{object}` before the upgrade as the release has it, or rename what stands in its place.",
)


@check.facts
def clashes(audited: Audited) -> Iterator[Fact]:
    for stage in audited.pending:
        for clash in stage.clashes:
            if clash.trouble is Trouble.MISSING:
                detail = f" ({clash.detail})" if clash.detail else ""
                facts = {"work": clash.work, "error": clash.error, "detail": detail, "step": str(stage.step)}
                yield Fact(clash.object, facts, step=stage.step, keys=(clash.object,))
