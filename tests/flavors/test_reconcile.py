"""`flavors reconcile` on real servers: equal afterwards, every table the original one after its undo."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pymysql
import pytest

from dbaudit.cells.looking import Looking
from dbaudit.errors import BusyError, DbauditError
from dbaudit.flavors.check import check
from dbaudit.flavors.reconcile import apply, plan
from dbaudit.flavors.survey import Order
from dbaudit.reconcile import Refused
from dbaudit.repair.journal import init_journal
from dbaudit.repair.lease import Lease
from dbaudit.repair.prepared import Prepared
from dbaudit.repair.retract import undo
from dbaudit.repair.throttle import Throttle
from tests.flavors.cloud import CONFIRMED, Cloud, Cut

pytestmark = pytest.mark.heavy

# What a reconcile does not repair: embedded flavors themselves, names that collide, and definitions without values.
APART = ("flavors.embedded", "flavors.case-collision", "flavors.no-value", "flavors.deleted-in-use", "flavors.migrate",
         "flavors.not-migrated", "flavors.resize")  # fmt: skip


def order(cloud: Cloud, **more: object) -> Order:
    return Order(journal=cloud.journal, **more)


def undone(cloud: Cloud, runs: list[str]) -> None:
    for line in reversed(runs):
        name = cloud.cell if f"/{cloud.cell}?" in line or f"/{cloud.cell}:" in line else cloud.top
        undo(cloud.target(name), line.rpartition(" ")[2].rstrip("`"), Throttle())


@pytest.mark.no_cover  # long, along lines that others take too
@pytest.mark.parametrize(
    ("release", "cut"), [("grizzly", Cut()), ("havana", Cut(3)), ("kilo-migrate_flavor_data", Cut())],
    ids=["grizzly", "havana", "kilo-migrate_flavor_data"],
)  # fmt: skip
def test_equal_afterwards_and_the_original_after_undo(
    cloud_of: Callable[..., Cloud], looking: Looking, release: str, cut: Cut
) -> None:
    cloud = cloud_of(release, cut)
    for name in (cloud.top, cloud.cell):
        cloud.run(name, *CONFIRMED)
    before = [cloud.contents(name) for name in (cloud.top, cloud.cell)]
    first = plan(cloud.sides, looking, order(cloud))
    assert [cloud.contents(name) for name in (cloud.top, cloud.cell)] == before
    assert first.exit == 0
    result = apply(cloud.sides, looking, order(cloud))
    left = [each for each in check(cloud.sides, looking).findings if not each.check.startswith(APART)]
    unproven = {key for each in result.findings for key in each.keys}
    # Grizzly has no unique key, and two flavors of one flavorid at the authority: which stays is not ours to say.
    assert not [each for each in left if each.check != "flavors.duplicate" or cloud.unique]
    assert unproven
    again = apply(cloud.sides, looking, order(cloud))
    assert not again.extra["runs"]
    undone(cloud, list(result.extra["runs"]))
    assert [cloud.contents(name) for name in (cloud.top, cloud.cell)] == before


def test_every_instance_points_at_the_flavor_that_it_embeds(cloud: Cloud, looking: Looking) -> None:
    for name in (cloud.top, cloud.cell):
        cloud.run(name, *CONFIRMED)
    apply(cloud.sides, looking, order(cloud))
    wrong = cloud.run(
        cloud.cell,
        "SELECT i.uuid FROM instances i JOIN instance_system_metadata f ON f.instance_uuid = i.uuid AND f.deleted = 0 "
        "AND f.`key` = 'instance_type_flavorid' JOIN instance_system_metadata m ON m.instance_uuid = i.uuid "
        "AND m.deleted = 0 AND m.`key` = 'instance_type_id' LEFT JOIN instance_types t ON t.id = i.instance_type_id "
        "WHERE i.deleted = 0 AND (t.flavorid IS NULL OR t.flavorid <> f.value OR m.value <> t.id) "
        "AND (SELECT COUNT(*) FROM instance_system_metadata d WHERE d.instance_uuid = i.uuid AND d.deleted = 0 "
        "AND d.`key` LIKE 'instance\\_type\\_%') = 10",
    )
    assert not wrong


def test_an_open_resize_is_refused_and_nothing_written(cloud: Cloud, looking: Looking) -> None:
    before = [cloud.contents(name) for name in (cloud.top, cloud.cell)]
    with pytest.raises(Refused, match="open resize"):
        apply(cloud.sides, looking, order(cloud))
    assert [cloud.contents(name) for name in (cloud.top, cloud.cell)] == before


def test_running_services_are_refused(cloud: Cloud, looking: Looking) -> None:
    for name in (cloud.top, cloud.cell):
        cloud.run(name, *CONFIRMED)
    cloud.run(cloud.cell, "UPDATE services SET updated_at = UTC_TIMESTAMP() WHERE id = 2")
    with pytest.raises(Refused, match="seem to run"):
        apply(cloud.sides, looking, order(cloud))


def test_an_undo_is_refused_where_a_row_was_touched_since(cloud: Cloud, looking: Looking) -> None:
    for name in (cloud.top, cloud.cell):
        cloud.run(name, *CONFIRMED)
    result = apply(cloud.sides, looking, order(cloud))
    cloud.run(cloud.cell, "UPDATE instance_types SET swap = swap + 1 WHERE flavorid = '101'")
    after = cloud.contents(cloud.cell)
    with pytest.raises(Exception, match="as a whole or not at all"):
        undone(cloud, list(result.extra["runs"])[-1:])
    assert cloud.contents(cloud.cell) == after


def test_a_database_that_is_busy_stops_all_before_anything_is_written(cloud: Cloud, looking: Looking) -> None:
    for name in (cloud.top, cloud.cell):
        cloud.run(name, *CONFIRMED)
    before = [cloud.contents(name) for name in (cloud.top, cloud.cell)]
    target = cloud.target(cloud.cell)
    init_journal(target)
    with target.session() as connection:
        lease = Lease.take(connection, target.journal, target.database, "another")
        with pytest.raises(BusyError, match="another"):
            apply(cloud.sides, looking, order(cloud, authority=cloud.cell))
        lease.release(connection)
    assert [cloud.contents(name) for name in (cloud.top, cloud.cell)] == before


def test_a_commit_that_fails_says_what_was_written_and_a_rerun_completes(
    cloud: Cloud, looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (cloud.top, cloud.cell):
        cloud.run(name, *CONFIRMED)
    commit, seen = Prepared.commit, []

    def once(self: Prepared) -> int:
        seen.append(self.target.database)
        if len(seen) == 2:
            raise pymysql.OperationalError(2013, "Lost connection")
        return commit(self)

    monkeypatch.setattr(Prepared, "commit", once)
    with pytest.raises(
        DbauditError,
        match=rf"the commit on .*{cloud.cell}.* failed.*`dbaudit runs`, run \d+; written before it were .*: run \d+",
    ):
        apply(cloud.sides, looking, order(cloud, authority=cloud.cell))
    again = apply(cloud.sides, looking, order(cloud, authority=cloud.cell))
    assert [run for run in again.extra["runs"] if cloud.cell in run]
    assert not apply(cloud.sides, looking, order(cloud, authority=cloud.cell)).extra["runs"]


def test_the_cell_as_authority_and_deleting_what_it_has_not(cloud: Cloud, looking: Looking) -> None:
    for name in (cloud.top, cloud.cell):
        cloud.run(name, *CONFIRMED)
    before = cloud.contents(cloud.top)
    kept = apply(cloud.sides, looking, order(cloud, authority=cloud.cell))
    assert any("c2.r21" in each.message for each in kept.findings)
    rest = apply(cloud.sides, looking, order(cloud, authority=cloud.cell, delete_extra=True))
    found = [each for each in check(cloud.sides, looking).findings if not each.check.startswith(APART)]
    assert {each.check for each in found} <= {"flavors.points-nowhere", "flavors.points-elsewhere", "flavors.missing"}
    undone(cloud, [*kept.extra["runs"], *rest.extra["runs"]])
    assert cloud.contents(cloud.top) == before


@pytest.mark.server("mariadb")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE services SET updated_at = UTC_TIMESTAMP() WHERE id = 2", "seem to run"),
        ("INSERT INTO migrations (created_at, new_instance_type_id, deleted) VALUES (UTC_TIMESTAMP(), 7, 0)",
         "were made or changed while the plan was made and written"),
        ("UPDATE instances SET vm_state = 'resized', updated_at = UTC_TIMESTAMP() WHERE deleted = 0 LIMIT 1",
         "1 instances have an open resize"),
    ],
)  # fmt: skip
def test_what_happens_after_the_plan_is_seen_inside_of_the_transaction(
    cloud: Cloud, looking: Looking, monkeypatch: pytest.MonkeyPatch, change: str, reason: str
) -> None:
    for name in (cloud.top, cloud.cell):
        cloud.run(name, *CONFIRMED)
    begin, before = Prepared.begin, []

    def late(self: Prepared, planned: int) -> None:
        cloud.run(cloud.cell, change)
        before.extend(cloud.contents(name) for name in (cloud.top, cloud.cell))
        begin(self, planned)

    monkeypatch.setattr(Prepared, "begin", late)
    with pytest.raises(Refused, match=f"nothing was written anywhere: .*{reason}"):
        apply(cloud.sides, looking, order(cloud))
    assert [cloud.contents(name) for name in (cloud.top, cloud.cell)] == before


@pytest.mark.server("mariadb")
def test_an_instance_that_embeds_nothing(cloud: Cloud, looking: Looking, corpus: Path) -> None:
    """The same instance's copy at the top proves its id; without any, the id goes on to mean what it meant."""
    truth = json.loads((corpus / "data/truth.json").read_text())["nova"]["top_vs_cell"]
    for name in (cloud.top, cloud.cell):
        cloud.run(name, *CONFIRMED)
    wanted = ", ".join(f"'{uuid}'" for uuid in (*truth["sysmeta_missing_cell"], *truth["sysmeta_missing_both"]))
    asked = (
        "SELECT i.uuid, i.instance_type_id, t.flavorid, t.deleted FROM instances i LEFT JOIN instance_types t "
        f"ON t.id = i.instance_type_id WHERE i.uuid IN ({wanted})"
    )
    before = {uuid: rest for uuid, *rest in cloud.run(cloud.cell, asked)}
    result = apply(cloud.sides, looking, order(cloud))
    after = {uuid: rest for uuid, *rest in cloud.run(cloud.cell, asked)}
    assert {uuid: rest[1] for uuid, rest in after.items()} == {uuid: rest[1] for uuid, rest in before.items()}
    (cell,) = [each for each in result.extra["plan"] if each["database"] == cloud.cell]
    kept = {uuid for uuid, why in cell["unproven"].items() if "a deleted row stays" in why}
    assert kept
    for uuid in truth["sysmeta_missing_both"]:
        assert after[uuid][0] == before[uuid][0]
    for uuid in truth["sysmeta_missing_cell"]:
        assert uuid in kept or uuid not in cell["unproven"]
    moved = [uuid for uuid in truth["sysmeta_missing_cell"] if after[uuid][0] != before[uuid][0]]
    assert moved
    assert not [each for each in check(cloud.sides, looking).findings if each.check.startswith("flavors.points")]
    assert not apply(cloud.sides, looking, order(cloud)).extra["runs"]


