"""When a reconcile is not taken back: nova works again, resizes, or has used the ids that the run gave to flavors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from dbaudit.cells.looking import Looking
from dbaudit.flavors.reconcile import apply
from dbaudit.flavors.retreat import refuse_undo
from dbaudit.flavors.survey import Order
from dbaudit.reconcile import Refused
from dbaudit.repair.retract import undo
from dbaudit.repair.throttle import Throttle
from dbaudit.repair.undo import UndoPlan
from tests.flavors.cloud import CONFIRMED, Cloud

pytestmark = pytest.mark.heavy

ALIVE = "UPDATE services SET updated_at = UTC_TIMESTAMP() WHERE id = 2"


@pytest.fixture
def cloud(cloud_of: Callable[..., Cloud]) -> Cloud:
    found = cloud_of("kilo-migrate_flavor_data")
    for name in (found.top, found.cell):
        found.run(name, *CONFIRMED)
    return found


def reconciled(cloud: Cloud, looking: Looking) -> str:
    """The run on the cell."""
    result = apply(cloud.sides, looking, Order(journal=cloud.journal))
    (run,) = [run for run in result.extra["runs"] if f"/{cloud.cell}" in run]
    return str(run.rpartition(" ")[2].rstrip("`"))


def given(cloud: Cloud) -> int:
    """An id that the run gave to a flavor that had another."""
    ((images,),) = cloud.run(cloud.journal, "SELECT images FROM image WHERE tbl = 'instance_types'")
    ((id_,),) = cloud.run(
        cloud.journal,
        f"SELECT MIN(a.id) FROM `{images}` a LEFT JOIN `{images}` b ON b.dbaudit_side = 0 AND b.id = a.id "
        "AND b.flavorid = a.flavorid WHERE a.dbaudit_side = 1 AND b.id IS NULL",
    )
    return int(str(id_))


def test_rows_that_use_the_new_ids_keep_it(cloud: Cloud, looking: Looking) -> None:
    run, id_ = reconciled(cloud, looking), given(cloud)
    after = cloud.contents(cloud.cell)
    ((uuid, state),) = cloud.run(
        cloud.cell, "SELECT uuid, vm_state FROM instances WHERE deleted = 0 AND vm_state = 'active' ORDER BY id LIMIT 1"
    )
    cases = [
        (f"UPDATE instances SET vm_state = 'resized' WHERE uuid = '{uuid}'", "1 instances have an open resize",
         f"UPDATE instances SET vm_state = '{state}' WHERE uuid = '{uuid}'"),
        (f"UPDATE instances SET task_state = 'resize_prep' WHERE uuid = '{uuid}'", "1 instances have an open resize",
         f"UPDATE instances SET task_state = NULL WHERE uuid = '{uuid}'"),
    ]  # fmt: skip
    for key in ("instance_type_id", "old_instance_type_id", "new_instance_type_id"):
        cases.append((
            "INSERT INTO instance_system_metadata (created_at, deleted, instance_uuid, `key`, value) "
            f"VALUES (UTC_TIMESTAMP(), 0, '{uuid}', '{key}', '{id_}')",
            "1 rows of `instance_system_metadata` .* hold ids that the run gave",
            f"DELETE FROM instance_system_metadata WHERE instance_uuid = '{uuid}' AND `key` = '{key}' "
            "AND created_at >= UTC_TIMESTAMP() - INTERVAL 1 HOUR",
        ))  # fmt: skip
    for place in ("cur", "old", "new"):
        text = json.dumps({"cur": None, "old": None, "new": None, place: {"nova_object.data": {"id": id_}}})
        cases.append((
            "INSERT INTO instance_extra (created_at, deleted, instance_uuid, flavor) "
            f"VALUES (UTC_TIMESTAMP(), 0, '{uuid}', '{text}')",
            "1 rows of `instance_extra` .* hold ids that the run gave",
            f"DELETE FROM instance_extra WHERE flavor = '{text}'",
        ))  # fmt: skip
    for change, reason, back in cases:
        cloud.run(cloud.cell, change)
        with pytest.raises(Refused, match=reason):
            undo(cloud.target(cloud.cell), run, Throttle(), refuse=refuse_undo)
        cloud.run(cloud.cell, back)
        assert cloud.contents(cloud.cell) == after


def test_rows_that_use_other_ids_are_no_reason(cloud: Cloud, looking: Looking) -> None:
    before = cloud.contents(cloud.cell)
    run = reconciled(cloud, looking)
    made = (
        "INSERT INTO instance_extra (created_at, deleted, instance_uuid, flavor) VALUES (UTC_TIMESTAMP(), 0, "
        "(SELECT uuid FROM instances ORDER BY id LIMIT 1), '{}')"
    )
    other = '{"cur": {"nova_object.data": {"id": 1}}, "old": null, "new": null}'
    cloud.run(cloud.cell, made.format("{broken"), made.format(other))
    undo(cloud.target(cloud.cell), run, Throttle(), refuse=refuse_undo)
    cloud.run(cloud.cell, f"DELETE FROM instance_extra WHERE flavor IN ('{{broken', '{other}')")
    assert cloud.contents(cloud.cell) == before


def test_a_service_that_starts_meanwhile_is_seen_inside_of_the_transaction(cloud: Cloud, looking: Looking) -> None:
    run = reconciled(cloud, looking)
    ((before,),) = cloud.run(cloud.cell, "SELECT updated_at FROM services WHERE id = 2")
    after, asked = cloud.contents(cloud.cell), []

    def refuse(plan: UndoPlan, connection: Any) -> None:
        refuse_undo(plan, connection)
        asked.append(plan.record.run)
        if len(asked) == 1:
            cloud.run(cloud.cell, ALIVE)

    with pytest.raises(Refused, match="seem to run"):
        undo(cloud.target(cloud.cell), run, Throttle(), refuse=refuse)
    assert len(asked) == 1
    cloud.run(cloud.cell, f"UPDATE services SET updated_at = '{before}' WHERE id = 2")
    assert cloud.contents(cloud.cell) == after
    undo(cloud.target(cloud.cell), run, Throttle(), refuse=refuse_undo)
