"""Two dumps of a pair that is written meanwhile: what the one has and the other not yet is in flight, and no error."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from dbaudit.cells.compare import compare
from dbaudit.cells.looking import Looking
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.finding import Finding, Severity
from dbaudit.flavors.check import check
from tests import matrix
from tests.flavors.cloud import Cloud, alike

pytestmark = pytest.mark.heavy

# What nova does: each change in the one database, and a moment later in the other.
BOOT = (
    "INSERT INTO instances (created_at, uuid, deleted, vm_state, memory_mb, vcpus, root_gb, ephemeral_gb, "
    "instance_type_id, cell_name) SELECT UTC_TIMESTAMP(), '{new}', 0, 'building', memory_mb, vcpus, root_gb, "
    "ephemeral_gb, instance_type_id, {cell} FROM instances WHERE uuid = '{old}'",
    "INSERT INTO instance_system_metadata (created_at, deleted, instance_uuid, `key`, value) SELECT UTC_TIMESTAMP(), "
    "0, '{new}', `key`, value FROM instance_system_metadata WHERE instance_uuid = '{old}' AND deleted = 0",
)
MOVE = ("UPDATE instances SET vm_state = '{state}', host = '{state}', updated_at = UTC_TIMESTAMP() "
        "WHERE uuid = '{old}'",)  # fmt: skip
ATTACH = ("INSERT INTO block_device_mapping (created_at, deleted, instance_uuid, device_name, volume_id) "
          "VALUES (UTC_TIMESTAMP(), 0, '{old}', '/dev/{device}', '{new}')",)  # fmt: skip
DETACH = ("UPDATE block_device_mapping SET deleted = id, deleted_at = UTC_TIMESTAMP() WHERE deleted = 0 "
          "AND instance_uuid = '{old}' AND created_at > '2020-01-01'",)  # fmt: skip
NAME = (
    "INSERT INTO instance_metadata (created_at, deleted, instance_uuid, `key`, value) "
    "VALUES (UTC_TIMESTAMP(), 0, '{old}', '{device}', '1')",
)
UNNAME = ("UPDATE instance_metadata SET deleted = id, deleted_at = UTC_TIMESTAMP() WHERE instance_uuid = '{old}' "
          "AND deleted = 0",)  # fmt: skip
DELETE = ("UPDATE instances SET deleted = id, deleted_at = UTC_TIMESTAMP(), vm_state = 'deleted' "
          "WHERE uuid = '{new}'",)  # fmt: skip
FLAVOR = (
    "INSERT INTO instance_types (created_at, name, memory_mb, vcpus, swap, flavorid, rxtx_factor, root_gb, "
    "ephemeral_gb, disabled, is_public, deleted) VALUES (UTC_TIMESTAMP(), '{new}', 1, 1, 0, '{new}', 1, 1, 0, 0, 1, 0)",
)
# The first database, and how often; user metadata and flavors come from above.
ACTS = (
    (BOOT, "top", 3), (MOVE, "cell", 6), (ATTACH, "cell", 3), (DETACH, "cell", 2), (NAME, "top", 2), (UNNAME, "top", 1),
    (DELETE, "cell", 2), (FLAVOR, "top", 1),
)  # fmt: skip


class Nova(threading.Thread):
    """Writes to both databases until it is told to end."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__()
        self.cloud, self.end, self.rounds = cloud, threading.Event(), 0
        self.chance = random.Random(8)
        self.old = [
            str(row[0]) for row in cloud.run(cloud.top, "SELECT uuid FROM instances WHERE deleted = 0 LIMIT 60")
        ]
        self.made: list[str] = []

    def run(self) -> None:
        with contextlib.ExitStack() as stack:
            both = {
                place: stack.enter_context(contextlib.closing(self.cloud.server.admin(name)))
                for place, name in (("top", self.cloud.top), ("cell", self.cloud.cell))
            }
            while not self.end.is_set():
                ((act, first, _),) = self.chance.choices(ACTS, [weight for *_, weight in ACTS])
                new = f"{self.rounds:08x}-0000-4000-8000-{self.chance.getrandbits(48):012x}"
                old = self.chance.choice(self.old)
                if act is BOOT:
                    self.made.append(new)
                elif act is DELETE:
                    new = self.made.pop() if self.made else new
                words = {"new": new, "old": old, "state": self.chance.choice(("active", "stopped")),
                         "device": f"vd{self.rounds:x}"}  # fmt: skip
                for place in (first, "cell" if first == "top" else "top"):
                    with both[place].cursor() as cursor:
                        for statement in act:
                            cursor.execute(statement.format(**words, cell="'api!cell01'" if place == "top" else "NULL"))
                    self.end.wait(0.05)
                self.rounds += 1


def dumped(cloud: Cloud, program: str, name: str, zone: str) -> Path:
    account, path = cloud.server.restricted([cloud.top, cloud.cell, cloud.journal]), cloud.folder / f"{name}-dump.sql"
    with path.open("wb") as file:
        subprocess.run(
            [program, "--no-defaults", *matrix.reach(cloud.server), f"--user={account.user}",
             "--single-transaction", name],
            env={"MYSQL_PWD": account.password, "TZ": zone}, stdout=file, check=True, timeout=120,
        )  # fmt: skip
    return path


@pytest.mark.no_cover  # long, along lines that others take too
@pytest.mark.server("mariadb")
@pytest.mark.parametrize(("zone", "rounds"), [("UTC0", 6), ("JST-9", 4), ("EST5", 4)])
def test_two_dumps_under_write_load_give_no_error(cloud: Cloud, looking: Looking, zone: str, rounds: int) -> None:
    program = shutil.which("mariadb-dump")
    if program is None:
        pytest.skip("mariadb-dump is not installed")
    alike(cloud)
    nova, flying, errors = Nova(cloud), set[str](), list[Finding]()
    nova.start()
    try:
        for number in range(40):  # what is in flight as a dump is taken is luck
            if number >= rounds and len(flying) > 2:
                break
            sides = [
                read_operand(str(dumped(cloud, program, name, zone)), Reading(cloud.folder))
                for name in (cloud.top, cloud.cell)
            ]
            for command in (check, compare):
                for each in command(sides, looking).findings:
                    if each.facts.get("in_flight"):
                        flying.add(each.check)
                    elif each.severity is Severity.ERROR or each.check.startswith("cells."):
                        errors.append(each)
            assert not errors
    finally:
        nova.end.set()
        nova.join()
    assert nova.rounds > 10
    assert len(flying) > 2
