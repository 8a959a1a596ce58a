"""The modern layout: nova_api against a cell, from dumps written here, each fault in its own instance."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dbaudit.cells.looking import Looking
from dbaudit.comparison.side import Side
from dbaudit.finding import Finding
from dbaudit.flavors.check import check

API = """-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: nova_api
-- ------------------------------------------------------
CREATE TABLE `flavors` (`created_at` datetime, `updated_at` datetime, `id` int NOT NULL, `name` varchar(255),
 `memory_mb` int, `vcpus` int, `root_gb` int, `ephemeral_gb` int, `flavorid` varchar(255), `swap` int,
 `rxtx_factor` float, `vcpu_weight` int, `disabled` tinyint(1), `is_public` tinyint(1), PRIMARY KEY (`id`));
INSERT INTO `flavors` VALUES (NULL,NULL,1,'small',2048,1,20,0,'s',0,1,0,0,1),
 (NULL,NULL,2,'big',8192,4,80,0,'b',0,1,0,0,1);
CREATE TABLE `flavor_extra_specs` (`created_at` datetime, `updated_at` datetime, `id` int NOT NULL, `flavor_id` int,
 `key` varchar(255), `value` varchar(255), PRIMARY KEY (`id`));
CREATE TABLE `flavor_projects` (`created_at` datetime, `updated_at` datetime, `id` int NOT NULL, `flavor_id` int,
 `project_id` varchar(255), PRIMARY KEY (`id`));
CREATE TABLE `cell_mappings` (`created_at` datetime, `updated_at` datetime, `id` int NOT NULL, `uuid` varchar(36),
 `name` varchar(255), `transport_url` text, `database_connection` text, PRIMARY KEY (`id`));
INSERT INTO `cell_mappings` VALUES
 (NULL,NULL,1,'00000000-0000-0000-0000-000000000000','cell0','none:///','mysql+pymysql://nova:x@db/nova_cell0'),
 (NULL,NULL,2,'c2','cell1','rabbit://','mysql+pymysql://nova:x@db/nova_cell1?charset=utf8'),
 (NULL,NULL,3,'c3','cell2','rabbit://','mysql+pymysql://nova:x@db/nova_cell2');
CREATE TABLE `host_mappings` (`created_at` datetime, `updated_at` datetime, `id` int NOT NULL, `cell_id` int,
 `host` varchar(255), PRIMARY KEY (`id`));
INSERT INTO `host_mappings` VALUES (NULL,NULL,1,2,'h1'),(NULL,NULL,2,3,'h2'),(NULL,NULL,3,2,'gone');
CREATE TABLE `instance_mappings` (`created_at` datetime, `updated_at` datetime, `id` int NOT NULL,
 `instance_uuid` varchar(36), `cell_id` int, `project_id` varchar(255), `queued_for_delete` tinyint(1),
 `user_id` varchar(255), PRIMARY KEY (`id`));
INSERT INTO `instance_mappings` VALUES {mappings};
CREATE TABLE `request_specs` (`created_at` datetime, `updated_at` datetime, `id` int NOT NULL,
 `instance_uuid` varchar(36), `spec` text, PRIMARY KEY (`id`));
INSERT INTO `request_specs` VALUES {specs};
-- Dump completed on 2026-01-02  3:04:05
"""
CELL = """-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: nova_cell1
-- ------------------------------------------------------
CREATE TABLE `instances` (`created_at` datetime, `updated_at` datetime, `deleted_at` datetime, `deleted` int,
 `id` int NOT NULL, `uuid` varchar(36), `project_id` varchar(255), `instance_type_id` int, `vcpus` int,
 `memory_mb` int, `root_gb` int, `ephemeral_gb` int, `vm_state` varchar(255), `task_state` varchar(255),
 `host` varchar(255), `node` varchar(255), `compute_id` bigint, PRIMARY KEY (`id`));
INSERT INTO `instances` VALUES {instances};
CREATE TABLE `instance_extra` (`created_at` datetime, `updated_at` datetime, `deleted_at` datetime, `deleted` int,
 `id` int NOT NULL, `instance_uuid` varchar(36), `flavor` text, PRIMARY KEY (`id`));
INSERT INTO `instance_extra` VALUES {extra};
CREATE TABLE `instance_system_metadata` (`created_at` datetime, `updated_at` datetime, `deleted_at` datetime,
 `id` int NOT NULL, `instance_uuid` varchar(36), `key` varchar(255), `value` varchar(255), `deleted` int,
 PRIMARY KEY (`id`));
CREATE TABLE `compute_nodes` (`created_at` datetime, `updated_at` datetime, `deleted_at` datetime, `id` int NOT NULL,
 `host` varchar(255), `hypervisor_hostname` varchar(255), `deleted` int, PRIMARY KEY (`id`));
INSERT INTO `compute_nodes` VALUES (NULL,NULL,NULL,1,'h1','n1',0),(NULL,NULL,NULL,2,'h2','n2',0),
 (NULL,NULL,NULL,3,'new','n3',0);
