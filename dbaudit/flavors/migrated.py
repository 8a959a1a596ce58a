"""What became of each database's instances in the Kilo migration, and how that is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from dbaudit.cells.looking import database_of
from dbaudit.comparison.side import Side
from dbaudit.finding import Effect, Finding, Severity, Verdict
from dbaudit.result import Result

WORK = "flavors migrate"


@dataclass
class Done:
    """What became, or would become, of one database's instances."""

    label: str
    counts: Counter[str] = field(default_factory=Counter)
    left: dict[str, str] = field(default_factory=dict)
    disagree: list[str] = field(default_factory=list)
    run: int | None = None

    def as_dict(self) -> dict[str, object]:
        """The outcome as JSON has it."""
        return {"database": self.label, **dict(sorted(self.counts.items())), "left": dict(self.left), "run": self.run}


def result(sides: Sequence[Side], done: Sequence[Done], *, apply: bool) -> Result:
    """The result; `apply` says whether it was done or planned."""
    findings = [_left(one) for one in done if one.left] + [_disagree(one) for one in done if one.disagree]
    notes = []
    for side, one in zip(sides, done, strict=True):
        counts = ", ".join(f"{count:,} {how}" for how, count in sorted(one.counts.items()))
        notes.append(f"{one.label}: {'written' if apply else 'would be written'}: {counts or 'nothing'}")
        if one.run is not None:
            notes.append(f"{one.label}: run {one.run}, undone by `dbaudit undo {side.operand} {one.run}`")
    verdict = Verdict.WARNINGS if apply and findings else Verdict.CLEAN
    runs = [f"{side.operand}: run {one.run}" for side, one in zip(sides, done, strict=True) if one.run is not None]
    return Result(
        WORK, verdict, databases=tuple(map(database_of, sides)), findings=tuple(findings), notes=tuple(notes),
        extra={"state": "done" if apply else "planned", "plan": [one.as_dict() for one in done], "runs": runs},
    )  # fmt: skip


def _left(one: Done) -> Finding:
    return Finding(
        "flavors.not-proven", Severity.WARNING, Effect.ADVICE, "instance_extra.flavor",
        f"the flavor of {len(one.left)} live instances in {one.label} is not written: nothing proves it",
        count=len(one.left), keys=tuple(sorted(one.left)),
        facts={"database": one.label, "instances": dict(one.left)}, remedy="find each flavor out by hand",
    )  # fmt: skip


def _disagree(one: Done) -> Finding:
    return Finding(
        "flavors.kilo-disagrees", Severity.WARNING, Effect.ADVICE, "instance_extra.flavor",
        f"what Kilo makes of {len(one.disagree)} live instances in {one.label} is not what their own columns say",
        count=len(one.disagree), keys=tuple(sorted(one.disagree)), facts={"database": one.label},
        remedy="find out what the hypervisor gave them, and correct the other place",
    )  # fmt: skip
