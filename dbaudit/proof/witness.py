"""Watch a migration step by step: a manifest before, one after each step that shall be watched, and who is to blame.

A step that is not looked at has its losses blamed on the next one that is; at the end everything is read once more.
What counts is what was lost from the first manifest to the last: a value that one step takes away and a later one
brings to its new place is not lost. Each loss is blamed on the step after which it was first seen.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dbaudit.finding import Step
from dbaudit.progress import Watch, silent
from dbaudit.proof.compare import Comparison, compare
from dbaudit.proof.design import Design, design_of
from dbaudit.proof.loss import Loss
from dbaudit.proof.manifest import Manifest
from dbaudit.proof.measure import Known, Place, measure
from dbaudit.proof.survivors import Survivors, load_survivors

if TYPE_CHECKING:
    from dbaudit.migration.steps import StepFacts
    from dbaudit.server.server import Connection


@dataclass(frozen=True, slots=True)
class Seen:
    """What was lost up to a step, from the beginning."""

    step: Step
    comparison: Comparison


class Witness:
    """Takes the manifests of one database while it is migrated. Each look has a connection of its own.

    Without `steps` (those that are pending, from the catalogue) nothing is expected.
    """

    def __init__(
        self, connect: Callable[[], Connection], database: str, place: Place, *, steps: Iterable[StepFacts] = (),
        survivors: Survivors | None = None, watch: Watch = silent,
    ) -> None:  # fmt: skip
        self._connect, self._database, self._place, self._watch = connect, database, place, watch
        self._survivors = load_survivors(place.service) if survivors is None else survivors
        self._design: Design = design_of(steps)
        self._seen: list[Seen] = []
        self.before = self._measured(None)
        self.last: Manifest = self.before

    def after(self, step: Step, touched: frozenset[str] | None = None) -> Comparison:
        """Look at the database after a step: what is lost up to now.

        Costs one reading of the tables that the step may have `touched` (lower case); None is all of them.
        """
        known = None if touched is None else Known(self.last, touched)
        self.last = self._measured(self.before, known)
        found = compare(self.before, self.last, survivors=self._survivors, design=self._design)
        self._seen.append(Seen(step, found))
        return found

    def now(self) -> Comparison:
        """What is lost up to now. A step is named only where the catalogue has a single one that can have done it."""
        self.last = self._measured(self.before)
        return compare(self.before, self.last, survivors=self._survivors, design=self._design)

    def _measured(self, like: Manifest | None, known: Known | None = None) -> Manifest:
        with contextlib.closing(self._connect()) as connection:
            return measure(
                connection, self._database, self._place, self._survivors, like=like, known=known, watch=self._watch
            )

    def conclude(self) -> Comparison:
        """What is lost since the beginning, read once more as a whole, each loss with its step where one was seen."""
        last = self.now()
        return replace(last, losses=tuple(blamed for loss in last.losses for blamed in self._blame(loss)))

    def _blame(self, loss: Loss) -> Iterator[Loss]:
        """The loss, or one for each of the steps that share it."""
        names = dict(zip(loss.marks, loss.names, strict=False))
        left, counted, told = dict.fromkeys(loss.marks), 0, []
        for seen in self._seen:
            for known in seen.comparison.losses:
                if known.object != loss.object or (not loss.marks and known.number != loss.number):
                    continue
                fresh = [mark for mark in known.marks if mark in left]
                count = len(fresh) if loss.marks else max(min(known.count, loss.count) - counted, 0)
                if count:
                    named = tuple(names[mark] for mark in fresh) if names else loss.names
                    told.append(replace(loss, step=seen.step, count=count, marks=tuple(fresh), names=named))
                left = {mark: None for mark in left if mark not in fresh}
                counted += count
        if len(told) > 1:
            told = [replace(each, what=f"{loss.what} (here {each.count:,} of them)") for each in told]
        yield from told or (loss,)