-- Dump completed on 2026-01-02  3:04:05
"""
FINE = {"project": "p", "cell": 2, "queued": 0, "user": "u", "spec": True, "type": 1, "node": 1, "deleted": False}
# What each instance has that a healthy one has not, and the finding that names it.
CASES: dict[str, tuple[dict[str, object], str | None]] = {
    "healthy": ({}, None),
    "unmapped": ({"cell": "absent", "spec": False}, "cells.not-mapped"),
    "no-cell": ({"cell": None}, "cells.mapping-no-cell"),
    "elsewhere": ({"cell": 3}, "cells.mapping-wrong-cell"),
    "no-user": ({"user": None}, "cells.mapping-incomplete"),
    "not-told": ({"queued": None}, "cells.mapping-incomplete"),
    "queued": ({"queued": 1}, "cells.queued-but-live"),
    "dead": ({"deleted": True}, "cells.mapped-not-live"),
    "dead-and-queued": ({"deleted": True, "queued": 1}, None),
    "purged": ({"type": None}, "cells.mapped-not-live"),
    "no-spec": ({"spec": False}, "cells.no-request-spec"),
    "project": ({"project": "other"}, "cells.other-project"),
    "no-node": ({"node": 9}, "cells.no-compute-node"),
    "wrong-node": ({"node": 2}, "cells.no-compute-node"),
    "no-flavor": ({"json": None}, "flavors.embedded-missing"),
    "broken": ({"json": "{"}, "flavors.embedded-unreadable"),
    "stale": ({"json": {"vcpus": 2}, "vcpus": 2}, "flavors.not-its-definition"),
    "disagrees": ({"vcpus": 3}, "flavors.embedded-disagrees"),
    "points": ({"type": 2}, "flavors.points-elsewhere"),
    "flavor-gone": ({"json": {"id": 7, "flavorid": "x"}, "type": 7}, None),
}
SMALL = {
    "id": 1, "name": "small", "memory_mb": 2048, "vcpus": 1, "root_gb": 20, "ephemeral_gb": 0, "flavorid": "s",
    "swap": 0, "rxtx_factor": 1.0, "vcpu_weight": 0, "extra_specs": {}, "disabled": False, "is_public": True,
    "created_at": None, "updated_at": None, "deleted_at": None, "deleted": False,
}  # fmt: skip


def sql(value: object) -> str:
    return "NULL" if value is None else str(value) if isinstance(value, int) else "'" + str(value) + "'"


def lined(text: str) -> str:
    """Each column on a line of its own, as mysqldump writes them."""
    return re.sub(r"(CREATE TABLE `\w+` \()|, (?=`\w+` \w|PRIMARY)", lambda m: f"{m[1] or ','}\n  ", text)


def row(*values: object) -> str:
    return f"({','.join(map(sql, values))})"


def document(changed: object) -> str | None:
    if changed is None or isinstance(changed, str):
        return changed
    data = {**SMALL, **changed} if isinstance(changed, dict) else SMALL
    shape = {"nova_object.name": "Flavor", "nova_object.namespace": "nova", "nova_object.version": "1.2"}
    return json.dumps({"cur": {**shape, "nova_object.data": data}, "old": None, "new": None}).replace('"', '\\"')


@pytest.fixture
def found(tmp_path: Path, side: Callable[[Path | str], Side], looking: Looking) -> tuple[Finding, ...]:
    mappings, specs, instances, extra = [], [], [], []
    for number, (uuid, (changed, _)) in enumerate(CASES.items(), 1):
        case = {**FINE, "json": {}, "vcpus": 1, **changed}
        if case["cell"] != "absent":
            mapped = (number, uuid, case["cell"], case["project"], case["queued"], case["user"])
            mappings.append(row(None, None, *mapped))
        if case["spec"]:
            specs.append(row(None, None, number, uuid, "{}"))
        if case["type"] is not None:
            deleted = number if case["deleted"] else 0
            sizes = (case["vcpus"], 2048, 20, 0)
            place = ("active", None, "h1", "n1", case["node"])
            instances.append(row(None, None, None, deleted, number, uuid, "p", case["type"], *sizes, *place))
            extra.append(row(None, None, None, deleted, number, uuid, document(case["json"])))
    specs.append(row(None, None, 99, "orphan", "{}"))
    (tmp_path / "api.sql").write_text(
        lined(API).replace("{mappings}", ",".join(mappings)).replace("{specs}", ",".join(specs))
    )
    cell = lined(CELL).replace("{instances}", ",".join(instances)).replace("{extra}", ",".join(extra))
    (tmp_path / "cell.sql").write_text(cell)
    return check([side(tmp_path / "api.sql"), side(tmp_path / "cell.sql")], looking).findings


def test_each_fault_names_its_instance_and_no_other(found: tuple[Finding, ...]) -> None:
    named = {(key, each.check) for each in found for key in each.keys if key in CASES}
    assert named == {(uuid, kind) for uuid, (_, kind) in CASES.items() if kind is not None}


def test_hosts_specs_and_cells(found: tuple[Finding, ...]) -> None:
    others = {(each.check, each.keys) for each in found if not set(each.keys) & set(CASES)}
    assert others == {
        ("cells.host-not-mapped", ("new",)),
        ("cells.host-wrong-cell", ("h2",)),
        ("cells.host-gone", ("gone",)),
        ("cells.spec-not-mapped", ("orphan",)),
    }
