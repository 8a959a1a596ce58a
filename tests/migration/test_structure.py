"""Collisions are told from structure alone: none on what upstream made, the right ones on what a site changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dbaudit.check import Stage, Trouble
from dbaudit.dump.index import read_layout
from dbaudit.dump.source import open_dump
from dbaudit.migration.catalogue import load_catalogue, reference
from dbaudit.migration.structure import stages
from dbaudit.release import release
from dbaudit.schema.model import Column, ForeignKey, Schema, Table
from dbaudit.schema.read import read_schema, read_table

SERVICES = ("keystone", "cinder", "nova", "glance")
RELEASES = ("grizzly", "havana", "icehouse", "juno")


def schema_of(path: Path, charset: str | None = "utf8") -> Schema:
    database = read_layout(open_dump(str(path), path.parent)).database(None)
    return read_schema(database.name, charset, None, [table.create for table in database.tables])


def upgrade(service: str, schema: Schema, target: str = "havana", start: str = "grizzly") -> tuple[Stage, ...]:
    catalogue = load_catalogue(service)
    assert catalogue
    return stages(schema, catalogue.pending(catalogue.releases[release(start)], release(target)))


def troubles(found: tuple[Stage, ...]) -> list[tuple[str, Trouble, str]]:
    return [(str(stage.step), clash.trouble, clash.object) for stage in found for clash in stage.clashes]


def edited(service: str, table: str, change: Callable[[Table], Table], start: str = "grizzly") -> Schema:
    schema = reference(service, release(start))
    assert schema
    utf8 = replace(schema, charset="utf8")
    return replace(utf8, tables={**schema.tables, table: change(schema.tables[table])})


@pytest.mark.parametrize("start", RELEASES)
@pytest.mark.parametrize("service", SERVICES)
def test_what_upstream_makes_never_clashes(service: str, start: str) -> None:
    schema = reference(service, release(start))
    assert schema
    found = upgrade(service, replace(schema, charset="utf8"), "kilo", start)
    assert len(found) > 2
    assert troubles(found) == []


@pytest.mark.parametrize("start", RELEASES)
@pytest.mark.parametrize("service", SERVICES)
def test_neither_does_a_fresh_install(corpus: Path, service: str, start: str) -> None:
    schema = schema_of(corpus / "schema-fresh" / service / f"{start}.sql")
    assert troubles(upgrade(service, schema, "kilo", start)) == []


def test_backported_column() -> None:
    column = Column("bootable", "varchar(5)")
    schema = edited("cinder", "volumes", lambda t: replace(t, columns=(*t.columns, column)))
    assert troubles(upgrade("cinder", schema)) == [("cinder:11", Trouble.EXISTS, "volumes.bootable")]


def test_backported_table() -> None:
    schema = edited("cinder", "volumes", lambda t: t)
    transfers = read_table(
        "CREATE TABLE `transfers` (\n  `id` int(11) NOT NULL,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB"
    )
    found = upgrade("cinder", replace(schema, tables={**schema.tables, "transfers": transfers}))
    assert ("cinder:10", Trouble.EXISTS, "transfers") in troubles(found)


def test_a_step_that_looks_first_tolerates_what_is_there() -> None:
    column = Column("mtu", "int(11)")
    schema = edited("nova", "networks", lambda t: replace(t, columns=(*t.columns, column)), "icehouse")
    assert troubles(upgrade("nova", schema, "juno", "icehouse")) == []


def test_a_guard_ends_where_the_script_failed_when_it_was_run_again() -> None:
    column = Column("host", "varchar(255)")
    schema = edited("nova", "compute_nodes", lambda t: replace(t, columns=(*t.columns, column)), "juno")
    assert troubles(upgrade("nova", schema, "kilo", "juno")) == []


def test_renamed_index_that_a_step_drops_by_name() -> None:
    def rename(table: Table) -> Table:
        indexes = tuple(
            replace(index, name="site_vlan") if index.name == "networks_vlan_deleted_idx" else index
            for index in table.indexes
        )
        return replace(table, indexes=indexes)

    found = upgrade("nova", edited("nova", "networks", rename))
    assert troubles(found) == [("nova:194", Trouble.MISSING, "networks.networks_vlan_deleted_idx")]
    (clash,) = next(stage.clashes for stage in found if stage.clashes)
    assert clash.detail == "the same index is there as site_vlan"


def test_missing_table_that_a_step_drops() -> None:
    schema = edited("cinder", "volumes", lambda t: t)
    tables = {name: table for name, table in schema.tables.items() if name != "migrations"}
    found = upgrade("cinder", replace(schema, tables=tables))
    assert troubles(found) == [("cinder:15", Trouble.MISSING, "migrations")]


def test_missing_table_of_several_that_a_step_drops() -> None:
    schema = edited("cinder", "volumes", lambda t: t)
    tables = {name: table for name, table in schema.tables.items() if name != "sm_volume"}
    found = upgrade("cinder", replace(schema, tables=tables))
    assert troubles(found) == [("cinder:16", Trouble.MISSING, "sm_volume")]


def test_foreign_key_that_a_step_looks_for_may_be_missing() -> None:
    """Nova 185 drops an index of this name for certain, a foreign key of the same name only if it is there."""
    schema = edited("nova", "virtual_interfaces", lambda t: replace(t, foreign_keys=()))
    assert troubles(upgrade("nova", schema)) == []
    schema = edited("nova", "virtual_interfaces", without_index)
    name = "virtual_interfaces.virtual_interfaces_instance_uuid_fkey"
    assert ("nova:185", Trouble.MISSING, name) in troubles(upgrade("nova", schema))


def without_index(table: Table) -> Table:
    name = "virtual_interfaces_instance_uuid_fkey"
    return replace(table, foreign_keys=(), indexes=tuple(i for i in table.indexes if i.name != name))


def test_site_foreign_key_to_a_table_that_goes() -> None:
    schema = edited("cinder", "volumes", lambda t: t)
    key = ForeignKey("site_fk", ("m",), "migrations", ("id",))
    site = read_table("CREATE TABLE `site` (\n  `m` int(11) DEFAULT NULL,\n  KEY `m` (`m`)\n) ENGINE=InnoDB")
    found = upgrade("cinder", replace(schema, tables={**schema.tables, "site": replace(site, foreign_keys=(key,))}))
    assert troubles(found) == [("cinder:15", Trouble.IN_USE, "migrations")]


def test_parent_in_another_charset() -> None:
    schema = edited("cinder", "volumes", lambda t: replace(t, charset="latin1", collation=None))
    assert troubles(upgrade("cinder", schema))[0] == ("cinder:10", Trouble.FOREIGN_KEY, "transfers(volume_id)")


def test_parent_column_in_another_collation() -> None:
    def bin_id(table: Table) -> Table:
        columns = (replace(c, collation="utf8_bin") if c.name == "id" else c for c in table.columns)
        return replace(table, columns=tuple(columns))

    assert troubles(upgrade("cinder", edited("cinder", "volumes", bin_id)))[0][1] is Trouble.FOREIGN_KEY


def test_parent_without_innodb() -> None:
    schema = edited("cinder", "volumes", lambda t: replace(t, engine="MyISAM"))
    assert troubles(upgrade("cinder", schema))[0] == ("cinder:10", Trouble.FOREIGN_KEY, "transfers(volume_id)")


@pytest.mark.parametrize(("charset", "trouble"), [("latin1", Trouble.FOREIGN_KEY), (None, Trouble.CHARSET_UNKNOWN)])
def test_table_in_the_charset_of_the_database(charset: str | None, trouble: Trouble) -> None:
    schema = replace(edited("cinder", "volumes", lambda t: t), charset=charset, collation=None)
    found = troubles(upgrade("cinder", schema, "kilo"))
    assert ("cinder:32", trouble) in [(step, kind) for step, kind, _ in found]
    assert not [each for each in found if each[0] not in ("cinder:32", "cinder:40")]


def test_drops_are_told_only_where_nothing_moved() -> None:
    dropped = {
        (str(stage.step), drop.table, drop.column)
        for service in SERVICES
        for stage in upgrade(service, edited(service, "migrate_version", lambda t: t), "kilo")
        for drop in stage.drops
    }
    assert ("cinder:15", "migrations", None) in dropped
    assert not {table for _, table, _ in dropped} & {
        "ec2_credential",
        "user_project_metadata",
        "group_project_metadata",
    }


def test_site_changes_of_the_corpus(corpus: Path) -> None:
    """Each variant that the real upgrade stopped at for its structure is stopped at the same step, and no other."""
    seen = {}
    for truth in sorted((corpus / "local").glob("*.truth.json")):
        told = json.loads(truth.read_text())
        first = told["upgrades"][0]
        name = truth.name.removesuffix(".truth.json")
        charset = "latin1" if any(m["kind"] == "database_charset" for m in told["modifications"]) else "utf8"
        schema = schema_of(truth.with_name(f"{name}-grizzly.sql.gz"), charset)
        found = troubles(upgrade(told["service"], schema, first["to"]))
        failed = first.get("failed_migration")
        seen[name] = (found[0][0] if found else None, f"{told['service']}:{int(failed[:3])}" if failed else None)
    by_rows = {"keystone-ec2-conflict", "nova-archived-bdm"}
    assert {name for name, (predicted, real) in seen.items() if predicted != real} == by_rows
    assert all(predicted is None for name, (predicted, _) in seen.items() if name in by_rows)
