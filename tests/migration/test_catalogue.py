"""The step catalogue: its facts typed, pending steps in order, and base plus deltas equal to the references."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dbaudit import packs
from dbaudit.errors import DbauditError
from dbaudit.migration.catalogue import Catalogue, load_catalogue, reference, reference_at
from dbaudit.migration.steps import Origin, StepFacts, Work
from dbaudit.release import release
from dbaudit.schema.diff import diff
from dbaudit.schema.model import Index, IndexKind, IndexPart, Schema

SERVICES = ("keystone", "cinder", "nova", "glance")
RELEASES = ("grizzly", "havana", "icehouse", "juno", "kilo")


def catalogue_of(service: str) -> Catalogue:
    catalogue = load_catalogue(service)
    assert catalogue is not None
    return catalogue


def step_of(name: str) -> StepFacts:
    step = catalogue_of(name.partition(":")[0]).step(name)
    assert step is not None
    return step


def pending(service: str, versions: dict[str, int], target: str) -> list[str]:
    return [step.id for step in catalogue_of(service).pending(versions, release(target))]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", RELEASES)
def test_the_first_reference_and_all_deltas_are_each_reference(service: str, name: str) -> None:
    at = reference_at(service, catalogue_of(service).releases[release(name)])
    shipped = reference(service, release(name))
    assert at is not None and shipped is not None
    assert diff(shipped, at) == ()


def test_a_number_between_releases_has_a_reference_too() -> None:
    at = reference_at("nova", {"nova": 186})
    assert at is not None
    mapping = at.tables["block_device_mapping"]
    assert mapping.column("source_type") is not None and mapping.column("virtual_name") is None
    assert "instance_groups" not in at.tables
    before = reference_at("nova", {"nova": 185})
    assert before is not None and before.tables["block_device_mapping"].column("virtual_name") is not None


@pytest.mark.parametrize("versions", [{"nova": 160}, {"nova": 281}, {}, {"other": 3}])
def test_numbers_that_nobody_measured_have_none(versions: dict[str, int]) -> None:
    assert reference_at("nova", versions) is None


def test_pending_steps_are_in_the_order_of_db_sync_placeholders_included() -> None:
    assert pending("cinder", {"cinder": 9}, "havana") == [f"cinder:{number}" for number in range(10, 22)]
    assert pending("glance", {"Glance Migrations": 22}, "havana") == [f"glance:{number}" for number in range(23, 30)]
    assert pending("cinder", {"cinder": 21}, "icehouse") == ["cinder:22"]
    assert pending("cinder", {"cinder": 41}, "kilo") == []
    assert len(pending("nova", {"nova": 161}, "kilo")) == 119
    assert catalogue_of("nova").pending({"nova": 161}, release("havana"))[0].placeholder


def test_extensions_are_pending_from_the_release_that_syncs_them() -> None:
    assert "revoke:1" not in pending("keystone", {"keystone": 36}, "icehouse")
    assert pending("keystone", {"keystone": 44}, "juno")[-2:] == ["revoke:1", "revoke:2"]
    kilo = pending("keystone", {"keystone": 55, "revoke": 2}, "kilo")
    assert kilo[12:] == [
        *("endpoint_filter:1", "endpoint_filter:2", "endpoint_policy:1"),
        *(f"federation:{number}" for number in range(1, 9)),
        *(f"oauth1:{number}" for number in range(1, 6)),
    ]


def test_extensions_that_were_synced_by_hand_are_not_run_again() -> None:
    by_hand = {"keystone": 55, "revoke": 2, "oauth1": 5, "federation": 3}
    kilo = pending("keystone", by_hand, "kilo")
    assert not [step for step in kilo if step.startswith("oauth1")]
    assert [step for step in kilo if step.startswith("federation")] == [f"federation:{n}" for n in range(4, 9)]
    assert step_of("keystone:23").available == release("havana")
    oauth = catalogue_of("keystone").step("oauth1:1")
    assert oauth is not None and (oauth.release, oauth.available) == (release("kilo"), release("havana"))
    havana = reference_at("keystone", {"keystone": 36, "oauth1": 4})
    assert havana is not None
    assert havana.tables["access_token"].column("role_ids") is not None
    added = diff(reference("keystone", release("havana")) or Schema(), havana)
    assert {each.name for each in added} == {"access_token", "consumer", "request_token"}


def test_work_outside_of_steps_belongs_to_the_release_and_to_no_step() -> None:
    catalogue = catalogue_of("cinder")
    (outside,) = catalogue.outside
    assert outside.id == "cinder:22" and outside not in catalogue.steps
    at = [reference_at("cinder", {"cinder": number}) for number in (21, 22, 23)]
    name = "reservations_deleted_expire_idx"
    assert [schema is not None and schema.tables["reservations"].index(name) is not None for schema in at] == [
        False, True, True
    ]  # fmt: skip
    without = catalogue.apply(at[0] or Schema(), step_of("cinder:22"))
    assert without.tables["reservations"].index(name) is None
    assert catalogue.apply(without, step_of("cinder:23")).tables["reservations"].index(name) is not None
    assert catalogue.apply(at[1] or Schema(), step_of("cinder:23")) == at[1]
    assert step_of("cinder:23").rerunnable


def test_a_table_without_a_charset_gets_that_of_the_database() -> None:
    step = step_of("cinder:40")
    assert step.tables_added[0].table.charset is None
    assert step_of("cinder:10").tables_added[0].table.charset == "utf8"
    at = reference_at("cinder", {"cinder": 39})
    assert at is not None
    latin = catalogue_of("cinder").apply(replace(at, charset="latin1", collation=None), step)
    assert latin.tables["volume_attachment"].charset == "latin1"
    named = {step.id for step in catalogue_of("nova").steps if any(not t.table.charset for t in step.tables_added)}
    assert "nova:209" in named and "nova:252" not in named


def test_what_prediction_needs_is_typed() -> None:
    twice = step_of("keystone:24")
    assert twice.rerunnable is False and twice.rerun_error and "Duplicate key name" in twice.rerun_error
    assert twice.indexes_added[0].index == Index("ix_token_expires", IndexKind.PLAIN, (IndexPart("expires"),))
    drops = {drop.name: drop.required for drop in step_of("nova:185").drops_by_name}
    assert drops["uniq_flavorid_x_deleted"] is True
    assert drops["instance_info_caches_instance_uuid_fkey"] is False
    assert [drop.how for drop in step_of("keystone:62").drops_looked_up] == ["by column"]
    transfers = step_of("cinder:10").tables_added[0]
    assert transfers.origins["volume_id"] == {Origin.IMPLICIT, Origin.SERVER_NAMED}
    moved = step_of("nova:186")
    assert moved.rows.writes == "always" and moved.rows.one_by_one
    assert step_of("keystone:29").rows.changed["user_project_metadata"] == ("data",)
    assert step_of("nova:201").idle and step_of("nova:275").note
    assert step_of("cinder:11").title == "add bootable column"
    assert step_of("cinder:11").work == (
        Work("add column volumes.bootable", "add", "column", "volumes", "bootable"),
        Work("rows: update volumes", "rows", "update", "volumes"),
    )


@pytest.mark.parametrize("service", SERVICES)
def test_deltas_and_work_speak_of_the_same_objects(service: str) -> None:
    """What a step adds by structure, its work names: half of a step is told from that."""
    for step in catalogue_of(service).steps:
        names = {(work.what, work.table, work.name) for work in step.work}
        assert {("table", added.table.name, None) for added in step.tables_added} <= names, step.id
        assert {("table", name, None) for name in step.tables_dropped} <= names, step.id
        renamed = {(each.table, each.new) for each in step.columns_renamed}
        for added in step.columns_added:
            known = ("column", added.table, added.column.name) in names
            assert known or (added.table, added.column.name) in renamed, step.id


def test_a_catalogue_that_is_broken_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "keystone"
    folder.mkdir()
    (folder / "steps.json").write_text('{"format": 1, "releases": {}, "steps": [{"step": "x"}]}')
    monkeypatch.setattr(packs, "__path__", [str(tmp_path)])
    load_catalogue.cache_clear()
    try:
        with pytest.raises(DbauditError, match="not a step catalogue"):
            load_catalogue("keystone")
    finally:
        load_catalogue.cache_clear()


@pytest.mark.parametrize("text", ["add column", "burn table x", "add column volumes.bootable now"])
def test_work_of_no_known_form_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a line"):
        Work.read(text)


def test_the_shipped_catalogues_are_what_the_measured_facts_say(corpus: Path, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    copy = tmp_path / "scripts"
    copy.mkdir()
    shutil.copy(root / "scripts" / "build-catalogue", copy)
    subprocess.run([sys.executable, str(copy / "build-catalogue"), str(corpus / "steps")], check=True)
    for service in SERVICES:
        path = packs.find(service, "steps.json")
        assert path is not None
        built = (tmp_path / "checks" / service / "steps.json").read_text()
        assert json.loads(built) == json.loads(path.read_text())
