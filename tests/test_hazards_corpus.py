"""Hazards held against what the real upgrades did to the corpus: no block that did not happen, no loss that did."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbaudit.audit import audit, run, split
from dbaudit.check import Audited, Unknown
from dbaudit.dryrun.inspection import Inspection, inspect_one
from dbaudit.dryrun.prediction import predict
from dbaudit.dryrun.rows import reader
from dbaudit.dump.index import read_counts
from dbaudit.dump.restore import restore
from dbaudit.dump.rows import read_rows
from dbaudit.dump.source import open_dump
from dbaudit.finding import Effect, Finding, Severity
from dbaudit.migration.catalogue import load_catalogue, reference
from dbaudit.migration.structure import stages
from dbaudit.packs import check
from dbaudit.progress import silent
from dbaudit.release import release
from dbaudit.schema.model import Schema
from dbaudit.server.server import Server
from tests.test_laws import FIXTURES
from tests.test_laws import audited as loaded

# Rows are the same on every server of the matrix: what differs between servers is for the laws to show. They go, for
# long, along lines that others take too.
pytestmark = [pytest.mark.server("mariadb"), pytest.mark.no_cover]

RELEASES = ("havana", "icehouse", "juno", "kilo")
SAFE = (
    ("data/nova-top-grizzly", "kilo"), ("data/nova-top-havana", "kilo"), ("data/nova-cell-grizzly", "kilo"),
    ("data/nova-cell-havana", "kilo"), ("data/keystone-grizzly", "juno"), ("data/keystone-grizzly", "kilo"),
    ("data/keystone-havana", "kilo"), ("data/cinder-grizzly", "kilo"), ("data/cinder-havana", "kilo"),
    ("data/cinder-juno", "kilo"), ("data/glance-grizzly", "kilo"), ("data/glance-havana", "kilo"),
)  # fmt: skip
VARIANTS = (
    "cinder-backport", "cinder-latin1", "cinder-never", "keystone-benign", "keystone-clash-index",
    "keystone-ec2-conflict", "nova-archived-bdm", "nova-dups", "nova-mixed-benign", "nova-netdb",
)  # fmt: skip

Predict = Callable[..., tuple[Finding, ...]]


@pytest.fixture
def predicted(corpus: Path, server: Server, schema_name: str, tmp_path: Path) -> Predict:
    """Restore a dump of the corpus, once, and tell what is predicted of its upgrade to a release."""
    seen: dict[str, Inspection] = {}

    def call(name: str, target: str) -> tuple[Finding, ...]:
        if name not in seen:
            server.drop_database(schema_name)
            seen.clear()
            seen[name] = inspect_one(str(corpus / f"{name}.sql.gz"), tmp_path, database=None, watch=silent)
            restore(seen[name].index, server, {seen[name].entry.name: schema_name})
        with reader(server, server.restricted([schema_name]), schema_name) as query:
            made = predict(seen[name], release(target), charset="utf8", query=query)
        assert not [each for each in made.skipped if "failed" in each.reason]
        return made.findings

    return call


def blocks(findings: tuple[Finding, ...]) -> list[tuple[str, int]]:
    """The steps that are predicted to stop, in order."""
    found = {each.step for each in findings if each.effect is Effect.BLOCKS and each.step}
    return sorted((each.repository, int(each.version)) for each in found)


def truth(corpus: Path, name: str) -> Any:
    return json.loads((corpus / f"{name}.json").read_text())


@pytest.mark.parametrize(("name", "target"), SAFE)
def test_no_block_where_the_real_upgrade_went_through(predicted: Predict, name: str, target: str) -> None:
    assert blocks(predicted(name, target)) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_blocks_are_where_the_real_upgrade_stopped(corpus: Path, predicted: Predict, variant: str) -> None:
    told = truth(corpus, f"local/{variant}.truth")
    first = None
    for upgrade in told["upgrades"]:
        failed = upgrade.get("failed_migration")
        if failed and first is None:
            first = (told["service"], int(failed.split("_")[0]))
        found = blocks(predicted(f"local/{variant}-grizzly", upgrade["to"]))
        assert found[:1] == ([first] if first else [])


def test_a_block_is_seen_from_every_release_before_it(predicted: Predict) -> None:
    for start in ("havana", "icehouse", "juno"):
        (found,) = (f for f in predicted(f"local/nova-netdb-{start}", "kilo") if f.effect is Effect.BLOCKS)
        assert (found.check, found.object, found.count) == ("nova.null-instance-uuid", "netdb_hosts", 1)


@pytest.mark.parametrize("cell", ["nova-top", "nova-cell"])
def test_rows_that_go_are_those_that_the_real_upgrade_took(corpus: Path, predicted: Predict, cell: str) -> None:
    effects = truth(corpus, "data/UPGRADE-EFFECTS")[f"{cell} grizzly->havana"]
    findings = predicted(f"data/{cell}-grizzly", "havana")
    gone = {table: what["rows_soft_deleted_by_upgrade"] for table, what in effects.items() if len(what) == 1
            and "rows_soft_deleted_by_upgrade" in what}  # fmt: skip
    assert soft_deleted(findings) == gone
    moved = {f.object: f.count for f in findings if f.check == "nova.orphans-moved"}
    dumped = {t.removeprefix("dump_"): len(what["rows_moved_here"]) for t, what in effects.items() if "fate" in what}
    assert moved == dumped
    (hidden,) = (f for f in findings if f.check == "nova.image-device-hidden")
    assert hidden.count == effects["block_device_mapping"]["rows_new_with_deleted_NULL"]
    lost = [each for each in findings if each.check == "nova.duplicate-rows"]
    assert {each.severity for each in lost if not each.expected} == {Severity.ERROR}
    assert {each.object for each in lost if each.expected} <= {"aggregate_hosts", "instance_type_projects"}
    freed = [each.count for each in findings if each.check == "nova.reservations-dropped"]
    assert freed == [effects["reservations"]["rows_gone"]] if "reservations" in effects else not freed


@pytest.mark.parametrize(
    "name", ["data/nova-top", "data/nova-cell", "local/nova-dups", "local/nova-netdb", "local/nova-mixed-benign"]
)
def test_rows_that_go_are_those_between_two_dumps(corpus: Path, predicted: Predict, name: str) -> None:
    before, after = (live_rows(corpus / f"{name}-{at}.sql.gz") for at in ("grizzly", "havana"))
    gone = {table: sorted(before[table] - after[table], key=int) for table in before}
    findings = predicted(f"{name}-grizzly", "havana")
    assert soft_deleted(findings) == {table: rows for table, rows in gone.items() if rows}


def soft_deleted(findings: tuple[Finding, ...]) -> dict[str, list[str]]:
    found: dict[str, list[int]] = {}
    for each in findings:
        if each.check == "nova.duplicate-rows":
            found.setdefault(each.object, []).extend(each.facts["rows"])
    return {table: [str(row) for row in sorted(rows)] for table, rows in found.items()}


def live_rows(path: Path) -> dict[str, set[str]]:
    """Ids of the live rows of the tables that get unique keys."""
    tables = {
        "instance_types", "key_pairs", "instance_type_projects", "floating_ips", "cells", "security_groups", "quotas",
        "fixed_ips", "services", "agent_builds", "console_pools", "aggregate_hosts", "instance_type_extra_specs",
        "aggregate_metadata",
    }  # fmt: skip
    index = read_counts(open_dump(str(path), path.parent))
    entry = index.database(None)
    return {
        table.name: {str(row["id"]) for row in read_rows(index, entry, table) if row["deleted"] == 0}
        for table in entry.tables
        if table.name in tables
    }


def test_rows_that_are_neither_live_nor_deleted(corpus: Path, predicted: Predict) -> None:
    planted = truth(corpus, "data/truth")["cinder"]["volume_with_deleted_null"]
    (found,) = (each for each in predicted("data/cinder-grizzly", "havana") if each.check == "cinder.deleted-null")
    assert (found.object, found.keys) == ("volumes.deleted", (planted,))


def test_keystone_losses_are_those_of_the_real_upgrade(corpus: Path, predicted: Predict) -> None:
    facts = truth(corpus, "data/truth")["keystone"]
    findings = {each.check: each for each in predicted("data/keystone-grizzly", "kilo")}
    (grant,) = facts["grant_with_null_role"]
    lost = findings["keystone.role-lost"]
    assert lost.keys == (f"{grant['user']} {grant['project']}",)
    # 248 roles before, the null among them, and 246 rows of `assignment` after
    assert lost.facts["roles"] == 1
    several = {
        each["user"] for each in facts["users_with_two_default_tenants"] if each["tenantId"] != each["tenant_id"]
    }
    assert set(findings["keystone.default-project-ambiguous"].keys) == several


@pytest.mark.parametrize("service", ["keystone", "cinder", "nova", "glance"])
def test_nothing_in_a_healthy_database_up_to_kilo(service: str, server: Server, schema: str) -> None:
    catalogue = load_catalogue(service)
    assert catalogue
    at = dict(catalogue.releases[release("grizzly")])
    text = (FIXTURES / service / "clean.sql").read_text()
    with loaded(server, schema, service, at, text, release("kilo")) as context:
        assert split(audit(context)) == ((), ())


def latin1(service: str, start: str, *tables: str, default: str | None = "utf8") -> Audited:
    """A reference schema some tables of which are latin1, about to be brought to Kilo; no server holds its rows."""
    catalogue, schema = load_catalogue(service), reference(service, release(start))
    assert catalogue and schema
    utf8 = {name: replace(table, charset="utf8", collation=None) for name, table in schema.tables.items()}
    mixed = utf8 | {name: replace(utf8[name], charset="latin1") for name in tables}
    made = replace(Schema(None), charset=default, tables=mixed)
    pending = stages(made, catalogue.pending(catalogue.releases[release(start)], release("kilo")))
    return Audited(service, made, release(start), release("kilo"), None, pending)


def refused(audited: Audited) -> Iterator[tuple[str, tuple[str, ...]]]:
    findings, _ = split(run(check("step.not-utf8"), audited))
    return ((str(each.step), each.keys) for each in findings)


def test_tables_that_are_not_utf8_stop_db_sync() -> None:
    assert list(refused(latin1("keystone", "grizzly", "token", "role"))) == [("keystone:37", ("role", "token"))]
    assert list(refused(latin1("keystone", "juno", "token"))) == []  # Kilo looks no more
    assert list(refused(latin1("cinder", "grizzly", "volumes"))) == [("cinder:27", ("volumes",))]
    assert list(refused(latin1("glance", "havana", "images"))) == [("glance:30", ("images",))]
    assert list(refused(latin1("nova", "grizzly", "instances"))) == []
    assert list(refused(latin1("keystone", "grizzly", "migrate_version"))) == []


def test_tables_that_a_step_makes_have_the_charset_of_the_database() -> None:
    assert list(refused(latin1("keystone", "grizzly", default="latin1"))) == [("keystone:45", ("region",))]
    audited = latin1("keystone", "grizzly", default=None)
    query = check("step.not-utf8").facts_query
    assert query and [type(each) for each in query(audited)] == [Unknown]


def test_a_database_of_the_site_alone_is_no_trouble(server: Server, schema: str) -> None:
    """Tables that a hazard looks at and that an earlier step makes are empty: that is no skip."""
    catalogue = load_catalogue("nova")
    assert catalogue
    at = dict(catalogue.releases[release("grizzly")])
    with contextlib.ExitStack() as stack:
        context = stack.enter_context(loaded(server, schema, "nova", at, "", release("kilo")))
        assert list(run(check("nova.orphan-pci-device"), context)) == []
