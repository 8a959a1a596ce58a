"""`cells compare` of a top and three cells on servers of all kinds: by checksums as by every row."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbaudit.cells import compare as compared
from dbaudit.cells.compare import compare
from dbaudit.cells.looking import Looking
from dbaudit.comparison.live import Credentials
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.comparison.side import Side
from dbaudit.dump.restore import restore
from dbaudit.errors import DbauditError
from dbaudit.server.server import Server
from tests import matrix
from tests.flavors.cloud import Cut, Dumps

NAMES = ("t_three_top", "t_three_1", "t_three_2", "t_three_3")
NUMBER = "CRC32({}) % 3"
CUTS = dict(zip(NAMES, (Cut(4), *(Cut(4, number) for number in range(3))), strict=True))
Told = set[tuple[str, tuple[str, ...], str]]


@dataclass(frozen=True)
class Cloud:
    """Which server has which database."""

    servers: dict[str, Server]
    folder: Path

    def run(self, name: str, *statements: str) -> list[tuple[object, ...]]:
        with contextlib.closing(self.servers[name].admin(name)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def free(self, name: str) -> None:
        """Drop the foreign keys to instances: servers refuse to change what they are on, each in its own cases."""
        keys = (
            "SELECT table_name, constraint_name FROM information_schema.referential_constraints "
            f"WHERE constraint_schema = '{name}' AND referenced_table_name = 'instances'"
        )
        self.run(name, *(f"ALTER TABLE {table} DROP FOREIGN KEY {key}" for table, key in self.run(name, keys)))

    def sides(self) -> list[Side]:
        found = []
        for name, server in self.servers.items():
            url = server.url(server.restricted(NAMES), name).render_as_string(hide_password=False)
            found.append(read_operand(url, Reading(self.folder, None, Credentials())))
        return found


@pytest.fixture
def cloud(serve: Callable[[str], Server], dumps: Dumps, tmp_path: Path) -> Iterator[Cloud]:
    """Havana's top on the first server of the matrix, a third of its cell's instances on each of three."""
    present = []
    for wish in matrix.WISHES:
        with contextlib.suppress(matrix.AbsentError, DbauditError):
            present.append(serve(wish))
    if not present:
        pytest.skip("no server of the matrix is here")
    servers = dict(zip(NAMES, (present[0], *(present[number % len(present)] for number in range(3))), strict=True))
    for name, server in servers.items():
        index = dumps.index("top" if name == NAMES[0] else "cell", "havana", CUTS[name])
        server.drop_database(name)
        restore(index, server, {index.databases[0].name: name})
    found = Cloud(servers, tmp_path)
    named = f"CONCAT('api!cell0', 1 + {NUMBER.format('uuid')})"
    found.run(NAMES[0], f"UPDATE instances SET cell_name = {named} WHERE cell_name IS NOT NULL")
    yield found
    for name, server in servers.items():
        server.drop_database(name)


def told(cloud: Cloud, looking: Looking, *, by_checksum: bool) -> Told:
    result = compare(cloud.sides(), looking)
    assert result.extra["by_checksum"] is by_checksum
    return {(each.check, each.keys, each.message) for each in result.findings}


@pytest.mark.no_cover  # long, along lines that others take too
@pytest.mark.heavy
@pytest.mark.parametrize(
    ("change", "by_checksum"),
    [
        ((), True),
        # Charsets of other columns differ; letters beyond ASCII are the same, and one is not.
        (("ALTER TABLE instances MODIFY display_name VARCHAR(255) CHARACTER SET latin1, MODIFY hostname VARCHAR(255) "
          "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "ALTER TABLE instance_metadata MODIFY value VARCHAR(255) "
          "CHARACTER SET latin1"), True),
        # uuids are ordered in another way: every row is read.
        (("ALTER TABLE instances MODIFY uuid VARCHAR(36) CHARACTER SET latin1",), False),
    ],
    ids=["as they are", "other charsets", "other order"],
)  # fmt: skip
def test_cells_on_several_servers(
    cloud: Cloud, looking: Looking, monkeypatch: pytest.MonkeyPatch, change: tuple[str, ...], by_checksum: bool
) -> None:
    uuids = {}
    for name in NAMES[1:]:
        live = (
            f"SELECT i.uuid FROM instances i JOIN `{name}`.instance_metadata m ON m.instance_uuid = i.uuid "
            "AND m.deleted = 0 WHERE i.deleted = 0 AND i.vm_state = 'active' GROUP BY i.uuid ORDER BY i.uuid LIMIT 4"
        )
        uuids[name] = [str(row[0]) for row in cloud.run(name, live)]
        assert len(uuids[name]) == 4
        same, other, twin, moved = uuids[name]
        cloud.run(name, f"UPDATE instances SET display_name = 'Bjørn' WHERE uuid IN ('{same}', '{other}')")
        cloud.run(NAMES[0], f"UPDATE instances SET display_name = 'Bjørn' WHERE uuid = '{same}'",
                  f"UPDATE instances SET display_name = 'Bjorn' WHERE uuid = '{other}'")  # fmt: skip
        cloud.run(name, f"UPDATE instance_metadata SET value = CONCAT(value, ' ') WHERE instance_uuid = '{twin}'")
        cloud.run(NAMES[0], f"UPDATE instances SET cell_name = 'api!cell09' WHERE uuid = '{moved}'")
    for statement in change:
        for name in (NAMES[2], NAMES[3]):
            if "uuid" in statement:
                cloud.free(name)
            cloud.run(name, statement)
    found = told(cloud, looking, by_checksum=by_checksum)
    monkeypatch.setattr(compared, "suspects", lambda *_: None)
    assert found == told(cloud, looking, by_checksum=False)
    for name in NAMES[1:]:
        same, other, twin, moved = uuids[name]
        named = {key for check, keys, message in found for key in keys if name in message}
        assert {other, twin, moved} <= named
        assert same not in named
