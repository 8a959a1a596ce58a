"""Where databases stand: real ones, those that a failed upgrade left, and those that say nothing or nonsense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from dbaudit.dump.index import read_layout
from dbaudit.dump.rows import read_rows
from dbaudit.dump.source import open_dump
from dbaudit.migration.catalogue import load_catalogue, reference, reference_at
from dbaudit.migration.fingerprint import nearest
from dbaudit.migration.standing import Standing, Versions, find_standing, release_of, service_of, stand, versions_of
from dbaudit.release import release
from dbaudit.schema.model import Column, Schema, Table
from dbaudit.schema.read import read_schema, read_table

RELEASES = ("grizzly", "havana", "icehouse", "juno", "kilo")
SERVICES = ("keystone", "cinder", "nova", "glance")


def shipped(service: str, name: str) -> Schema:
    schema = reference(service, release(name))
    assert schema is not None
    return schema


def at(service: str, number: int) -> Schema:
    schema = reference_at(service, {service: number})
    assert schema is not None
    return schema


def of_dump(path: Path) -> Standing:
    index = read_layout(open_dump(str(path), path.parent))
    database = index.database(None)
    rows = [
        dict(row)
        for table in database.tables
        if table.name == "migrate_version"
        for row in read_rows(index, database, table)
    ]
    return find_standing(read_schema(None, None, None, [table.create for table in database.tables]), rows)


def test_rows_of_every_kind_are_read() -> None:
    versions = versions_of(
        [
            {"repository_id": b"Glance Migrations", "repository_path": "/old/code", "version": "22"},
            {"repository_id": "oauth1", "repository_path": None, "version": 4},
        ],
        [{"version_num": b"b"}, {"version_num": "a"}],
    )
    assert versions == Versions({"glance": 22, "oauth1": 4}, ("a", "b"), {"glance": "/old/code"})


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", RELEASES)
def test_each_release_is_known_by_number_and_by_schema(service: str, name: str) -> None:
    catalogue = load_catalogue(service)
    assert catalogue is not None
    schema, numbers = shipped(service, name), catalogue.releases[release(name)]
    said = stand(schema, Versions(numbers))
    assert (said.service, said.release, said.exact, said.warnings) == (service, release(name), True, ())
    assert said.nearest is not None and said.nearest.distance == 0 and not said.nearest.disagrees
    silent = stand(schema, Versions())
    assert (silent.service, silent.release, silent.exact) == (service, release(name), True)
    assert "nothing in this" in silent.warnings[0]


def test_the_second_database_of_nova_is_told_from_the_first() -> None:
    assert service_of(shipped("nova_api", "kilo")) == "nova_api"
    assert release_of("nova_api", Versions({"nova_api": 2})) == (release("kilo"), True)
    assert service_of(shipped("nova", "kilo")) == "nova"


def test_a_database_of_no_service() -> None:
    tables = {name: Table(name, (Column("id", "int"),)) for name in ("user", "service", "orders")}
    assert find_standing(Schema(tables=tables)) == Standing(None, Versions())


@pytest.mark.parametrize(
    ("service", "numbers", "expected"),
    [
        ("cinder", {"cinder": 10}, ("grizzly", False)),
        ("cinder", {"cinder": 8}, None),
        ("cinder", {"cinder": 60}, ("liberty", True)),
        ("cinder", {"cinder": 145}, ("xena", True)),
        ("cinder", {"cinder": 146}, None),
        ("nova", {"nova": 391}, ("stein", True)),
        ("keystone", {"keystone": 36, "oauth1": 4}, ("havana", True)),
        ("keystone", {"keystone": 55}, ("icehouse", False)),
        (
            "keystone",
            {"keystone": 109, "keystone_expand": 44, "keystone_data_migrate": 44, "keystone_contract": 44},
            ("queens", True),
        ),
    ],
)
def test_releases_by_number(service: str, numbers: Mapping[str, int], expected: tuple[str, bool] | None) -> None:
    found, exact = release_of(service, Versions(numbers))
    assert (found and (found.name, exact)) == expected


@pytest.mark.parametrize(
    ("service", "revisions", "expected"),
    [
        ("keystone", ("47147121", "c88cdce8f248"), "2024.1"),
        ("keystone", ("742c857f1dfb", "c88cdce8f248"), "2026.1"),
        ("keystone", ("e8725d6fa226", "99de3849d860"), None),
        ("cinder", ("9c74c1c6971f",), "2024.1"),
        ("cinder", ("b8660621f1b9",), None),
        ("nova", ("2903cd72dc14",), "2025.1"),
        ("nova_api", ("b30f573d3377",), "yoga"),
        ("glance", ("2024_1_contract01",), "2024.1"),
        ("glance", ("ocata_contract01",), "ocata"),
        ("glance", ("2024_1_expand01", "ocata_contract01"), None),
        ("nova", ("deadbeef0000",), None),
    ],
)
def test_releases_by_revision(service: str, revisions: tuple[str, ...], expected: str | None) -> None:
    found, _ = release_of(service, Versions(revisions=revisions))
    assert (found.name if found else None) == expected


def test_revisions_count_where_both_tables_are_there() -> None:
    tables = {name: Table(name, (Column("id", "int"),)) for name in ("volumes", "snapshots", "volume_types", "backups")}
    standing = find_standing(
        Schema(tables=tables), [{"repository_id": "cinder", "version": 145}], [{"version_num": "daa98075b90d"}]
    )
    assert (standing.service, standing.release) == ("cinder", release("2023.1"))
    assert standing.versions == {"cinder": "daa98075b90d"}


def test_a_number_that_the_schema_contradicts_is_told() -> None:
    standing = stand(shipped("cinder", "havana"), Versions({"cinder": 9}))
    assert standing.release == release("grizzly")
    assert standing.nearest is not None and standing.nearest.disagrees
    assert "the schema is nearer to cinder 20 to 21 (0 differences) than to cinder 9" in standing.warnings[0]


def test_a_sites_own_objects_do_not_move_a_database() -> None:
    schema = shipped("nova", "grizzly")
    own = {f"site_{number}": Table(f"site_{number}", (Column("id", "int"),)) for number in range(40)}
    standing = stand(replace(schema, tables={**schema.tables, **own}), Versions({"nova": 161}))
    assert standing.nearest is not None and standing.nearest.claimed_distance == 40
    assert (standing.release, standing.warnings) == (release("grizzly"), ())


def test_half_of_a_step_is_recognised_with_what_is_left() -> None:
    schema = at("cinder", 16)
    half = replace(schema, tables={**schema.tables, "encryption": at("cinder", 17).tables["encryption"]})
    found = stand(half, Versions({"cinder": 16})).half_applied
    assert found is not None and not found.complete
    assert found.step.id == "cinder:17"
    assert [work.text for work in found.done] == ["create table encryption"]
    assert {work.name for work in found.left} == {"encryption_key_id", "volume_type_id"}
    assert found.sentence.startswith("step cinder:17 is half applied: done are create table encryption; not done are")


def test_a_step_that_ran_whole_and_was_not_counted() -> None:
    found = stand(at("cinder", 10), Versions({"cinder": 9}))
    assert found.half_applied is not None and found.half_applied.complete
    assert found.warnings == ("all that step cinder:10 makes is there already, though the version is 9",)


@pytest.mark.no_cover  # the same lines, thousands of times
@pytest.mark.parametrize("service", SERVICES)
def test_every_number_stands_where_it_is(service: str) -> None:
    """Each step's whole result is nearest to its own number, and no next step seems begun there."""
    catalogue = load_catalogue(service)
    assert catalogue is not None
    for step in catalogue.steps:
        if step.repository == service:
            schema = at(service, step.number)
            near = nearest(service, schema, {service: step.number})
            assert near is not None and near.first <= step.number <= near.last and near.distance == 0
            assert stand(schema, Versions({service: step.number})).half_applied is None


