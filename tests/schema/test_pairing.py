"""Tables whose names differ only by case are one table, spelled in two ways; servers say whether that matters."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from dbaudit.comparison.findings import sentence
from dbaudit.schema.alter import alter
from dbaudit.schema.diff import diff
from dbaudit.schema.difference import Change, Kind
from dbaudit.schema.model import Schema
from dbaudit.schema.read import Definitions, read_live, read_schema
from dbaudit.server.server import Server

PARENT = "CREATE TABLE `Site_Pool` (\n  `id` int NOT NULL,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8"
CHILD = (
    "CREATE TABLE `volumes` (\n  `id` int NOT NULL,\n  `pool` int DEFAULT NULL,\n  PRIMARY KEY (`id`),\n"
    "  KEY `pool` (`pool`),\n  CONSTRAINT `vp` FOREIGN KEY (`pool`) REFERENCES `Site_Pool` (`id`)\n"
    ") ENGINE=InnoDB DEFAULT CHARSET=utf8"
)
OTHERS = Definitions(
    views=["CREATE VIEW `v` AS select `Site_Pool`.`id` AS `id` from `Site_Pool` where 'Site_Pool' = 'x'"],
    triggers=["CREATE TRIGGER `g` BEFORE INSERT ON `Site_Pool` FOR EACH ROW SET @a = 1"],
)


def mixed() -> Schema:
    return read_schema("cinder", "utf8", None, [PARENT, CHILD], OTHERS)


def lower() -> Schema:
    """The same as a server with lower_case_table_names=1 dumps it."""
    others = Definitions(
        views=["CREATE VIEW `v` AS select `site_pool`.`id` AS `id` from `site_pool` where 'Site_Pool' = 'x'"],
        triggers=["CREATE TRIGGER `g` BEFORE INSERT ON `site_pool` FOR EACH ROW SET @a = 1"],
    )
    tables = [each.replace("Site_Pool", "site_pool") for each in (PARENT, CHILD)]
    return read_schema("cinder", "utf8", None, tables, others)


@pytest.mark.parametrize(
    ("one", "two", "note"),
    [(None, None, True), (0, None, True), (0, 1, True), (2, 0, True), (0, 0, False), (None, 0, False)],
)
def test_only_the_name_is_told(one: int | None, two: int | None, note: bool) -> None:
    left, right = replace(mixed(), lower_case_table_names=one), replace(lower(), lower_case_table_names=two)
    (found,) = diff(left, right)
    assert (found.change, found.kind, found.left, found.right) == (Change.RENAMED, Kind.TABLE, "Site_Pool", "site_pool")
    assert found.harmless is note
    assert sentence(found) == "is called Site_Pool on the left and site_pool on the right"
    assert diff(right, left) == (found.reversed(),)


def test_a_change_inside_is_told_beside_the_name() -> None:
    changed = {**lower().tables}
    table = changed["site_pool"]
    changed["site_pool"] = replace(table, columns=(replace(table.columns[0], type="bigint"),))
    found = diff(mixed(), replace(lower(), tables=changed))
    assert [(each.change, each.name, each.attribute) for each in found] == [
        (Change.RENAMED, "Site_Pool", ""), (Change.CHANGED, "id", "type"),
    ]  # fmt: skip


def test_two_tables_of_one_side_are_two() -> None:
    both = read_schema("cinder", "utf8", None, [PARENT, PARENT.replace("Site_Pool", "site_pool")])
    (found,) = diff(both, read_schema("cinder", "utf8", None, [PARENT]))
    assert (found.change, found.name) == (Change.REMOVED, "site_pool")
    found_two = diff(both, read_schema("cinder", "utf8", None, [PARENT.replace("Site_Pool", "SITE_POOL")]))
    assert [each.change for each in found_two] == [Change.ADDED, Change.REMOVED, Change.REMOVED]


def test_a_foreign_key_may_name_its_table_in_another_case() -> None:
    other = CHILD.replace("REFERENCES `Site_Pool`", "REFERENCES `site_pool`")
    assert diff(mixed(), read_schema("cinder", "utf8", None, [PARENT, other], OTHERS)) == ()
    another = CHILD.replace("REFERENCES `Site_Pool`", "REFERENCES `pool`")
    assert len(diff(mixed(), read_schema("cinder", "utf8", None, [PARENT, another], OTHERS))) == 1


def test_the_table_is_renamed_and_keeps_its_rows(server: Server, schema_name: str) -> None:
    server.create_database(schema_name, "utf8")
    with contextlib.closing(server.admin(schema_name)) as connection, connection.cursor() as cursor:
        for each in alter(Schema(), mixed()):
            cursor.execute(each.sql)
        cursor.execute("INSERT INTO Site_Pool VALUES (7)")
        live = read_live(connection, schema_name)
        assert live.lower_case_table_names == 0
        statements = alter(live, lower())
        assert not any(each.loses for each in statements)
        for each in statements:
            cursor.execute(each.sql)
        assert diff(read_live(connection, schema_name), lower()) == ()
        cursor.execute("SELECT id FROM site_pool")
        assert cursor.fetchall() == ((7,),)
        cursor.execute("SELECT * FROM v")
