"""`cells compare` of live databases: by checksums it tells what reading every row tells."""

from __future__ import annotations

import pytest

from dbaudit.cells import compare as compared
from dbaudit.cells.compare import compare
from dbaudit.cells.looking import Looking
from tests.flavors.cloud import Cloud, alike

pytestmark = pytest.mark.heavy

LIVE = "deleted = 0 AND vm_state = 'active' ORDER BY uuid"
MADE = (
    "INSERT INTO {table} (created_at, deleted, instance_uuid, `key`, value) VALUES (NULL, 0, '{uuid}', 'k', '{value}')"
)


def told(cloud: Cloud, looking: Looking, *, by_checksum: bool) -> set[tuple[str, tuple[str, ...], str]]:
    result = compare(cloud.sides, looking)
    assert result.extra["by_checksum"] is by_checksum
    return {(each.check, each.keys, each.message) for each in result.findings}


@pytest.mark.no_cover  # long, along lines that others take too
def test_checksums_tell_what_every_row_tells(whole: Cloud, looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = whole
    uuids = [str(row[0]) for row in cloud.run(cloud.top, f"SELECT uuid FROM instances WHERE {LIVE} LIMIT 12")]
    for name, places in ((cloud.top, (0, 1)), (cloud.cell, (1, 0))):  # rows that changed places, and nothing else
        for table in ("instance_metadata", "instance_system_metadata"):
            cloud.run(
                name, *(MADE.format(table=table, uuid=uuids[n], value=v) for v, n in zip("ab", places, strict=True))
            )
    cloud.run(
        cloud.cell,
        f"UPDATE instances SET display_name = 'VM-x' WHERE uuid = '{uuids[2]}'",
        f"UPDATE instances SET display_name = NULL WHERE uuid = '{uuids[3]}'",
        f"UPDATE instances SET deleted = NULL WHERE uuid = '{uuids[4]}'",
        *(MADE.format(table="instance_metadata", uuid=uuids[5], value=n) for n in range(700)),
        f"UPDATE instances SET root_gb = root_gb + 1 WHERE {LIVE.replace('uuid', 'uuid DESC')} LIMIT 1",
    )
    cloud.run(
        cloud.top,
        f"UPDATE instances SET cell_name = 'api!cell02' WHERE uuid = '{uuids[6]}'",
        f"UPDATE instances SET cell_name = NULL WHERE uuid = '{uuids[7]}'",
        f"UPDATE instances SET cell_name = 'API!cell01' WHERE uuid = '{uuids[8]}'",
        f"UPDATE instances SET display_name = 'vm-X' WHERE uuid = '{uuids[2]}'",
    )
    quick = told(cloud, looking, by_checksum=True)
    monkeypatch.setattr(compared, "suspects", lambda *_: None)
    assert quick == told(cloud, looking, by_checksum=False)
    named = {key for _, keys, _ in quick for key in keys}
    assert {uuids[n] for n in (0, 1, 2, 3, 5, 6, 8)} <= named


@pytest.mark.server("mariadb")
def test_without_an_index_every_row_is_read(cloud: Cloud, looking: Looking) -> None:
    before = told(cloud, looking, by_checksum=True)
    cloud.run(cloud.cell, "ALTER TABLE instance_metadata DROP FOREIGN KEY instance_metadata_instance_uuid_fkey",
              "ALTER TABLE instance_metadata DROP KEY instance_metadata_instance_uuid_idx")  # fmt: skip
    assert told(cloud, looking, by_checksum=False) == before


@pytest.mark.server("mariadb")
def test_many_suspects_are_no_suspects(cloud: Cloud, looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    before = told(cloud, looking, by_checksum=True)
    monkeypatch.setattr("dbaudit.cells.suspects.MOST", 3)
    assert told(cloud, looking, by_checksum=False) == before


@pytest.mark.server("mariadb")
def test_rows_that_change_places_and_nothing_else(cloud: Cloud, looking: Looking) -> None:
    alike(cloud)
    assert not told(cloud, looking, by_checksum=True)
    uuids = [str(row[0]) for row in cloud.run(cloud.top, f"SELECT uuid FROM instances WHERE {LIVE} LIMIT 2")]
    for name, places in ((cloud.top, (0, 1)), (cloud.cell, (1, 0))):
        rows = [
            MADE.format(table="instance_metadata", uuid=uuids[n], value=v) for v, n in zip("ab", places, strict=True)
        ]
        cloud.run(name, *rows)
    ((kind, keys, _),) = told(cloud, looking, by_checksum=True)
    assert (kind, set(keys)) == ("cells.metadata-differs", set(uuids))
