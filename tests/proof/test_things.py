# ruff: noqa: E501 - a statement a line
"""What must survive is followed to where releases move it, as checks/<service>/survivors.json declares."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from dbaudit.proof.survivors import load_survivors, read_survivors
from dbaudit.schema.model import Column, Table
from dbaudit.server.server import Server
from tests.proof.conftest import lost
from tests.proof.losses import table

KEYSTONE = load_survivors("keystone")
GRANTS = (
    *table("role", "id VARCHAR(64) PRIMARY KEY, name VARCHAR(255)", "('r1', 'a')", "('r2', 'b')", "('r3', 'c')"),
    *table(
        "user_project_metadata",
        "user_id VARCHAR(64), project_id VARCHAR(64), data TEXT, PRIMARY KEY (user_id, project_id)",
        """('u1', 'p1', '{"roles": [{"id": "r1"}, {"id": null}, {"id": "r2"}, {"id": "r3"}]}')""",
        """('u2', 'p1', '{"roles": [{"id": "r1", "inherited_to": "projects"}]}')""",
        """('u3', 'p2', '{"roles": []}')""",
    ),
    *table(
        "group_domain_metadata",
        "group_id VARCHAR(64), domain_id VARCHAR(64), data TEXT, PRIMARY KEY (group_id, domain_id)",
        """('g1', 'd1', '{"roles": ["r2"]}')""",
    ),
)
ASSIGNMENT = (
    "CREATE TABLE assignment (type ENUM('UserProject', 'GroupProject', 'UserDomain', 'GroupDomain') NOT NULL, "
    "actor_id VARCHAR(64), target_id VARCHAR(64), role_id VARCHAR(64), inherited TINYINT(1) NOT NULL, "
    "PRIMARY KEY (type, actor_id, target_id, role_id)) ENGINE=InnoDB"
)
MOVED = (
    "('UserProject', 'u1', 'p1', 'r1', 0), ('UserProject', 'u2', 'p1', 'r1', 1), ('GroupDomain', 'g1', 'd1', 'r2', 0)"
)
BEHIND = "('UserProject', 'u1', 'p1', 'r2', 0), ('UserProject', 'u1', 'p1', 'r3', 0)"
DROPPED = ("DROP TABLE user_project_metadata", "DROP TABLE group_domain_metadata")


def test_roles_lost_behind_one_without_id(server: Server, schema: str) -> None:
    """Facts of keystone 039: the null drops itself and all later roles of its grant."""
    moved = (ASSIGNMENT, f"INSERT INTO assignment VALUES {MOVED}", *DROPPED)
    (finding,) = lost(server, schema, GRANTS, moved, survivors=KEYSTONE).findings
    assert (finding.facts["class"], finding.object) == (14, "user_project_metadata.data")
    assert finding.keys == ("u1 p1 r2", "u1 p1 r3")


def test_all_roles_moved(server: Server, schema: str) -> None:
    moved = (ASSIGNMENT, f"INSERT INTO assignment VALUES {MOVED}, {BEHIND}", *DROPPED)
    assert lost(server, schema, GRANTS, moved, survivors=KEYSTONE).findings == ()


def test_inheritance_lost(server: Server, schema: str) -> None:
    """A grant that is inherited before and direct after is another grant."""
    direct = f"{MOVED}, {BEHIND}".replace(
        "('UserProject', 'u2', 'p1', 'r1', 1)", "('UserProject', 'u2', 'p1', 'r1', 0)"
    )
    moved = (ASSIGNMENT, f"INSERT INTO assignment VALUES {direct}", *DROPPED)
    (finding,) = lost(server, schema, GRANTS, moved, survivors=KEYSTONE).findings
    assert finding.keys == ("u2 p1 r1",)


CREDENTIALS = table(
    "ec2_credential",
    "access VARCHAR(64) PRIMARY KEY, secret VARCHAR(64), user_id VARCHAR(64), tenant_id VARCHAR(64)",
    "('a1', 's1', 'u1', 'p1')",
    "('a2', 's2', 'u2', 'p2')",
)
CREDENTIAL = table(
    "credential",
    "id VARCHAR(64) PRIMARY KEY, user_id VARCHAR(64), project_id VARCHAR(64), `blob` TEXT, type VARCHAR(255), extra TEXT",
    "('c', 'u1', 'p1', '{\"cert\": \"x\"}', 'cert', NULL)",
)


def credential(access: str, secret: str, user: str, project: str) -> str:
    blob = json.dumps({"access": access, "secret": secret, "trust_id": None})
    key = hashlib.sha256(access.encode()).hexdigest()
    return f"INSERT INTO credential VALUES ('{key}', '{user}', '{project}', '{blob}', 'ec2', '{{}}')"


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (credential("a2", "s2", "u2", "p2"), []),
        (credential("a2", "other", "u2", "p2"), [("ec2_credential.secret", ("a2",), 14)]),
        ("DO 0", [("ec2_credential", ("a2",), 14)]),
    ],
    ids=["all", "another secret", "one missing"],
)
def test_ec2_credentials_moved(
    server: Server, schema: str, second: str, expected: list[tuple[str, tuple[str, ...], int]]
) -> None:
    moved = (credential("a1", "s1", "u1", "p1"), second, "DROP TABLE ec2_credential")
    findings = lost(server, schema, (*CREDENTIALS, *CREDENTIAL), moved, survivors=KEYSTONE).findings
    assert [(each.object, each.keys, each.facts["class"]) for each in findings] == expected
    assert "s2" not in str([each.as_dict() for each in findings])


USERS = table(
    "user",
    "id VARCHAR(64) PRIMARY KEY, name VARCHAR(64), extra TEXT, password VARCHAR(128)",
    """('u1', 'ann', '{"tenantId": "p1", "tenant_id": "p2", "email": "a@b"}', 'x')""",
    """('u2', 'bob', '{"tenantId": "p1", "tenant_id": "p1"}', 'y')""",
    """('u3', 'eve', NULL, 'z')""",
)
DEFAULTS = (
    "ALTER TABLE user ADD default_project_id VARCHAR(64)",
    "UPDATE user SET default_project_id = 'p1' WHERE id < 'u3'",
)


def test_second_default_project(server: Server, schema: str) -> None:
    moved = (*DEFAULTS, """UPDATE user SET extra = '{"email": "a@b"}' WHERE id = 'u1'""",
             "UPDATE user SET extra = '{}' WHERE id = 'u2'")  # fmt: skip
    (finding,) = lost(server, schema, USERS, moved, survivors=KEYSTONE).findings
    assert (finding.object, finding.keys, finding.expected, str(finding.step)) == (
        "user.extra", ("u1",), True, "keystone:34",
    )  # fmt: skip


def test_a_deleted_user_is_told_once(server: Server, schema: str) -> None:
    (finding,) = lost(server, schema, USERS, ("DELETE FROM user WHERE id = 'u1'",), survivors=KEYSTONE).findings
    assert (finding.object, finding.keys) == ("user", ("u1",))


def test_further_attribute_lost(server: Server, schema: str) -> None:
    """What was no default project was not to go."""
    moved = (*DEFAULTS, "UPDATE user SET extra = '{\"tenant_id\": \"p2\"}' WHERE id = 'u1'")
    (finding,) = lost(server, schema, USERS, moved, survivors=KEYSTONE).findings
    assert (finding.object, finding.keys, finding.expected) == ("user.extra", ("u1",), False)
    assert finding.facts["kind"] == "further attributes of users"


def test_region_becomes_a_table(server: Server, schema: str) -> None:
    """Migration 053 keeps `regionone` of two spellings; another region would be a loss."""
    endpoint = table(
        "endpoint",
        "id VARCHAR(64) PRIMARY KEY, interface VARCHAR(8), region VARCHAR(255), service_id VARCHAR(64), url TEXT, extra TEXT",
        "('e1', 'public', 'RegionOne', 's', 'http://a', '{}')",
        "('e2', 'admin', 'regionone', 's', 'http://b', '{\"enabled\": false}')",
    )
    moved = (
        "ALTER TABLE endpoint ADD region_id VARCHAR(255), ADD enabled TINYINT(1) NOT NULL DEFAULT 1",
        "UPDATE endpoint SET region_id = 'RegionOne', enabled = id = 'e1', extra = '{}'",
        "ALTER TABLE endpoint DROP region",
    )
    assert lost(server, schema, endpoint, moved, survivors=KEYSTONE).findings == ()


def test_enabled_written_as_one_constant(server: Server, schema: str) -> None:
    service = table(
        "service",
        "id VARCHAR(64) PRIMARY KEY, type VARCHAR(255), extra TEXT",
        """('s1', 'image', '{"name": "glance", "enabled": true}')""",
        """('s2', 'compute', '{"name": "nova", "enabled": false}')""",
    )
    moved = (
        "ALTER TABLE service ADD enabled TINYINT(1) NOT NULL DEFAULT 1",
        """UPDATE service SET extra = '{"name": "glance"}' WHERE id = 's1'""",
        """UPDATE service SET extra = '{"name": "nova"}' WHERE id = 's2'""",
    )
    (finding,) = lost(server, schema, service, moved, survivors=KEYSTONE).findings
    assert (finding.facts["class"], finding.object, finding.keys) == (18, "service.extra", ("s2",))


VOLUMES = table(
    "volumes",
    "id VARCHAR(36) PRIMARY KEY, host VARCHAR(255), instance_uuid VARCHAR(36), mountpoint VARCHAR(255), "
    "attached_host VARCHAR(255), status VARCHAR(255), deleted TINYINT(1)",
    "('v1', 'p01', 'i1', '/dev/vdb', NULL, 'in-use', 0)",
    "('v2', 'p01', 'i2', '/dev/vdc', 'node7', 'in-use', 0)",
    "('v3', 'p01', 'i3', '/dev/vdd', NULL, 'attaching', 0)",
    "('v4', 'p01', NULL, NULL, NULL, 'available', 0)",
)
ATTACHMENTS = (
    "CREATE TABLE volume_attachment (id VARCHAR(36) PRIMARY KEY, volume_id VARCHAR(36), attached_host VARCHAR(255), "
    "instance_uuid VARCHAR(36), mountpoint VARCHAR(255), deleted TINYINT(1)) ENGINE=InnoDB"
)
STRIPPED = "ALTER TABLE volumes DROP instance_uuid, DROP mountpoint, DROP attached_host"


def test_attachments_of_kilo(server: Server, schema: str) -> None:
    """Migration 040 passes over volumes that are being attached and writes the back end as the host."""
    copied = (
        "INSERT INTO volume_attachment SELECT UUID(), id, host, instance_uuid, mountpoint, 0 FROM volumes "
        "WHERE status = 'in-use'"
    )
    found = lost(server, schema, VOLUMES, (ATTACHMENTS, copied, STRIPPED), survivors=load_survivors("cinder")).findings
    assert sorted((each.object, each.keys, each.expected) for each in found) == [
        ("volumes.attached_host", ("v2",), False),
        ("volumes.instance_uuid", ("v3",), False),
        ("volumes.status", ("v3",), True),
    ]


def test_attachments_that_all_arrive(server: Server, schema: str) -> None:
    copied = (
        "INSERT INTO volume_attachment SELECT UUID(), id, attached_host, instance_uuid, mountpoint, 0 FROM volumes "
        "WHERE instance_uuid IS NOT NULL"
    )
    pooled = "UPDATE volumes SET host = CONCAT(host, '#pool')"  # as Juno writes it
    moved = (ATTACHMENTS, copied, STRIPPED, pooled)
    assert lost(server, schema, VOLUMES, moved, survivors=load_survivors("cinder")).findings == ()


def test_a_deleted_volume_is_told_once(server: Server, schema: str) -> None:
    cinder = load_survivors("cinder")
    (finding,) = lost(server, schema, VOLUMES, ("DELETE FROM volumes WHERE id = 'v4'",), survivors=cinder).findings
    assert (finding.object, finding.keys) == ("volumes", ("v4",))


def test_things_in_tables_too_large_for_rows(server: Server, schema: str) -> None:
    """There only the things tell which are gone."""
    cinder, delete = load_survivors("cinder"), ("DELETE FROM volumes WHERE id = 'v4'",)
    found = lost(server, schema, VOLUMES, delete, survivors=cinder, rows=0).findings
    assert {(each.object, each.count, each.keys) for each in found} == {("volumes", 1, ("v4",)), ("volumes", 1, ())}


def test_glance_locations(server: Server, schema: str) -> None:
    images = table("images", "id VARCHAR(36) PRIMARY KEY, location TEXT", "('i1', 'rbd://a')", "('i2', 'rbd://b')")
    made = (
        "CREATE TABLE image_locations (id INT AUTO_INCREMENT PRIMARY KEY, image_id VARCHAR(36), value TEXT, "
        "deleted TINYINT(1) NOT NULL DEFAULT 0) ENGINE=InnoDB"
    )
    moved = "INSERT INTO image_locations (image_id, value) SELECT id, location FROM images"
    dropped = "ALTER TABLE images DROP location"
    glance = load_survivors("glance")
    (finding,) = lost(server, schema, images, (made, f"{moved} WHERE id = 'i1'", dropped), survivors=glance).findings
    assert (finding.facts["class"], finding.object, finding.keys) == (14, "images.location", ("i2",))


def test_soft_deleted_things_left_behind(server: Server, schema: str) -> None:
    """15: the things that did not move are the deleted ones."""
    things = read_survivors(
        {
            "covers": ["old"],
            "kinds": [
                {"name": "things", "encodings": [{"table": "old", "key": ["id"]}, {"table": "new", "key": ["id"]}]}
            ],
        }
    )
    before = table("old", "id VARCHAR(9) PRIMARY KEY, deleted INT", "('a', 0)", "('b', 1)")
    moved = ("CREATE TABLE new AS SELECT * FROM old WHERE deleted = 0", "DROP TABLE old")
    (finding,) = lost(server, schema, before, moved, survivors=things).findings
    assert (finding.facts["class"], finding.keys) == (15, ("b",))


# Columns of the tables of 2025.1 (keystone 27 and later, cinder 24, glance 28, nova 31), as their models have them.
MODERN = Path(__file__).with_name("modern_columns.json")


@pytest.mark.parametrize("service", ["keystone", "cinder", "nova", "glance", "nova_api"])
def test_declarations_name_real_columns(service: str) -> None:
    """Each encoding is one of some release: its table, key and name columns are in a reference, or in a table of today;
    and of today's tables something is declared of each kind that is told."""
    from dbaudit.migration.catalogue import load_catalogue, reference

    catalogue = load_catalogue(service)
    assert catalogue
    schemas = [found for release in catalogue.releases if (found := reference(service, release))]
    modern = {name: _table(columns.split()) for name, columns in json.loads(MODERN.read_text())[service].items()}
    for kind in load_survivors(service).kinds:
        for encoding in kind.encodings:
            tables = [schema.tables[encoding.table] for schema in schemas if encoding.table in schema.tables]
            tables += [modern[encoding.table]] if encoding.table in modern else []
            earlier = encoding.object == "images.location"  # of Folsom
            assert earlier or any(encoding.usable(each) for each in tables), f"{kind.name}: {encoding.object}"
            fields = {source.column for sources in encoding.fields.values() for source in sources if source.column}
            known = {column.name for each in tables for column in each.columns}
            # The password of Newton and Ocata was in `password`, the connection of an attachment is of Pike.
            assert earlier or fields - {"password"} <= known, f"{kind.name}: {fields - known}"


def _table(columns: list[str]) -> Table:
    return Table("t", tuple(Column(name, "int") for name in columns))
