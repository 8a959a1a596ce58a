"""Replay of real upgrades: what upstream lost is reported, and nothing else is called lost."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from dbaudit.dryrun.inspection import inspect_one
from dbaudit.dump.restore import restore
from dbaudit.finding import Finding
from dbaudit.progress import silent
from dbaudit.proof.compare import compare
from dbaudit.proof.manifest import Manifest
from dbaudit.proof.measure import Place, measure
from dbaudit.proof.survivors import load_survivors
from dbaudit.server.server import Server

# Long, along lines that others take too.
pytestmark = [pytest.mark.server("mariadb"), pytest.mark.no_cover]
Replay = Callable[[str, str], tuple[tuple[Finding, ...], Manifest, Manifest]]


@pytest.fixture
def replay(server: Server, schema_name: str, corpus: Path, tmp_path: Path) -> Replay:
    """What `verify` finds between two dumps of the corpus, and both manifests."""

    def take(name: str, like: Manifest | None) -> Manifest:
        found = inspect_one(str(corpus / "data" / f"{name}.sql.gz"), tmp_path, database=None, watch=silent)
        server.drop_database(schema_name)
        restore(found.index, server, {found.entry.name: schema_name})
        place = Place(name, found.standing.service, versions=found.standing.versions)
        with contextlib.closing(server.admin(schema_name)) as connection:
            return measure(connection, schema_name, place, load_survivors(place.service), like=like)

    def between(first: str, second: str) -> tuple[tuple[Finding, ...], Manifest, Manifest]:
        before = take(first, None)
        after = take(second, before)
        return compare(before, after).findings, before, after

    return between


@cache
def facts(corpus: Path, name: str) -> Any:
    return json.loads((corpus / "data" / name).read_text())


def test_keystone_grizzly_to_havana(replay: Replay, corpus: Path) -> None:
    (finding,), _, _ = replay("keystone-grizzly", "keystone-havana")
    listed = facts(corpus, "truth.json")["keystone"]["users_with_two_default_tenants"]
    different = {each["user"] for each in listed if each["tenantId"] != each["tenant_id"]}
    assert (finding.effect, finding.object, finding.count) == ("loses-data", "user.extra", 18)
    assert set(finding.keys) == different
    assert str(finding.step) == "keystone:34"


@pytest.mark.parametrize("side", ["nova-top", "nova-cell"])
def test_nova_grizzly_to_havana(replay: Replay, corpus: Path, side: str) -> None:
    findings, before, after = replay(f"{side}-grizzly", f"{side}-havana")
    effects = facts(corpus, "UPGRADE-EFFECTS.json")[f"{side} grizzly->havana"]
    found = {each.object: each for each in findings}
    assert len(found) == len(findings)
    expected: dict[str, int] = {}
    for table, effect in effects.items():
        if "rows_gone" in effect:
            expected[table] = effect["rows_gone"]
            ids = {f"id {each}" for each in effect["ids_gone"]}
            many = found[table].count > len(found[table].keys)
            assert many or table == "reservations" or ids <= {" ".join(key.split()[-2:]) for key in found[table].keys}
        if "rows_soft_deleted_by_upgrade" in effect:
            expected[f"{table}.deleted"] = len(effect["rows_soft_deleted_by_upgrade"])
            ids = {f"id {each}" for each in effect["rows_soft_deleted_by_upgrade"]}
            assert ids == {" ".join(key.split()[-2:]) for key in found[f"{table}.deleted"].keys}
        if effect.get("rows_new_with_deleted_NULL"):
            expected[f"{table}.deleted"] = effect["rows_new_with_deleted_NULL"]
    expected["block_device_mapping.virtual_name"] = 22  # a column that 186 drops, and turns into others
    assert {name: each.count for name, each in found.items()} == expected
    assert_rows_accounted(findings, corpus, before, after, f"{side}-grizzly", f"{side}-havana")
    assert all(each.step for each in findings)


def test_duplicates_are_blamed_on_the_key_that_they_hinder(replay: Replay, corpus: Path) -> None:
    """A database with duplicates of every kind: each is soft-deleted by the step that makes the key unique."""
    found = {each.object: each for each in replay("../local/nova-dups-grizzly", "../local/nova-dups-havana")[0]}
    assert (str(found["floating_ips.deleted"].step), found["floating_ips.deleted"].keys) == (
        "nova:177",
        ("192.0.2.10 id 1",),
    )
    assert str(found["fixed_ips.deleted"].step) == "nova:195"
    assert found["fixed_ips.deleted"].count == 3


def test_roles_of_havana(replay: Replay, corpus: Path) -> None:
    """One role stands behind one without an id, and Icehouse loses it."""
    (finding,), _, _ = replay("../local/keystone-benign-havana", "../local/keystone-benign-icehouse")
    (grant,) = facts(corpus, "truth.json")["keystone"]["grant_with_null_role"]
    assert finding.keys == (f"{grant['user']} {grant['project']} {grant['roles'][-1]}",)
    assert str(finding.step) == "keystone:39"


def test_keystone_icehouse_to_kilo(replay: Replay) -> None:
    """Regions become a table, names go into extra: nothing is lost."""
    assert replay("../local/keystone-benign-icehouse", "../local/keystone-benign-kilo")[0] == ()


def test_cinder_grizzly_to_havana(replay: Replay, corpus: Path) -> None:
    findings, before, after = replay("cinder-grizzly", "cinder-havana")
    lost = facts(corpus, "UPGRADE-EFFECTS.json")["cinder grizzly->havana"]["rows lost in dropped tables"]
    assert {each.object: each.count for each in findings} == lost
    assert all(each.expected for each in findings)
    assert {each.object: str(each.step) for each in findings}["migrations"] == "cinder:15"
    assert_rows_accounted(findings, corpus, before, after, "cinder-grizzly", "cinder-havana")


def test_cinder_juno_to_kilo(replay: Replay, corpus: Path) -> None:
    (finding,), before, after = replay("cinder-juno", "cinder-kilo")
    effects = facts(corpus, "UPGRADE-EFFECTS.json")["cinder juno->kilo"]
    assert (finding.object, finding.count) == ("volumes.status", effects["attaching volumes (no attachment row)"])
    assert len(after.kept["attachments"].items) == effects["volume_attachment rows"]
    assert_rows_accounted((finding,), corpus, before, after, "cinder-juno", "cinder-kilo")


def assert_rows_accounted(
    findings: tuple[Finding, ...], corpus: Path, before: Manifest, after: Manifest, first: str, second: str
) -> None:
    """Counts are those of rowcounts.json, and no table lost fewer rows than are called lost."""
    counts = facts(corpus, "rowcounts.json")
    for manifest, name in ((before, first), (after, second)):
        for table, (rows, live) in counts[name].items():
            if table != "migrate_version":
                assert manifest.tables[table].count == rows, table
                soft = manifest.tables[table].soft
                assert live is None or (soft and soft.live == live), table
    for finding in findings:
        if finding.facts["class"] in (1, 3, 9, 13, 15) and finding.object in counts[first]:
            rows, new = counts[first][finding.object][0], counts[second].get(finding.object, [0])[0]
            appeared = after.tables[finding.object].count - new if finding.object in after.tables else 0
            assert finding.object == "quota_usages" or finding.count == rows - new + appeared
