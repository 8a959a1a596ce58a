"""The shipped references: they load, read back as what they are, and are what real databases are."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from dbaudit import packs
from dbaudit.dump.index import read_layout
from dbaudit.dump.source import open_dump
from dbaudit.migration.catalogue import reference
from dbaudit.migration.variants import explain
from dbaudit.release import release
from dbaudit.schema.diff import Change, Kind, diff
from dbaudit.schema.model import Schema
from dbaudit.schema.read import read_live, read_schema
from dbaudit.schema.render import render, render_table
from dbaudit.schema.script import read_script
from dbaudit.server.server import Server

SERVICES = ("keystone", "cinder", "nova", "glance")
RELEASES = ("grizzly", "havana", "icehouse", "juno", "kilo")
ALL = [(service, name) for service in SERVICES for name in RELEASES] + [("nova_api", "kilo")]
DUMPS = [
    *(f"{folder}/{service}/{name}.sql" for folder in ("schema", "schema-fresh") for service, name in ALL[:-1]),
    *(f"data/{service}-{name}.sql.gz" for service in ("keystone", "cinder", "glance") for name in RELEASES[:2]),
    *(f"data/nova-{cell}-{name}.sql.gz" for cell in ("top", "cell") for name in ("grizzly", "havana", "kilo")),
    *(f"data/cinder-{name}.sql.gz" for name in ("juno", "kilo")),
]


def shipped(service: str, name: str) -> Schema:
    schema = reference(service, release(name))
    assert schema is not None
    return schema


def load(server: Server, schema: Schema, database: str) -> Schema:
    """The schema as a live server says it back."""
    connection = server.admin(database)
    with connection, connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0, sql_mode = ''")
        for table in schema.tables.values():
            cursor.execute(render_table(table))
        return read_live(connection, database)


def drift(service: str, name: str, schema: Schema) -> list[object]:
    differences = [each for each in diff(shipped(service, name), schema) if not each.harmless]
    return [each for each, variant in explain(service, release(name), differences) if variant is None]


def place(dump: str) -> tuple[str, str]:
    match = re.search(r"(keystone|cinder|nova|glance)(?:-top|-cell)?[/-](\w+)\.sql", dump)
    assert match
    return match[1], match[2]


@pytest.mark.parametrize(("service", "name"), ALL)
def test_a_reference_says_where_it_is_from_and_reads_back_as_it_is(service: str, name: str) -> None:
    path = packs.find(service, f"schema/{name}.sql")
    assert path is not None
    text = path.read_text()
    assert f"-- The schema of {service} at {name.capitalize()} (20" in text
    assert "MySQL 5.6" in text.split("CREATE", 1)[0]
    assert "AUTO_INCREMENT=" not in text
    schema = read_script(text)
    assert all(table.unsupported is None for table in schema.tables.values())
    header = "\n".join(line.removeprefix("-- ") for line in text.split("\n\n", 1)[0].splitlines()[:-1])
    assert render(schema, header) == text


@pytest.mark.parametrize(("service", "name"), ALL)
def test_a_reference_loads_and_the_server_says_the_same(
    server: Server, schema_name: str, service: str, name: str
) -> None:
    server.create_database(schema_name, "utf8")
    assert diff(shipped(service, name), load(server, shipped(service, name), schema_name)) == ()


@cache
def real(corpus: Path, dump: str) -> Schema:
    path = corpus / dump
    database = read_layout(open_dump(str(path), path.parent)).database(None)
    return read_schema(None, None, None, [table.create for table in database.tables])


@pytest.mark.parametrize("dump", DUMPS)
def test_a_real_database_has_no_drift(corpus: Path, dump: str) -> None:
    assert drift(*place(dump), real(corpus, dump)) == []


@pytest.mark.parametrize("dump", DUMPS)
def test_nor_has_it_any_when_a_server_says_it(corpus: Path, server: Server, schema_name: str, dump: str) -> None:
    """Tables that are written as the reference writes them are loaded with the reference, above."""
    schema, (service, name) = real(corpus, dump), place(dump)
    known = shipped(service, name).tables
    odd = {each: table for each, table in schema.tables.items() if table != known.get(each)}
    server.create_database(schema_name, "utf8")
    said = load(server, replace(schema, tables=odd), schema_name)
    assert drift(service, name, replace(said, tables={**schema.tables, **said.tables})) == []


def test_variants_are_used_by_no_more_than_they_say() -> None:
    kilo = shipped("nova", "kilo")
    name = "shadow_project_user_quotas"
    text = render_table(kilo.tables[name])
    for type_, known in (("varchar(255)", True), ("varchar(64)", False)):
        table = text.replace("varchar(25)", type_)
        other = read_schema(None, "utf8", None, [table])
        differences = diff(Schema(tables={name: kilo.tables[name]}), other)
        ((_, variant),) = explain("nova", release("kilo"), differences)
        assert (variant is not None) is known
        ((_, earlier),) = explain("nova", release("havana"), differences)
        assert earlier is None


def test_sites_changes_are_found_and_nothing_else(corpus: Path) -> None:
    for path in sorted((corpus / "local").glob("*.truth.json")):
        truth = json.loads(path.read_text())
        dump = path.with_name(f"{path.name.removesuffix('.truth.json')}-grizzly.sql.gz")
        database = read_layout(open_dump(str(dump), dump.parent)).database(None)
        schema = read_schema(None, None, None, [table.create for table in database.tables])
        expected = {
            (table, what)
            for table, changes in truth["schema_diff"]["tables"].items()
            for objects in changes.values()
            for what in objects
        }
        found = [each for each in diff(shipped(truth["service"], "grizzly"), schema) if not each.harmless]
        inside = [each for each in found if each.kind is not Kind.TABLE or each.change is Change.CHANGED]
        assert len(inside) == len(expected), path.name
        assert {each.table for each in inside} == {table for table, _ in expected}
        whole = {each.name for each in found if each not in inside}
        assert whole == {*truth["schema_diff"]["tables_only_a"], *truth["schema_diff"]["tables_only_b"]}
