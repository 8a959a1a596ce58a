"""Figures of compute nodes that Icehouse drops.

What is wrong: `compute_node_stats` or its shadow table has rows.

Why it matters: migration 233 (Icehouse) drops both tables and adds a column `compute_nodes.stats` that starts as '{}'.
Upstream means it to: compute services report the figures anew. Reports of the site that read the table break.

How it came about: this is what Grizzly and Havana keep there.

Repair: none is needed; copy the table elsewhere if anything of yours reads it.
"""

from __future__ import annotations

from collections.abc import Iterator

from dbaudit.check import LOSES, NOTE, Audited, Check, Fact, step

check = Check(
    __name__,
    severity=NOTE,
    effect=LOSES,
    expected=True,
    before=step("nova", 233),
    message="migration 233 drops `{object}` with {count} row(s); compute services report the figures anew",
    remedy="Copy `{object}` elsewhere before the upgrade if anything of yours reads it.",
)


@check.facts
def dropped(audited: Audited) -> Iterator[Fact]:
    for name in ("compute_node_stats", "shadow_compute_node_stats"):
        if count := audited.row_counts.get(name, 0):
            yield Fact(name, count=count, keys=(name,))
