"""How much a run may do, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dbaudit.errors import UsageError
from dbaudit.repair.lease import SECONDS
from dbaudit.repair.link import PATIENCE
from dbaudit.repair.pace import TARGET
from dbaudit.repair.plan import Plan

# Seconds between two looks at a row that is bad because another is absent. A service writes the two rows of one thing
# in one transaction, or within a request; a minute is longer than either.
LOOKS_APART = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a run may do: rows, share of a table (None for any), and the time a chunk should take in seconds."""

    max_rows: int | None = None
    max_share: float | None = None
    chunk_seconds: float = TARGET
    looks_apart: float = LOOKS_APART
    lease_seconds: int = SECONDS
    patience: float = PATIENCE


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did. `rows` counts rows changed in all, counters left out; `resumed` says that it went on.

    `later` counts bad rows that came while it ran, behind the end of its walks; the next run takes them.
    """

    run: int | None
    work: str
    rows: int
    chunks: int
    seconds: float
    waited: float
    resumed: bool
    later: int
    plan: Plan = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The outcome as JSON has it."""
        return {
            "run": self.run, "check": self.work, "rows": self.rows, "chunks": self.chunks,
            "seconds": round(self.seconds, 3), "waited": round(self.waited, 3), "resumed": self.resumed,
            "later": self.later,
        }  # fmt: skip


def check_limits(plan: Plan, limits: Limits) -> None:
    """Raise UsageError where the plan is more than was allowed."""
    if limits.max_rows is not None and plan.rows > limits.max_rows:
        raise UsageError(
            f"{plan.work.name} would change {plan.rows:,} rows, more than --max-rows {limits.max_rows:,}",
            "look at the plan, and allow more if it is right",
        )
    for each in plan.parts:
        share = each.rows / each.total if each.total else 0.0
        if limits.max_share is not None and not each.part.derived and share > limits.max_share:
            raise UsageError(
                f"{each.part.name} would change {each.rows:,} of {each.total:,} rows of `{each.part.table}` "
                f"({share:.0%}), more than --max-share {limits.max_share:.0%}",
                "look at the plan, and allow more with --max-share if it is right",
            )
