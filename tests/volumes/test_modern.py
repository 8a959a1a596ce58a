"""A rehost on cinder's later tables: services have uuids, volumes may belong to clusters, groups have hosts.

Kilo's reference with what Liberty (image_volume_cache_entries), Newton (groups, clusters, cluster_name) and Queens
(services.uuid, volumes.service_uuid with its foreign key) brought.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dbaudit.errors import DbauditError
from dbaudit.migration.catalogue import load_catalogue, reference_at
from dbaudit.release import release
from dbaudit.repair.apply import apply
from dbaudit.repair.limits import Limits
from dbaudit.repair.retract import undo
from dbaudit.repair.target import Target, open_target
from dbaudit.repair.throttle import Throttle
from dbaudit.repair.work import Work
from dbaudit.server.server import Server
from dbaudit.volumes import rehost
from dbaudit.volumes.look import Look
from tests.repair.conftest import execute
from tests.repair.dumps import dump
from tests.test_laws import load

__all__ = ["execute"]

Execute = Callable[..., list[tuple[Any, ...]]]
LATER = """
ALTER TABLE services ADD uuid VARCHAR(36) NULL, ADD cluster_name VARCHAR(255) NULL, ADD UNIQUE KEY services_uuid (uuid);
ALTER TABLE volumes ADD service_uuid VARCHAR(36) NULL, ADD cluster_name VARCHAR(255) NULL,
  ADD KEY volumes_service_uuid (service_uuid, deleted),
  ADD CONSTRAINT volumes_service FOREIGN KEY (service_uuid) REFERENCES services (uuid);
ALTER TABLE consistencygroups ADD cluster_name VARCHAR(255) NULL;
CREATE TABLE `groups` (id VARCHAR(36) NOT NULL PRIMARY KEY, project_id VARCHAR(255), cluster_name VARCHAR(255),
  host VARCHAR(255), status VARCHAR(255), deleted TINYINT(1)) ENGINE=InnoDB DEFAULT CHARSET=utf8;
CREATE TABLE image_volume_cache_entries (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, host VARCHAR(255) NOT NULL,
  image_id VARCHAR(36) NOT NULL, volume_id VARCHAR(36) NOT NULL, size INT NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8;
INSERT INTO services (id, host, `binary`, uuid, deleted, updated_at) VALUES
  (1, 'old@lvm', 'cinder-volume', 'uuid-old', 0, UTC_TIMESTAMP()),
  (2, 'new@lvm', 'cinder-volume', 'uuid-new', 0, UTC_TIMESTAMP()),
  (3, 'new@lvm', 'cinder-volume', 'uuid-gone', 1, UTC_TIMESTAMP()),
  (4, 'new@lvm', 'cinder-backup', 'uuid-backup', 0, UTC_TIMESTAMP());
INSERT INTO volumes (id, host, service_uuid, cluster_name, status, deleted) VALUES
  ('pool', 'old@lvm#p1', 'uuid-old', NULL, 'available', 0), ('bare', 'old@lvm', NULL, NULL, 'available', 0),
  ('cluster', 'old@lvm#p1', 'uuid-old', 'c@lvm#p1', 'available', 0),
  ('gone', 'old@lvm#p1', 'uuid-old', NULL, 'deleted', 1),
  ('other', 'old@lvm2#p1', 'uuid-old', NULL, 'available', 0), ('undecided', 'old@lvm', NULL, NULL, 'error', NULL);
INSERT INTO consistencygroups (id, host, deleted) VALUES ('cg', 'old@lvm#p1', 0);
INSERT INTO `groups` VALUES ('g', 'p', NULL, 'old@lvm#p1', 'available', 0),
  ('g-gone', 'p', NULL, 'old@lvm', 'deleted', 1);
INSERT INTO image_volume_cache_entries (host, image_id, volume_id, size) VALUES ('old@lvm#p1', 'i', 'pool', 1);
INSERT INTO backups (id, host, deleted) VALUES ('b', 'old@lvm', 0);
"""


@pytest.fixture
def target(server: Server, schema: str, execute: Execute) -> Iterator[Target]:
    catalogue = load_catalogue("cinder")
    assert catalogue
    reference = reference_at("cinder", catalogue.releases[release("kilo")])
    assert reference
    load(server, schema, reference, LATER)
    journal = f"j_{schema[-8:]}"
    server.drop_database(journal)
    yield open_target(server.url(server.restricted([schema, journal]), schema), journal)
    server.drop_database(journal)


def work_of(target: Target, *moves: str, will_come: bool = False) -> Work:
    with target.session() as connection:
        look = Look(connection, target)
        return rehost.rehost(look, rehost.read_moves(moves), service_will_come=will_come)


def volumes(execute: Execute) -> dict[str, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in execute("SELECT id, host, service_uuid, cluster_name FROM volumes")}


def test_services_follow_and_pools_stay(server: Server, schema: str, target: Target, execute: Execute) -> None:
    before, there = dump(server, schema), volumes(execute)
    work = work_of(target, "old@lvm=new@lvm")
    said = " ".join(work.warnings)
    assert "1 of these volumes belong to a cluster; their `cluster_name` is not touched" in said
    assert "1 row(s) of `volumes` are neither live nor deleted (NULL)" in said
    done = apply(work, target, Throttle(), Limits())
    assert done.rows == 3 + 1 + 1 + 1
    after = volumes(execute)
    assert after["pool"] == ("new@lvm#p1", "uuid-new", None)
    assert after["bare"] == ("new@lvm", "uuid-new", None)
    assert after["cluster"] == ("new@lvm#p1", "uuid-new", "c@lvm#p1")
    for each in ("gone", "other", "undecided"):
        assert after[each] == there[each]
    assert execute("SELECT id, host FROM `groups` ORDER BY id") == [("g", "new@lvm#p1"), ("g-gone", "old@lvm")]
    assert execute("SELECT host FROM consistencygroups UNION ALL SELECT host FROM image_volume_cache_entries") == [
        ("new@lvm#p1",), ("new@lvm#p1",),
    ]  # fmt: skip
    assert execute("SELECT host FROM backups") == [("old@lvm",)]
    assert execute("SELECT COUNT(*) FROM services WHERE host = 'old@lvm' AND deleted = 0") == [(1,)]
    undo(target, str(done.run), Throttle())
    assert dump(server, schema) == before


def test_a_service_that_is_to_come_leaves_the_old_uuid(target: Target, execute: Execute) -> None:
    with pytest.raises(DbauditError, match="there is no cinder-volume service later@lvm"):
        work_of(target, "old@lvm=later@lvm")
    work = work_of(target, "old@lvm=later@lvm", will_come=True)
    assert "`cinder-manage volume update_service` when later@lvm has come" in " ".join(work.warnings)
    apply(work, target, Throttle(), Limits())
    after = volumes(execute)
    assert after["pool"] == ("later@lvm#p1", "uuid-old", None)
    assert after["bare"] == ("later@lvm", None, None)
