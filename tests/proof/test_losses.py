"""Each of the nineteen losses is found, as itself and nothing else, and its harmless twin is not."""

from __future__ import annotations

import pytest

from dbaudit.finding import Effect
from dbaudit.proof.loss import CLASSES
from dbaudit.server.server import Server
from tests.proof.conftest import lost
from tests.proof.losses import CASCADE, CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.number} {case.id}")
def test_loss(server: Server, schema: str, case: Case) -> None:
    (finding,) = lost(server, schema, case.before, case.loss).findings
    assert finding.facts["class"] == case.number
    assert (finding.effect, finding.object, finding.keys) == (Effect.LOSES, case.object, case.keys)
    assert finding.count == (case.count or len(case.keys))
    assert not finding.expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.number} {case.id}")
def test_harmless_twin(server: Server, schema: str, case: Case) -> None:
    assert lost(server, schema, case.before, case.twin).findings == ()


def test_cascade(server: Server, schema: str) -> None:
    found = {finding.object: finding for finding in lost(server, schema, CASCADE.before, CASCADE.loss).findings}
    assert {name: (each.facts["class"], each.keys) for name, each in found.items()} == {
        "p": (3, ("id 2",)),
        "c": (13, ("id 8",)),
    }
    assert found["c"].facts["parent"] == "p"


def test_cascade_twin(server: Server, schema: str) -> None:
    assert lost(server, schema, CASCADE.before, CASCADE.twin).findings == ()


def test_every_class_has_a_case() -> None:
    assert {case.number for case in (*CASES, CASCADE)} == set(CLASSES) == set(range(1, 20))
