"""The nineteen ways in which a migration loses data, and what one loss is. How each is found: the modules `lost_*`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dbaudit.finding import KEYS_SHOWN, Effect, Finding, Severity, Step


@dataclass(frozen=True, slots=True)
class Class:
    """A class of loss: its number, the last part of its id, what to do about it."""

    number: int
    slug: str
    title: str
    remedy: str


_BEFORE = "Copy what is lost from the dump taken before, and repair the cause before the real upgrade."
CLASSES = {
    each.number: each
    for each in (
        Class(1, "table-dropped", "a dropped table that had rows", "Copy the table elsewhere before the upgrade."),
        Class(2, "values-dropped", "values of a column that was dropped or emptied", "Save the column before."),
        Class(3, "rows-gone", "rows that are gone", _BEFORE),
        Class(4, "text-cut", "text that was cut", "Shorten the values before, or widen the column."),
        Class(5, "number-clipped", "numbers that were clipped or rounded", "Correct the values or the type before."),
        Class(6, "sign-or-zero-date", "a sign or a date that was lost", "Correct the values or the type before."),
        Class(7, "charset-damage", "characters that became others", "Convert with the charset that the bytes are in."),
        Class(8, "null-and-empty", "NULL and empty text taken for each other", _BEFORE),
        Class(9, "rows-merged", "rows merged by a unique key", "Tell the duplicates apart before the upgrade."),
        Class(10, "choice-lost", "enum values lost or shifted", "Keep the members and their order."),
        Class(11, "keys-equal", "keys that a new collation calls equal", "Rename one of each before the upgrade."),
        Class(12, "json-names-lost", "names lost in re-encoded JSON", _BEFORE),
        Class(13, "cascaded", "rows deleted by a foreign key's cascade", _BEFORE),
        Class(14, "not-all-moved", "values that did not arrive where the others went", _BEFORE),
        Class(15, "deleted-skipped", "soft-deleted rows that were left behind", "Archive or purge them before."),
        Class(16, "counter-reset", "an AUTO_INCREMENT that gives out ids again",
              "Set the counter back: ALTER TABLE ... AUTO_INCREMENT = N."),
        Class(17, "time-shifted", "times shifted by hours", "Convert in the time_zone of the data."),
        Class(18, "constant-written", "values overwritten by one constant", _BEFORE),
        Class(19, "soft-deleted", "rows that appear soft-deleted, or neither deleted nor not", "Look at each, and set "
              "`deleted` by hand where it is wrong."),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Loss:
    """Values or rows that were lost. `names` are natural keys, `marks` their rows as hashes, in the same order."""

    number: int
    object: str
    what: str
    count: int
    names: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    expected: bool = False
    step: Step | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()

    @property
    def finding(self) -> Finding:
        """The loss as reports have it."""
        kind = CLASSES[self.number]
        return Finding(
            check=f"proof.{kind.slug}",
            severity=Severity.WARNING if self.expected else Severity.ERROR,
            effect=Effect.LOSES,
            object=self.object,
            message=f"{kind.title}: {self.what}" + (", as upstream means it to" if self.expected else ""),
            step=self.step,
            confirmed=True,
            expected=self.expected,
            count=self.count,
            keys=tuple(sorted(set(self.names)))[:KEYS_SHOWN],
            facts={"class": self.number, **self.facts},
            evidence=self.evidence,
            remedy=kind.remedy,
        )
