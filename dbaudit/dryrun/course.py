"""How a dry-run goes through the steps: what is looked at, and what is done when one fails."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dbaudit.finding import Step


class Manifests(StrEnum):
    """When the data is read for the proof of losses.

    TOUCHED: before, after each step the tables that it may have changed, and all of them after the last. EVERY_STEP:
    all of them after each. ENDS: before the first and after the last, so that a loss has no step but by the catalogue.
    """

    TOUCHED = "touched"
    EVERY_STEP = "every-step"
    ENDS = "ends"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Course:
    """`manifests` says when the data is read for the proof of losses, `observe` whether each step gets a record.

    `continue_after` are steps (`cinder:11`, or `all`) after whose failure the next are run all the same, `restart_at`
    the first to run, `retry` whether a failed one is run once more. `keep` leaves the server running; `rollback` has
    the dump restored once more, to see how long that takes.
    """

    manifests: Manifests = Manifests.TOUCHED
    observe: bool = True
    continue_after: tuple[str, ...] = ()
    restart_at: str | None = None
    retry: bool = False
    keep: bool = False
    rollback: bool = False

    def continues(self, step: Step) -> bool:
        """Whether the next step is run although this one failed."""
        return bool({"all", str(step)}.intersection(self.continue_after))
