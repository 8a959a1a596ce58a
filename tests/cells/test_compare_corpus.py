"""`cells compare` on real databases: the differences of truth.json, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dbaudit.cells.compare import compare
from dbaudit.cells.looking import Looking
from dbaudit.comparison.side import Side
from tests.flavors.cloud import Dumps

pytestmark = pytest.mark.no_cover  # long, along lines that others take too


@pytest.mark.parametrize("release", ["grizzly", "havana", "kilo"])
def test_finds_the_differences_of_the_truth_and_nothing_else(corpus: Path, dumps: Dumps, release: str) -> None:
    truth = json.loads((corpus / "data/truth.json").read_text())["nova"]["top_vs_cell"]
    result = dumps.told(compare, release)
    found = {
        (each.check, each.message.partition(" have another ")[2].split(" ")[0]): set(each.keys)
        for each in result.findings
    }
    hosts = set(truth["host"])
    power = found.pop(("cells.differs", "power_state"))
    assert power < set(truth["vm_state"])
    assert found == {
        ("cells.only-at-top", ""): set(truth["only_top"]),
        ("cells.only-in-cell", ""): set(truth["only_cell"]),
        ("cells.deleted-at-top", ""): set(truth["deleted_only_at_top"]),
        ("cells.differs", "vm_state"): set(truth["vm_state"]),
        ("cells.differs", "host"): hosts,
        ("cells.differs", "node"): hosts,
        ("cells.differs", "launched_on"): hosts,
        ("cells.device-only-in-cell", ""): set(truth["bdm_only_cell"]),
        ("cells.volume-twice", ""): {truth["volume_in_two_bdm"]["volume"]},
    }
    (twice,) = [each for each in result.findings if each.check == "cells.volume-twice"]
    assert set(twice.facts["uuids"]) == set(truth["volume_in_two_bdm"]["instances"])
    assert not result.skipped


def test_the_values_of_a_difference(corpus: Path, dumps: Dumps) -> None:
    truth = json.loads((corpus / "data/truth.json").read_text())["nova"]["top_vs_cell"]
    (states,) = [each for each in dumps.told(compare, "havana").findings if "another vm_state" in each.message]
    said = {uuid: [facts["top"], facts["cell"]] for uuid, facts in states.facts["instances"].items()}
    assert said == truth["vm_state"]


def test_a_database_against_itself_is_clean(
    corpus: Path, side: Callable[[Path | str], Side], looking: Looking, tmp_path: Path
) -> None:
    one = corpus / "data/nova-cell-havana.sql.gz"
    again = tmp_path / "again.sql.gz"
    again.symlink_to(one)
    result = compare([side(one), side(again)], looking)
    assert not result.findings
    assert str(result.verdict) == "clean"