def test_names_that_change_places_or_are_taken(cloud: Cloud, looking: Looking) -> None:
    for name in (cloud.top, cloud.cell):
        cloud.run(name, *CONFIRMED)
    ((one,), (two,), (three,)) = cloud.run(
        cloud.cell,
        "SELECT name FROM instance_types WHERE deleted = 0 AND flavorid IN ('1', '2', '3') ORDER BY flavorid",
    )
    made = ("INSERT INTO instance_types (name, memory_mb, vcpus, swap, flavorid, rxtx_factor, root_gb, ephemeral_gb, "
            "disabled, is_public, deleted) VALUES ('{}', 1, 1, 0, '{}', 1, 1, 0, 0, 1, 0)")  # fmt: skip
    cloud.run(
        cloud.cell, "UPDATE instance_types SET name = 'between' WHERE flavorid = '1' AND deleted = 0",
        f"UPDATE instance_types SET name = '{one}' WHERE flavorid = '2' AND deleted = 0",
        f"UPDATE instance_types SET name = '{two}' WHERE flavorid = '1' AND deleted = 0",
        "UPDATE instance_types SET name = 'older' WHERE flavorid = '3' AND deleted = 0",
        made.format(str(three).upper(), "mine"), made.format("NEW.name", "mine too"),
    )  # fmt: skip
    cloud.run(cloud.top, made.format("new.name", "new"))
    before = cloud.contents(cloud.cell)
    first = apply(cloud.sides, looking, order(cloud))
    names = "SELECT flavorid, name FROM instance_types WHERE deleted = 0 AND flavorid IN ('1', '2', '3', 'new')"
    assert dict(cloud.run(cloud.cell, names)) == {"1": one, "2": two, "3": "older"}
    said = " ".join(each.message for each in first.findings)
    assert f"flavor older (3) is not renamed: flavor {str(three).upper()} (mine) has the name {three}" in said
    assert "flavor new.name (new) is not made: flavor NEW.name (mine too) has its name" in said
    second = apply(cloud.sides, looking, order(cloud, delete_extra=True))
    assert dict(cloud.run(cloud.cell, names)) == {"1": one, "2": two, "3": three, "new": "new.name"}
    undone(cloud, [*first.extra["runs"], *second.extra["runs"]])
    assert cloud.contents(cloud.cell) == before


