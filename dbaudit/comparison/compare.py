"""The comparison of two sides: each difference with what is known about it, and the result that commands report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dbaudit.comparison.normalised import Normalised, normalised
from dbaudit.comparison.policy import Judgement, Policy
from dbaudit.comparison.renames import Candidate, candidates
from dbaudit.comparison.side import Side
from dbaudit.errors import UsageError
from dbaudit.migration.catalogue import load_catalogue
from dbaudit.migration.steps import StepFacts
from dbaudit.migration.variants import Variant, explain
from dbaudit.release import Release
from dbaudit.schema.diff import diff
from dbaudit.schema.difference import Difference


@dataclass(frozen=True, slots=True)
class Judged:
    """A difference, and why it may be no more than a note: a known variant, or the site's own object."""

    difference: Difference
    variant: Variant | None = None
    judgement: Judgement | None = None

    @property
    def note(self) -> bool:
        """Whether it is no more than a note."""
        accepted = self.judgement is not None and self.judgement.accepted
        return self.difference.harmless or self.variant is not None or accepted


@dataclass(frozen=True)
class Comparison:
    """Two sides and what is different from the left to the right one."""

    left: Side
    right: Side
    judged: tuple[Judged, ...] = ()
    renames: tuple[Candidate, ...] = ()
    equal: tuple[Normalised, ...] | None = None
    pending: tuple[StepFacts, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def different(self) -> tuple[Judged, ...]:
        """The differences that are more than notes."""
        return tuple(each for each in self.judged if not each.note)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is looked for besides differences."""

    policy: Policy = field(default_factory=Policy)
    target: Release | None = None
    show_normalised: bool = False


def compare(left: Side, right: Side, wishes: Wishes | None = None) -> Comparison:
    """The differences from left to right. Raises UsageError for a target where nobody knows the pending steps."""
    wishes = wishes or Wishes()
    pending = _pending(left, right, wishes.target)
    found = diff(left.schema, right.schema)
    judged = tuple(_judged(left, right, found, wishes.policy, pending))
    return Comparison(
        left,
        right,
        judged,
        candidates(left, right, found),
        normalised(left.schema, right.schema) if wishes.show_normalised else None,
        pending,
        tuple(_notes(left, right, wishes.policy, judged)),
    )


def _judged(
    left: Side, right: Side, found: Sequence[Difference], policy: Policy, pending: tuple[StepFacts, ...]
) -> Iterator[Judged]:
    database = left if right.reference else right
    known = _variants(left, right, found)
    for each, variant in zip(found, known, strict=True):
        yield Judged(each, variant, policy.judge(each, database.service, pending, database.schema))


def _variants(left: Side, right: Side, found: Sequence[Difference]) -> list[Variant | None]:
    """The known variant that each difference belongs to; only between databases of one service at one release."""
    nothing: list[Variant | None] = [None] * len(found)
    service, at = left.service, left.reference or right.reference or left.release
    releases = {side.release for side in (left, right) if side.release is not None}
    if service is None or service != right.service or at is None or len(releases) > 1:
        return nothing
    forward = [] if right.reference else _explained(service, at, found)
    back = [] if left.reference else _explained(service, at, [each.reversed() for each in found])
    return [one or two for one, two in zip(forward or nothing, back or nothing, strict=True)]


def _explained(service: str, at: Release, found: Iterable[Difference]) -> list[Variant | None]:
    return [variant for _, variant in explain(service, at, found)]


def _pending(left: Side, right: Side, target: Release | None) -> tuple[StepFacts, ...]:
    """The steps that the database has before it: up to the target, or to the release of a later reference."""
    database, other = (left, right) if right.reference else (right, left)
    goal = target or other.reference
    if goal is None or (database.reference and target is None):
        return ()
    catalogue = load_catalogue(database.service) if database.service else None
    numbers = database.versions.numbers
    if catalogue is None or not numbers or not catalogue.covers(numbers):
        if target is None:
            return ()
        raise UsageError(
            f"the steps from {database.operand} to {target} are not known",
            "its migration numbers cannot be read, or its service has no step catalogue",
        )
    return catalogue.pending(numbers, goal)


def _notes(left: Side, right: Side, policy: Policy, judged: Iterable[Judged]) -> Iterator[str]:
    if left.service and right.service and left.service != right.service:
        yield f"{left.label} is of {left.service}, {right.label} of {right.service}"
    used = {each.judgement.own for each in judged if each.judgement}
    for own in policy.own:
        if own not in used and own.service in (None, left.service, right.service):
            yield f"{policy.source}: nothing here is the {own.text} of {own.owner}"
    if not left.schema.tables and not right.schema.tables:
        yield "neither side has a table"
