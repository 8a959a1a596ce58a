"""A reconcile is undone from the command line, by the words that it prints."""

from __future__ import annotations

import json

import pytest

from dbaudit.cli.app import run
from tests.flavors.cloud import CONFIRMED, Cloud


@pytest.mark.server("mariadb")
def test_a_reconcile_is_undone_from_the_command_line(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.run(cloud.cell, *CONFIRMED)
    before = cloud.contents(cloud.cell)
    top, cell = (cloud.url(name).render_as_string(hide_password=False) for name in (cloud.top, cloud.cell))
    journal = ["--journal-schema", cloud.journal, "--quiet"]
    code = run(["flavors", "reconcile", top, cell, "--authority", "top", "--apply", "--format", "json", *journal])
    report = json.loads(capsys.readouterr().out)
    assert code == 1  # instances whose flavor nothing proves
    (said,) = report["runs"]
    after = cloud.contents(cloud.cell)
    assert after != before
    undo = ["undo", cell, said.rpartition(" ")[2].rstrip("`"), "--apply", "--journal-schema", cloud.journal]
    ((alive,),) = cloud.run(cloud.cell, "SELECT updated_at FROM services WHERE id = 2")
    ((images,),) = cloud.run(cloud.journal, "SELECT images FROM image WHERE tbl = 'instance_types'")
    sides = [{row for (row,) in cloud.run(cloud.journal, f"SELECT id FROM `{images}` WHERE dbaudit_side = {side}")}
             for side in (0, 1)]  # fmt: skip
    given = min(sides[1] - sides[0])
    specs = "instance_type_extra_specs"
    for reason, change, back in (
        ("seem to run", "UPDATE services SET updated_at = UTC_TIMESTAMP() WHERE id = 2",
         f"UPDATE services SET updated_at = '{alive}' WHERE id = 2"),
        ("ids that the run gave", f"INSERT INTO {specs} (created_at, deleted, `key`, value, instance_type_id) "
         f"VALUES (UTC_TIMESTAMP(), 0, 'late', '1', {given})", f"DELETE FROM {specs} WHERE `key` = 'late'"),
    ):  # fmt: skip
        cloud.run(cloud.cell, change)
        assert run(undo) != 0
        assert reason in capsys.readouterr().err
        cloud.run(cloud.cell, back)
        assert cloud.contents(cloud.cell) == after
    assert run(undo) == 0
    assert cloud.contents(cloud.cell) == before
