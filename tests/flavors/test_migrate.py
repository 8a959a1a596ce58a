"""`flavors migrate` on real servers: what Kilo writes is what we write, what it cannot is proven, and undo undoes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dbaudit.cells.looking import Looking
from dbaudit.cli.app import run
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.errors import DbauditError, UsageError
from dbaudit.flavors.check import check
from dbaudit.flavors.migrate import migrate
from dbaudit.flavors.survey import Order
from dbaudit.repair.edits import Edits
from dbaudit.repair.prepared import Prepared
from dbaudit.repair.retract import undo
from dbaudit.repair.throttle import Throttle
from tests.flavors.cloud import WHOLE, Cloud

pytestmark = pytest.mark.heavy


@pytest.fixture
def cloud(cloud_of: Callable[..., Cloud]) -> Cloud:
    return cloud_of("kilo")


@pytest.fixture
def whole(cloud_of: Callable[..., Cloud]) -> Cloud:
    return cloud_of("kilo", WHOLE)


def written(cloud: Cloud, name: str) -> dict[str, object]:
    rows = cloud.run(name, "SELECT instance_uuid, flavor FROM instance_extra WHERE deleted = 0")
    return {str(uuid): json.loads(str(flavor)) for uuid, flavor in rows}


@pytest.mark.no_cover  # long, along lines that others take too
def test_writes_what_kilo_writes_and_the_rest_where_proven(whole: Cloud, corpus: Path, looking: Looking) -> None:
    cloud = whole
    places = {"top": cloud.top, "cell": cloud.cell}
    before = {name: cloud.contents(name) for name in places.values()}
    migrate(cloud.sides, looking, Order(journal=cloud.journal), apply=False)
    assert {name: cloud.contents(name) for name in places.values()} == before
    result = migrate(cloud.sides, looking, Order(journal=cloud.journal), apply=True)
    for place, name in places.items():
        upstream = read_operand(
            str(corpus / f"data/nova-{place}-kilo-migrate_flavor_data.sql.gz"), Reading(cloud.folder)
        )
        assert upstream.data is not None
        theirs = {
            str(uuid): json.loads(str(flavor))
            for uuid, flavor in upstream.data.values("instance_extra", ("instance_uuid", "flavor"))
        }
        ours = written(cloud, name)
        assert {uuid: ours[uuid] for uuid in theirs} == theirs
        truth = json.loads((corpus / f"data/nova-{place}-kilo-migrate_flavor_data.truth.json").read_text())
        (plan,) = [each for each in result.extra["plan"] if each["database"] == name]
        assert set(ours) == set(theirs) | ({*truth["failed"], *truth["skipped"]} - set(plan["left"]))
        assert len(plan["left"]) == 2
    found = check(cloud.sides, looking).findings
    left = {key for each in result.findings if each.check == "flavors.not-proven" for key in each.keys}
    assert {key for each in found if "migrate" in each.check for key in each.keys} == left
    for told in reversed(result.extra["runs"]):
        name = cloud.cell if f"/{cloud.cell}" in told else cloud.top
        undo(cloud.target(name), told.rpartition(" ")[2], Throttle())
    assert {name: cloud.contents(name) for name in places.values()} == before


def test_values_are_proven_from_the_other_places(cloud: Cloud, looking: Looking, corpus: Path) -> None:
    truth = json.loads((corpus / "data/truth.json").read_text())["nova"]["top_vs_cell"]
    migrate(cloud.sides, looking, Order(journal=cloud.journal), apply=True)
    ours = written(cloud, cloud.cell)
    for uuid in truth["sysmeta_partial"]:
        ((memory, flavorid),) = cloud.run(
            cloud.cell,
            "SELECT i.memory_mb, t.flavorid FROM instances i JOIN instance_types t ON t.id = i.instance_type_id "
            f"WHERE i.uuid = '{uuid}'",
        )
        data = ours[uuid]["cur"]["nova_object.data"]
        assert (data["memory_mb"], data["flavorid"]) == (memory, flavorid)
    for uuid in truth["sysmeta_vcpu_weight_none_string"]:
        assert ours[uuid]["cur"]["nova_object.data"]["vcpu_weight"] is None
    specs = [
        document["cur"]["nova_object.data"]["extra_specs"]
        for document in ours.values()
        if document["cur"]["nova_object.data"]["flavorid"] == truth["notes"]["flavor only at top"]["flavorid"]
    ]
    assert len(specs) == 24  # instances of a flavor that the cell has not are all named
    assert all(each == {"quota:disk_read_iops_sec": "500", "capabilities:ssd": "True"} for each in specs)


@pytest.mark.server("mariadb")
def test_a_migrate_that_breaks_off_names_its_run_which_is_stopped(
    cloud: Cloud, looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cloud.contents(cloud.top)
    monkeypatch.setattr("dbaudit.flavors.migrate.AT_ONCE", 20)
    write, seen = Prepared.write, []

    def dies(self: Prepared, edits: Edits) -> None:
        seen.append(len(edits))
        if len(seen) == 3:
            raise DbauditError("the server went away")
        write(self, edits)

    monkeypatch.setattr(Prepared, "write", dies)
    with pytest.raises(DbauditError, match=r"run 1 is written in part; done before: nothing") as told:
        migrate(cloud.sides, looking, Order(journal=cloud.journal), apply=True)
    assert "undo that run" in told.value.hint
    assert cloud.run(cloud.top, f"SELECT run, state FROM `{cloud.journal}`.run") == [(1, "stopped")]
    assert cloud.contents(cloud.top) != before
    undo(cloud.target(cloud.top), "1", Throttle())
    assert cloud.contents(cloud.top) == before


def test_not_before_kilo(corpus: Path, looking: Looking, tmp_path: Path) -> None:
    sides = [
        read_operand(str(corpus / f"data/nova-{place}-havana.sql.gz"), Reading(tmp_path)) for place in ("top", "cell")
    ]
    with pytest.raises(UsageError, match=r"instance_extra\.flavor"):
        migrate(sides, looking, Order(), apply=False)


@pytest.mark.server("mariadb")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE instance_system_metadata SET value = '7' WHERE deleted = 0 AND `key` = 'instance_type_vcpus'",
         "`instance_system_metadata` .* was changed since"),
        ("UPDATE instances SET task_state = 'resize_prep' WHERE deleted = 0", "`instances` .* was changed since"),
        ("INSERT INTO services (updated_at, report_count, deleted) VALUES (UTC_TIMESTAMP(), 1, 0)", "seem to run"),
    ],
)  # fmt: skip
def test_what_changed_since_it_was_read_is_not_written(
    cloud: Cloud, looking: Looking, monkeypatch: pytest.MonkeyPatch, change: str, reason: str
) -> None:
    begin, before = Prepared.begin, []

    def late(self: Prepared, planned: int) -> None:
        cloud.run(cloud.top, change)
        before.append(cloud.contents(cloud.top))
        begin(self, planned)

    monkeypatch.setattr(Prepared, "begin", late)
    with pytest.raises(DbauditError, match=reason):
        migrate(cloud.sides, looking, Order(journal=cloud.journal), apply=True)
    assert cloud.contents(cloud.top) == before[0]


@pytest.mark.server("mariadb")
def test_it_is_throttled_between_chunks_and_a_rerun_goes_on(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbaudit.flavors.migrate.AT_ONCE", 20)
    urls = [cloud.url(name).render_as_string(hide_password=False) for name in (cloud.top, cloud.cell)]
    command = ["flavors", "migrate", *urls, "--apply", "--journal-schema", cloud.journal, "--quiet"]
    (cloud.folder / "wait").touch()
    assert run([*command, "--jobs", "1", "--sentinel", str(cloud.folder / "wait")]) == 75
    assert "the sentinel file" in capsys.readouterr().err
    assert not written(cloud, cloud.top)
    assert run([*command, "--jobs", "1", "--sleep", "0.3", "--run-time", "1"]) == 75
    assert "written in part" in capsys.readouterr().err
    some = len(written(cloud, cloud.top))
    assert some
    assert run(command) == 1
    ((live,),) = cloud.run(cloud.top, "SELECT COUNT(*) FROM instances WHERE deleted = 0")
    assert int(str(live)) - 2 <= len(written(cloud, cloud.top)) > some