@pytest.mark.parametrize("far", [4_000, None], ids=["far", "next"])
def test_the_next_flavor_that_is_made_finds_a_free_id(cloud: Cloud, looking: Looking, far: int | None) -> None:
    """Ids beyond the counter: that of the authority, and the one after the last, for what stands in the way."""
    for name in (cloud.top, cloud.cell):
        cloud.run(name, *CONFIRMED)
    made = ("INSERT INTO instance_types (id, name, memory_mb, vcpus, swap, flavorid, rxtx_factor, root_gb, "
            "ephemeral_gb, disabled, is_public, deleted) VALUES ({id}, '{name}', 1, 1, 0, '{name}', 1, 1, "
            "0, 0, 1, 0)")  # fmt: skip
    ((top,),) = cloud.run(cloud.top, "SELECT MAX(id) FROM instance_types")
    ((cell,),) = cloud.run(cloud.cell, "SELECT MAX(id) FROM instance_types")
    last = max(int(str(top)), int(str(cell)))
    if far:
        cloud.run(cloud.top, made.format(id=far, name="mirrored"))
        cloud.run(cloud.cell, made.format(id="NULL", name="mirrored"))
    else:  # an extra flavor of the cell has the id of one at the top that is to be made
        cloud.run(cloud.top, made.format(id=last + 1, name="wanted"))
        cloud.run(cloud.cell, made.format(id=last + 1, name="extra"))
    before = cloud.contents(cloud.cell)
    result = apply(cloud.sides, looking, order(cloud))
    ((most,),) = cloud.run(cloud.cell, "SELECT MAX(id) FROM instance_types")
    assert int(str(most)) == (far or last + 2)
    cloud.run(cloud.cell, made.format(id="NULL", name="late"))
    ((late,),) = cloud.run(cloud.cell, "SELECT id FROM instance_types WHERE name = 'late'")
    assert int(str(late)) > int(str(most))
    cloud.run(cloud.cell, "DELETE FROM instance_types WHERE name = 'late'")
    undone(cloud, list(result.extra["runs"]))
    assert cloud.contents(cloud.cell) == before
