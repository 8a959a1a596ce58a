# ruff: noqa: E501 - a definition a line
"""What must survive is followed in the tables of today's releases too, however many rows they have."""

from __future__ import annotations

import pytest

from dbaudit.proof.survivors import load_survivors
from dbaudit.server.server import Server
from tests.proof.conftest import lost

INNODB = "ENGINE=InnoDB DEFAULT CHARSET=utf8"
# service, definition of the table, rows, what a step does, the things that it loses, their names
CASES = (
    ("keystone", "password (id INT AUTO_INCREMENT PRIMARY KEY, local_user_id INT, password_hash VARCHAR(255),"
     " created_at_int BIGINT, expires_at_int BIGINT)", "(1, 7, 'hidden-1', 100, NULL), (2, 8, 'hidden-2', 100, NULL)",
     "DELETE FROM password WHERE id = 2", "password hashes", ("8",)),
    ("keystone", "credential (id VARCHAR(64) PRIMARY KEY, user_id VARCHAR(64), project_id VARCHAR(64),"
     " encrypted_blob TEXT, type VARCHAR(255), key_hash VARCHAR(64), extra TEXT)",
     "('c1', 'u', 'p', 'hidden-1', 'ec2', 'k', NULL), ('c2', 'u', 'p', 'hidden-2', 'totp', 'k', NULL)",
     "DELETE FROM credential WHERE id = 'c1'", "encrypted credentials", ("c1",)),
    ("keystone", "application_credential (internal_id INT AUTO_INCREMENT PRIMARY KEY, id VARCHAR(64), name VARCHAR(255),"
     " secret_hash VARCHAR(255), user_id VARCHAR(64), project_id VARCHAR(64))",
     "(1, 'a1', 'n', 'hidden-1', 'u', 'p'), (2, 'a2', 'm', 'hidden-2', 'u', 'p')",
     "DELETE FROM application_credential WHERE id = 'a2'", "application credentials", ("a2",)),
    ("keystone", "system_assignment (type VARCHAR(64), actor_id VARCHAR(64), target_id VARCHAR(64),"
     " role_id VARCHAR(64), inherited TINYINT(1), PRIMARY KEY (actor_id, role_id))",
     "('UserSystem', 'u1', 'system', 'admin', 0), ('UserSystem', 'u2', 'system', 'admin', 0)",
     "DELETE FROM system_assignment WHERE actor_id = 'u2'", "grants on the system", ("u2 admin",)),
    ("nova_api", "instance_mappings (id INT AUTO_INCREMENT PRIMARY KEY, instance_uuid VARCHAR(36), cell_id INT,"
     " project_id VARCHAR(255), user_id VARCHAR(255))", "(1, 'i1', 1, 'p', 'u'), (2, 'i2', 1, 'p', 'u')",
     "DELETE FROM instance_mappings WHERE id = 2", "instances by cell", ("i2",)),
    ("nova_api", "flavors (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(255), memory_mb INT, flavorid VARCHAR(255))",
     "(1, 'm1.tiny', 512, '1'), (2, 'm1.big', 4096, '2')", "DELETE FROM flavors WHERE id = 1", "flavors", ("1",)),
    ("cinder", "volume_attachment (id VARCHAR(36) PRIMARY KEY, volume_id VARCHAR(36), instance_uuid VARCHAR(36),"
     " attached_host VARCHAR(255), mountpoint VARCHAR(255), connection_info TEXT, connector TEXT, deleted TINYINT(1))",
     "('a1', 'v1', 'i1', 'h', '/dev/vdb', 'hidden-1', NULL, 0), ('a2', 'v2', 'i2', 'h', '/dev/vdb', 'hidden-2', NULL, 0)",
     "DELETE FROM volume_attachment WHERE id = 'a2'", "connections of attachments", ("a2",)),
    ("glance", "images (id VARCHAR(36) PRIMARY KEY, owner VARCHAR(255), os_hash_value VARCHAR(128), deleted TINYINT(1))",
     "('i1', 'p', 'h1', 0), ('i2', 'p', 'h2', 0)", "DELETE FROM images WHERE id = 'i2'", "images", ("i2",)),
    ("nova", "block_device_mapping (id INT AUTO_INCREMENT PRIMARY KEY, uuid VARCHAR(36), instance_uuid VARCHAR(36),"
     " volume_id VARCHAR(36), device_name VARCHAR(255), attachment_id VARCHAR(36), deleted INT)",
     "(1, 'b1', 'i1', 'v1', '/dev/vda', 't1', 0), (2, 'b2', 'i2', 'v2', '/dev/vda', 't2', 0)",
     "DELETE FROM block_device_mapping WHERE id = 2", "attachments of volumes", ("i2 v2",)),
)  # fmt: skip


@pytest.mark.parametrize(("service", "table", "rows", "loss", "kind", "names"), CASES, ids=str)
@pytest.mark.server("mariadb", "mysql>=9")
def test_a_thing_that_is_gone_is_told(
    server: Server, schema: str, service: str, table: str, rows: str, loss: str, kind: str, names: tuple[str, ...]
) -> None:
    before = (f"CREATE TABLE {table} {INNODB}", f"INSERT INTO {table.partition(' ')[0]} VALUES {rows}")
    found = lost(server, schema, before, (loss,), survivors=load_survivors(service), rows=0).findings
    told = {each.facts.get("kind"): each for each in found}
    assert told[kind].keys == names
    assert "hidden" not in repr(found)


@pytest.mark.server("mariadb")
def test_nothing_is_told_of_tables_that_are_as_they_were(server: Server, schema: str) -> None:
    for service, table, rows, _, _, _ in CASES:
        name = table.partition(" ")[0]
        before = (f"CREATE TABLE {table} {INNODB}", f"INSERT INTO {name} VALUES {rows}")
        after = (f"ALTER TABLE {name} ADD COLUMN new_one INT",)
        assert lost(server, schema, before, after, survivors=load_survivors(service), rows=0).findings == ()
