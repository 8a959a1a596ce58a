"""A whole cloud, Grizzly to Havana: one plan, one report, the window of each service."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Dbaudit

pytestmark = [pytest.mark.slow, pytest.mark.server("mariadb")]
PLAN = """
[plan]
to = "havana"
server = "private"
runner = "reference"

[[plan.database]]
name = "cell"
operand = "data/nova-cell-grizzly.sql.gz"
role = "cell"

[[plan.database]]
name = "top"
operand = "data/nova-top-grizzly.sql.gz"
role = "top"
beside = ["data/keystone-grizzly.sql.gz"]

[[plan.database]]
name = "volumes"
operand = "data/cinder-grizzly.sql.gz"

[[plan.database]]
name = "identity"
operand = "data/keystone-grizzly.sql.gz"
"""
# Where each stands, and where Havana is: the numbers of its steps.
NUMBERS = {"identity": ("keystone", 23, 36), "volumes": ("cinder", 10, 21), "top": ("nova", 162, 216)}
NUMBERS["cell"] = NUMBERS["top"]


def test_the_windows_of_a_cloud(dbaudit: Dbaudit, corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(corpus / "data")
    path = tmp_path / "cloud.toml"
    path.write_text(PLAN)
    ran = dbaudit("dry-run", "--plan", path, "--format", "json", within=600)
    assert ran.code in (1, 2), ran.err
    report = ran.json
    assert [each["label"] for each in report["databases"]] == ["identity", "volumes", "top", "cell"]
    for label, (repository, first, last) in NUMBERS.items():
        ran_here = [each for each in report["steps"] if each["database"] == label]
        assert [each["step"] for each in ran_here] == [f"{repository}:{n}" for n in range(first, last + 1)], label
        assert {each["status"] for each in ran_here} == {"ok"}, label
        assert report["by_database"][label]["basis"] == "rehearsed-structure"
    window = report["window"]["stages"]
    assert [each["stage"] for each in window] == ["keystone", "cinder", "nova top", "nova cells"]
    assert all(each["seconds"] > 0 for each in window)
    assert report["window"]["seconds"] == pytest.approx(sum(each["seconds"] for each in window), abs=0.01)
    assert not [each for each in report["findings"] if each["check"] == "plan.not-rehearsed"]
