"""How a dry-run goes through the steps: what is looked at, and what is done when one fails."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    """`manifests` says when the data is read for the proof of losses, `observe` whether each step gets a record."""

    manifests: Manifests = Manifests.TOUCHED
    observe: bool = True
