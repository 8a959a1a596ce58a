"""The core of a reconcile: the whole table of decisions, the policy, the valve."""

from __future__ import annotations

import itertools

import pytest

from dbaudit.reconcile import Clash, Decision, Policy, Side, Verb, decide, deletes, reconcile, settle, valve

L, R = Side.LEFT, Side.RIGHT
TABLE = {
    # left, right, base
    (None, None, None): Decision(Verb.KEEP),
    (1, None, None): Decision(Verb.CREATE, R),
    (None, 1, None): Decision(Verb.CREATE, L),
    (1, None, 1): Decision(Verb.DELETE, L),
    (None, 1, 1): Decision(Verb.DELETE, R),
    (2, None, 1): Decision(Verb.CONFLICT, clash=Clash.CHANGED_DELETED),
    (None, 2, 1): Decision(Verb.CONFLICT, clash=Clash.CHANGED_DELETED),
    (1, 1, None): Decision(Verb.AGREE),
    (1, 1, 1): Decision(Verb.KEEP),
    (2, 2, 1): Decision(Verb.AGREE),
    (2, 1, 1): Decision(Verb.UPDATE, R),
    (1, 2, 1): Decision(Verb.UPDATE, L),
    (1, 2, None): Decision(Verb.CONFLICT, clash=Clash.DIFFERENT),
    (2, 3, 1): Decision(Verb.CONFLICT, clash=Clash.BOTH_CHANGED),
    (None, None, 1): Decision(Verb.FORGET),
}


def same(record: int, base: int) -> bool:
    return record == base


@pytest.mark.parametrize("state", TABLE, ids=str)
def test_decisions(state: tuple[int | None, int | None, int | None]) -> None:
    assert decide(*state, same) == TABLE[state]


def test_without_a_base_nothing_is_deleted() -> None:
    for left, right in itertools.product((None, 1, 2), repeat=2):
        assert decide(left, right, None, same).verb is not Verb.DELETE


@pytest.mark.parametrize(
    ("left", "right", "policy", "expected"),
    [
        (2, 3, Policy.LEFT, (Verb.UPDATE, R)),
        (2, 3, Policy.RIGHT, (Verb.UPDATE, L)),
        (2, None, Policy.LEFT, (Verb.CREATE, R)),
        (2, None, Policy.RIGHT, (Verb.DELETE, L)),
        (None, 3, Policy.LEFT, (Verb.DELETE, R)),
        (2, 3, Policy.REPORT, (Verb.CONFLICT, None)),
    ],
)
def test_policy(left: int | None, right: int | None, policy: Policy, expected: tuple[Verb, Side | None]) -> None:
    settled = settle(decide(left, right, 1, same), policy, left, right)
    assert (settled.verb, settled.target) == expected
    assert settled.clash is not None


def test_deletes_come_first_and_order_is_defined() -> None:
    acts = list(reconcile({"a": 1, "b": 1, "z": 1}, {"c": 1, "y": 1}, {"z": 1, "y": 1}, same))
    assert [(act.key, act.decision.verb, act.decision.target) for act in acts] == [
        ("y", Verb.DELETE, R), ("z", Verb.DELETE, L),
        ("a", Verb.CREATE, R), ("b", Verb.CREATE, R), ("c", Verb.CREATE, L),
    ]  # fmt: skip
    assert deletes(acts) == 2


def test_two_sides_without_base() -> None:
    acts = {act.key: act.decision for act in reconcile({"a": 1, "b": 1, "d": 1}, {"b": 2, "c": 1, "d": 1})}
    assert acts == {
        "a": Decision(Verb.CREATE, R),
        "b": Decision(Verb.CONFLICT, clash=Clash.DIFFERENT),
        "c": Decision(Verb.CREATE, L),
    }


@pytest.mark.parametrize(
    ("wanted", "base", "confirmed", "open_"),
    [(10, 0, 0, True), (11, 0, 0, False), (11, 0, 11, True), (50, 1000, 0, True), (51, 1000, 0, False)],
)
def test_valve(wanted: int, base: int, confirmed: int, open_: bool) -> None:
    assert valve(wanted, base, confirmed).open is open_
