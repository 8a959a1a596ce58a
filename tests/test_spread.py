"""Heavy cases run on one server each, always the same; every other test on all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from tests import spread

WISHES = ["mariadb", "mysql:5.6", "mysql:9"]


@dataclass(frozen=True)
class Case:
    """What `spread` looks at of a test."""

    name: str
    wish: str | None
    heavy: bool = True

    @property
    def nodeid(self) -> str:
        words = "-".join(filter(None, (self.wish, "word")))
        return f"tests/mariadb/test_{self.name}.py::test[{words}]"

    def get_closest_marker(self, name: str) -> object:
        return name if self.heavy and name == "heavy" else None


def run(cases: list[Case], here: list[str] = WISHES) -> tuple[set[Case], dict[str, int]]:
    done = spread.spread(cast(Any, cases), lambda each: cast(Any, each).wish, here)
    kept = {cast(Case, each) for each in done.kept}
    assert kept | {cast(Case, each) for each in done.left_out} == set(cases)
    assert len(done.kept) + len(done.left_out) == len(cases)
    return kept, done.chosen


@pytest.fixture(autouse=True)
def _spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "EVERYWHERE", False)


def test_each_case_once_and_every_server_has_its_share() -> None:
    cases = [Case(f"n{number}", wish) for number in range(60) for wish in WISHES]
    kept, chosen = run(cases)
    assert sorted(each.name for each in kept) == sorted({each.name for each in cases})
    assert all(count > 10 for count in chosen.values()) and sum(chosen.values()) == 60
    assert run(cases[::-1]) == (kept, chosen)
    assert "60 cases of heavy tests ran on one server each" in spread.told(chosen)


def test_what_is_not_heavy_or_asks_for_no_server_stays_as_it_is() -> None:
    cases = [Case("light", wish, heavy=False) for wish in WISHES] + [Case("free", None)]
    assert run(cases) == (set(cases), {})


def test_a_case_goes_to_a_server_that_is_here() -> None:
    cases = [Case(f"n{number}", wish) for number in range(20) for wish in WISHES]
    kept, chosen = run(cases, ["mysql:9"])
    assert {each.wish for each in kept} == {"mysql:9"} and len(kept) == 20
    assert chosen == {}  # there was nothing to choose
    assert run(cases, [])[0] == set(cases)  # each is skipped, and says so


def test_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "EVERYWHERE", True)
    cases = [Case("n", wish) for wish in WISHES]
    assert run(cases) == (set(cases), {})
