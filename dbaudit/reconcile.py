"""Two sides of one truth, with or without a base: what must be done to each key so that they agree.

A side is a mapping of canonical records by a natural key (an access key, a flavorid), never by an auto-increment id.
The base is what both sides last agreed on. With it creates, updates, deletes and conflicts are told apart; without it
nothing is ever deleted, and a difference is a conflict. Nothing here reads or writes a database: callers do, and they
decide a second time about the rows that they have locked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from dbaudit.errors import DbauditError, Exit

K = TypeVar("K")
R = TypeVar("R")
B = TypeVar("B")

# The safety valve: the share of the base whose deletion is taken for an accident, and how many are never one.
VALVE_SHARE = 0.05
VALVE_LEAST = 10


class Refused(DbauditError):
    """Something that would be dangerous to do (exit 2); nothing was changed, unless the text says so."""

    exit = Exit.FAILED


class Verb(StrEnum):
    """What becomes of a key."""

    KEEP = "keep"  # both sides and the base agree
    AGREE = "agree"  # both sides agree; the base is to be told
    FORGET = "forget"  # gone from both sides; the base is to be told
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    CONFLICT = "conflict"


class Side(StrEnum):
    """Which of two."""

    LEFT = "left"
    RIGHT = "right"

    @property
    def other(self) -> Side:
        """The side that this one is not."""
        return Side.RIGHT if self is Side.LEFT else Side.LEFT


class Clash(StrEnum):
    """Why a key is a conflict."""

    DIFFERENT = "different"  # the two differ, and no base says which one changed
    BOTH_CHANGED = "both changed"
    CHANGED_DELETED = "changed against deleted"


class Policy(StrEnum):
    """What is done with conflicts: nothing but telling, or one side is right."""

    REPORT = "report"
    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Decision:
    """What must be done: `target` is the side that is written, None for the base alone; `clash` says why a conflict
    is one, also where the policy settled it.
    """

    verb: Verb
    target: Side | None = None
    clash: Clash | None = None


@dataclass(frozen=True, slots=True)
class Act(Generic[K, R]):
    """A decision about one key, with the records that it was made from."""

    key: K
    decision: Decision
    left: R | None
    right: R | None


def decide(left: R | None, right: R | None, base: B | None, agrees: Callable[[R, B], bool]) -> Decision:
    """What must become of one key; `agrees` tells whether a record is what the base says."""
    if left is not None and right is not None:
        return _both(left, right, base, agrees)
    if left is None and right is None:
        return Decision(Verb.FORGET if base is not None else Verb.KEEP)
    there, here = (left, Side.LEFT) if left is not None else (right, Side.RIGHT)
    assert there is not None
    if base is None:
        return Decision(Verb.CREATE, here.other)
    if agrees(there, base):
        return Decision(Verb.DELETE, here)
    return Decision(Verb.CONFLICT, clash=Clash.CHANGED_DELETED)


def _both(left: R, right: R, base: B | None, agrees: Callable[[R, B], bool]) -> Decision:
    if left == right:
        return Decision(Verb.KEEP if base is not None and agrees(left, base) else Verb.AGREE)
    if base is None:
        return Decision(Verb.CONFLICT, clash=Clash.DIFFERENT)
    if agrees(right, base):
        return Decision(Verb.UPDATE, Side.RIGHT)
    if agrees(left, base):
        return Decision(Verb.UPDATE, Side.LEFT)
    return Decision(Verb.CONFLICT, clash=Clash.BOTH_CHANGED)


def settle(decision: Decision, policy: Policy, left: object | None, right: object | None) -> Decision:
    """The decision with a conflict settled: the side that is right is copied over, deletions included."""
    if decision.verb is not Verb.CONFLICT or policy is Policy.REPORT:
        return decision
    target = Side.RIGHT if policy is Policy.LEFT else Side.LEFT
    source, present = (left, right) if target is Side.RIGHT else (right, left)
    verb = Verb.DELETE if source is None else Verb.CREATE if present is None else Verb.UPDATE
    return Decision(verb, target, decision.clash)


def reconcile(
    left: Mapping[K, R], right: Mapping[K, R], base: Mapping[K, B] | None = None,
    agrees: Callable[[R, B], bool] = lambda _record, _base: False, policy: Policy = Policy.REPORT,
    order: Callable[[K], object] = lambda key: key,
) -> Iterator[Act[K, R]]:  # fmt: skip
    """What must be done to make two sides agree: every key that is not kept, deletes first, then in key order."""
    known = base or {}
    acts: list[Act[K, R]] = []
    for key in {*left, *right, *known}:
        here, there = left.get(key), right.get(key)
        decision = settle(decide(here, there, known.get(key), agrees), policy, here, there)
        if decision.verb is not Verb.KEEP and not (base is None and decision.verb is Verb.AGREE):
            acts.append(Act(key, decision, here, there))
    yield from sorted(acts, key=lambda act: (act.decision.verb is not Verb.DELETE, order(act.key)))


@dataclass(frozen=True, slots=True)
class Valve:
    """The safety valve: how many deletes are wanted, and how many are allowed without being confirmed."""

    wanted: int
    allowed: int

    @property
    def open(self) -> bool:
        """Whether the deletes may go on."""
        return self.wanted <= self.allowed


def valve(wanted: int, base: int, confirmed: int = 0, share: float = VALVE_SHARE) -> Valve:
    """The valve for `wanted` deletes against a base of that many keys; `confirmed` are allowed in any case."""
    return Valve(wanted, max(VALVE_LEAST, int(base * share), confirmed))


def deletes(acts: Iterable[Act[K, R]]) -> int:
    """How many of the acts delete."""
    return sum(act.decision.verb is Verb.DELETE for act in acts)