@pytest.mark.parametrize(
    ("name", "number", "half", "complete"),
    [
        ("cinder-backport", 10, None, None),
        ("cinder-latin1", 9, None, None),
        ("keystone-clash-index", 23, "keystone:24", True),
        ("keystone-ec2-conflict", 32, None, None),
        ("nova-archived-bdm", 185, "nova:186", False),
    ],
)
def test_what_failed_upgrades_left(
    corpus: Path, name: str, number: int, half: str | None, complete: bool | None
) -> None:
    standing = of_dump(corpus / "local" / f"{name}-havana-FAILED.sql.gz")
    assert standing.release == release("grizzly")
    assert number in standing.numbers.values()
    found = standing.half_applied
    assert (found and found.step.id, found and found.complete) == (half, complete)


def test_a_kilo_upgrade_that_refused_before_its_first_statement(corpus: Path) -> None:
    standing = of_dump(corpus / "local" / "nova-netdb-kilo-FAILED.sql.gz")
    assert (standing.release, standing.exact, standing.half_applied) == (release("juno"), False, None)
    assert standing.nearest is not None and standing.nearest.name == "nova 266"


def test_sites_databases_stand_where_they_say(corpus: Path) -> None:
    for path in sorted((corpus / "local").glob("*-grizzly.sql.gz")):
        standing = of_dump(path)
        assert (standing.service, standing.release) == (path.name.partition("-")[0], release("grizzly"))
        assert standing.warnings == (), path.name


def test_a_definition_that_is_broken_does_not_stop_the_rest() -> None:
    schema = shipped("glance", "grizzly")
    broken = read_table("CREATE TABLE `images` (\n  `id` int,\n  MYSTERY\n) ENGINE=InnoDB")
    standing = stand(replace(schema, tables={**schema.tables, "images": broken}), Versions({"glance": 22}))
    assert (standing.service, standing.release) == ("glance", release("grizzly"))
