"""Faults planted by lot in a pair that has none: each is named, in its database, and no other instance is."""

from __future__ import annotations

import random

import pytest

from dbaudit.cells.looking import Looking
from dbaudit.flavors.check import check
from dbaudit.flavors.reconcile import apply
from dbaudit.flavors.survey import Order
from dbaudit.repair.retract import undo
from dbaudit.repair.throttle import Throttle
from tests.flavors.cloud import Cloud, alike

KEYS = ("id", "name", "memory_mb", "vcpus", "root_gb", "ephemeral_gb", "flavorid", "swap", "rxtx_factor", "vcpu_weight")
OWN = "instance_uuid = '{uuid}' AND deleted = 0 AND `key` = 'instance_type_{key}'"
GONE = "UPDATE instance_system_metadata SET deleted = id WHERE " + OWN
ALL_GONE = ("UPDATE instance_system_metadata SET deleted = id WHERE instance_uuid = '{uuid}' AND deleted = 0 "
            "AND `key` LIKE 'instance\\_type\\_%'")  # fmt: skip
AGAIN = ("INSERT INTO instance_system_metadata (instance_uuid, `key`, value, deleted) SELECT instance_uuid, `key`, "
         "value, 0 FROM instance_system_metadata WHERE " + OWN)  # fmt: skip
SET = "UPDATE instance_system_metadata SET value = '{value}' WHERE " + OWN
POINT = "UPDATE instances SET instance_type_id = {value} WHERE uuid = '{uuid}'"
SIZE = "UPDATE instances SET {key} = {key} + 1 WHERE uuid = '{uuid}'"
# What is done, where, and what is to be said of which database.
FAULTS = (
    (ALL_GONE, "cell", "flavors.embedded-missing"),
    (ALL_GONE, "top", "flavors.embedded-missing"),
    (ALL_GONE, "both", "flavors.embedded-missing"),
    (GONE, "cell", "flavors.embedded-partial"),
    (GONE, "both", "flavors.embedded-partial"),
    (AGAIN, "top", "flavors.embedded-duplicate"),
    (AGAIN, "both", "flavors.embedded-duplicate"),
    (SET.replace("{key}", "memory_mb").replace("{value}", "None"), "cell", "flavors.embedded-unreadable"),
    (SET.replace("{key}", "vcpus").replace("{value}", "two"), "both", "flavors.embedded-unreadable"),
    (SET.replace("{key}", "swap").replace("{value}", "77"), "cell", "flavors.embedded-differs"),
    (SIZE.replace("{key}", "memory_mb"), "both", "flavors.embedded-disagrees"),
    (SIZE.replace("{key}", "root_gb"), "cell", "flavors.embedded-disagrees"),
    (POINT, "cell", "flavors.points-elsewhere"),
    (POINT.replace("{value}", "987654"), "cell", "flavors.points-nowhere"),
    (POINT.replace("{value}", "NULL"), "top", "flavors.points-nowhere"),
)  # fmt: skip


@pytest.mark.heavy
@pytest.mark.parametrize("seed", [8, 291])
def test_what_is_planted_is_named_and_nothing_else(cloud: Cloud, looking: Looking, seed: int) -> None:
    alike(cloud)
    chance = random.Random(seed)
    rows = cloud.run(cloud.cell, "SELECT uuid, instance_type_id FROM instances WHERE deleted = 0 ORDER BY uuid")
    ids = sorted({str(id_) for _, id_ in rows})
    uuids = {str(uuid) for uuid, _ in rows}
    assert uuids.isdisjoint(key for each in check(cloud.sides, looking).findings for key in each.keys)
    expected: dict[tuple[str, str], set[str]] = {}
    for (uuid, points), (act, where, kind) in zip(chance.sample(list(rows), 30), FAULTS * 2, strict=True):
        key = chance.choice(KEYS)
        value = chance.choice([id_ for id_ in ids if id_ != str(points)])
        for place in ("top", "cell") if where == "both" else (where,):
            name = cloud.top if place == "top" else cloud.cell
            cloud.run(name, act.format(uuid=uuid, key=key, value=value))
            expected.setdefault((kind, name), set()).add(str(uuid))
    found = check(cloud.sides, looking).findings
    uuids = {str(uuid) for uuid, _ in rows}
    said = {
        (kind, name): {
            key for each in found if (each.check, each.facts["database"]) == (kind, name) for key in each.keys
        }
        for kind, name in expected
    }
    assert {each: keys for each, keys in expected.items() if not keys <= said[each]} == {}
    assert {key for each in found for key in each.keys} & uuids == set().union(*expected.values())

    before = [cloud.contents(name) for name in (cloud.top, cloud.cell)]
    result = apply(cloud.sides, looking, Order(journal=cloud.journal))
    unproven = {key for each in result.findings for key in each.keys}
    left = {key for each in check(cloud.sides, looking).findings if each.check.startswith("flavors.points")
            for key in each.keys}  # fmt: skip
    assert left <= unproven
    for line in reversed(result.extra["runs"]):
        name = cloud.cell if f"/{cloud.cell}" in line else cloud.top
        undo(cloud.target(name), line.rpartition(" ")[2].rstrip("`"), Throttle())
    assert [cloud.contents(name) for name in (cloud.top, cloud.cell)] == before
