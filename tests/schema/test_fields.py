"""Every field of every kind of object: 500 seeded changes of one, and the diff reports exactly that one.

Changes of the model here; below them the same by SQL, on servers, for what only some of them know.
"""

from __future__ import annotations

import contextlib
import itertools
import random
from dataclasses import fields, replace
from typing import Any

import pytest

from dbaudit.schema import model
from dbaudit.schema.alter import alter
from dbaudit.schema.diff import diff
from dbaudit.schema.difference import NOT_COMPARED, Change, Difference
from dbaudit.schema.model import (
    CheckConstraint,
    Column,
    Event,
    ForeignKey,
    Index,
    IndexKind,
    IndexPart,
    Routine,
    Schema,
    Table,
    Trigger,
    View,
)
from dbaudit.schema.read import read_live
from dbaudit.server.server import Server
from tests.schema.test_trust import SERVICES, shipped

RICH = Table(
    "rich",
    columns=(
        Column("id", "int(11)", null=False, auto_increment=True),
        Column("word", "varchar(20)", default="'a'", charset="latin1", collation="latin1_bin", comment="c"),
        Column("sum", "int(11)", generated="`id` + 1", stored=True),
        Column("at", "datetime", on_update="current_timestamp"),
        Column("hidden", "int(11)", invisible=True),
        Column("place", "point", null=False, srid=4326),
        Column("long", "text", compressed="compressed"),
    ),
    indexes=(
        Index("PRIMARY", IndexKind.PRIMARY, (IndexPart("id"),)),
        Index("word", IndexKind.PLAIN, (IndexPart("word", 5, descending=True), IndexPart("at")), comment="i"),
        Index("lower", IndexKind.UNIQUE, (IndexPart(None, expression="lower(`word`)"),), visible=False),
        Index("text", IndexKind.FULLTEXT, (IndexPart("long"),), parser="ngram"),
        Index("place", IndexKind.SPATIAL, (IndexPart("place"),)),
    ),
    foreign_keys=(ForeignKey("parent", ("sum",), "other", ("id",), on_delete="CASCADE"),),
    checks=(CheckConstraint("positive", "`id` > 0"), CheckConstraint("short", "length(`word`) < 9", enforced=False)),
    engine="InnoDB", charset="utf8", row_format="COMPACT", comment="t", options=(("stats_persistent", "1"),),
    partitions="PARTITION BY HASH (`id`) PARTITIONS 3",
)  # fmt: skip
OTHER = Table(
    "other", (Column("id", "int(11)", null=False), Column("code", "int(11)")),
    (Index("PRIMARY", IndexKind.PRIMARY, (IndexPart("id"),)), Index("code", IndexKind.UNIQUE, (IndexPart("code"),))),
    engine="InnoDB", charset="utf8",
)  # fmt: skip
OBJECTS = {
    "views": {"v": View("v", "select `other`.`id` AS `id` from `other`")},
    "triggers": {"g": Trigger("g", "rich", "BEFORE", "INSERT", "SET @a = 1")},
    "routines": {
        "FUNCTION f": Routine("f", "FUNCTION", "(a int) RETURNS int DETERMINISTIC return a"),
        "PROCEDURE p": Routine("p", "PROCEDURE", "() SELECT 1"),
    },
    "events": {"e": Event("e", "ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE ENABLE DO SELECT 1")},
}
# What a field may become; of those the first that is another thing is taken.
VALUES: dict[str, tuple[Any, ...]] = {
    "Column.type": ("varchar(77)", "bigint(20) unsigned", "decimal(9,3)", "enum('x','y')"),
    "Column.null": (True, False), "Column.default": ("'17'", "'0'", None),
    "Column.on_update": ("current_timestamp", None),
    "Column.auto_increment": (True, False), "Column.charset": ("ascii", "koi8r"),
    "Column.collation": ("utf8_unicode_ci", "utf8_polish_ci"), "Column.comment": ("it's", ""),
    "Column.generated": ("`id` + 2", None), "Column.stored": (True, False), "Column.invisible": (True, False),
    "Column.srid": (0, 4326, None), "Column.compressed": ("compressed", None),
    "Index.kind": (IndexKind.UNIQUE, IndexKind.PLAIN), "Index.using": ("HASH", "RTREE"),
    "Index.parser": ("mecab", None),
    "Index.comment": ("x", ""), "Index.visible": (True, False), "Index.block_size": (8, None),
    "IndexPart.column": ("at", "hidden"), "IndexPart.length": (3, None), "IndexPart.descending": (True, False),
    "IndexPart.expression": ("upper(`word`)", None),
    "ForeignKey.columns": (("hidden",),), "ForeignKey.referred_table": ("somewhere",),
    "ForeignKey.referred_columns": (("code",),), "ForeignKey.referred_schema": ("elsewhere",),
    "ForeignKey.on_delete": ("SET NULL", None), "ForeignKey.on_update": ("CASCADE", None),
    "ForeignKey.name": ("mutant",), "Index.name": ("mutant",), "CheckConstraint.name": ("mutant",),
    "CheckConstraint.expression": ("`id` <> 77",), "CheckConstraint.enforced": (True, False),
    "Table.engine": ("MyISAM",), "Table.charset": ("cp1250",), "Table.collation": ("utf8_unicode_ci",),
    "Table.row_format": ("REDUNDANT", None), "Table.comment": ("x", ""),
    "Table.options": ((("stats_persistent", "0"),),),
    "Table.partitions": ("PARTITION BY HASH (`id`) PARTITIONS 4", None), "Table.unsupported": ("why",),
    "View.select": ("select `other`.`code` AS `id` from `other`",), "View.security": ("INVOKER",),
    "View.check_option": ("LOCAL",), "View.algorithm": ("MERGE",), "View.columns": (("other",),),
    "Trigger.table": ("other",), "Trigger.timing": ("AFTER",), "Trigger.event": ("UPDATE",),
    "Trigger.body": ("SET @a = 2",),
    "Routine.body": ("(a int) RETURNS bigint DETERMINISTIC return a",),
    "Event.body": ("ON SCHEDULE EVERY 2 DAY ON COMPLETION NOT PRESERVE ENABLE DO SELECT 1",),
    "Schema.charset": ("koi8r",), "Schema.collation": ("utf8_polish_ci",),
}  # fmt: skip


def rich(service: str) -> Schema:
    at = shipped(service, "havana")
    return replace(at, tables={**at.tables, "rich": RICH, "other": OTHER}, **OBJECTS)


def swapped(objects: tuple[Any, ...], old: object, new: object) -> tuple[Any, ...]:
    return tuple(new if each is old else each for each in objects)


def changed(dice: random.Random, schema: Schema, path: str) -> Schema | None:
    """The schema with this field of one object changed, drawn by lot; None where the draw fits none."""
    owner, _, field = path.partition(".")
    if owner == "Schema":
        return replace(schema, **{"collation": None, field: VALUES[path][0]})
    mapping = {"View": "views", "Trigger": "triggers", "Routine": "routines", "Event": "events"}.get(owner)
    if mapping:
        objects = getattr(schema, mapping)
        key = dice.choice(sorted(objects))
        return replace(schema, **{mapping: {**objects, key: replace(objects[key], **{field: VALUES[path][0]})}})
    table = RICH if dice.random() < 0.3 else schema.tables[dice.choice(sorted(schema.tables))]
    new = _table(dice, table, owner, field, VALUES[path])
    return None if new is None or new == table else replace(schema, tables={**schema.tables, table.name: new})


def _table(dice: random.Random, table: Table, owner: str, field: str, values: tuple[Any, ...]) -> Table | None:
    def other(each: Any) -> dict[str, Any]:
        return {field: next(value for value in values if value != getattr(each, field))}

    if owner == "Table":
        inherits = any(column.charset is None and "char" in column.type for column in table.columns)
        return None if field in ("charset", "collation") and not inherits else replace(table, **other(table))
    names = {"Column": "columns", "Index": "indexes", "ForeignKey": "foreign_keys", "CheckConstraint": "checks"}
    objects = getattr(table, names.get(owner, "indexes"))
    if not objects:
        return None
    old = dice.choice(objects)
    if owner == "IndexPart":
        part = old.parts[0]
        if (part.column is None) != (field == "expression") or not _fits(table, old, field):
            return None
        new = replace(old, parts=(replace(part, **other(part)), *old.parts[1:]))
        return replace(table, indexes=swapped(objects, old, new))
    if not _fits(table, old, field):
        return None
    return replace(table, **{names[owner]: swapped(objects, old, replace(old, **other(old)))})


def _fits(table: Table, old: Any, field: str) -> bool:
    """Whether the change is one: what only text has, what a primary key cannot be, what a server made."""
    if isinstance(old, Column):
        text = "char" in old.type or "text" in old.type
        plain = old.charset in (None, "utf8") and table.charset in (None, "utf8")
        return (field not in ("charset", "collation") or (text and plain)) and (
            field != "stored" or bool(old.generated)
        )
    if isinstance(old, Index):
        keys = {key.columns for key in table.foreign_keys}
        twins = [each for each in table.indexes if each.parts == old.parts]
        return old.kind in (IndexKind.PLAIN, IndexKind.UNIQUE) and old.columns not in keys and len(twins) == 1
    return True


def paths() -> list[str]:
    classes = (Schema, Table, Column, Index, IndexPart, ForeignKey, CheckConstraint, View, Trigger, Routine, Event)
    found = [f"{each.__name__}.{field.name}" for each in classes for field in fields(each)]
    nested = {
        "columns",
        "indexes",
        "foreign_keys",
        "checks",
        "parts",
        "tables",
        "views",
        "triggers",
        "routines",
        "events",
    }
    return [
        each for each in found
        if each not in (*NOT_COMPARED, "Routine.kind") and (each.partition(".")[2] not in nested or each in VALUES)
    ]  # fmt: skip


def test_every_field_has_a_value_to_change_to() -> None:
    assert set(paths()) == set(VALUES)
    assert {path.partition(".")[0] for path in VALUES} == {
        name for name, each in vars(model).items() if getattr(each, "__dataclass_fields__", None)
    }


@pytest.mark.no_cover  # the same lines, thousands of times
@pytest.mark.parametrize("service", SERVICES)
def test_of_500_changes_of_one_field_each_is_told_and_nothing_else(service: str) -> None:
    base, dice = rich(service), random.Random(f"fields {service}")
    assert diff(base, base) == ()
    seen: dict[str, int] = {}
    often = 2 + 126 // len(every := paths())
    for path in itertools.islice(itertools.cycle(every), 126 * 60):  # a draw may fit no object
        if sum(seen.values()) >= 126 and len(seen) == len(every):
            break
        if seen.get(path) == often or (mutant := changed(dice, base, path)) is None:
            continue
        found = diff(base, mutant)
        assert len(found) == 1, (path, found)
        assert diff(mutant, base) == (found[0].reversed(),), path
        assert fits(found[0], path), (path, found)
        seen[path] = seen.get(path, 0) + 1
    assert set(seen) == set(every), set(every) - set(seen)
    assert sum(seen.values()) >= 126


def fits(found: Difference, path: str) -> bool:
    """Whether the difference is of the object and field that was changed."""
    owner, _, field = path.partition(".")
    if field == "name":
        return found.change is Change.RENAMED
    kinds = {
        "Schema": "database", "ForeignKey": "foreign key", "IndexPart": "index", "CheckConstraint": "check",
    }  # fmt: skip
    attribute = {"IndexPart": "parts", "View": "select" if field == "columns" else field}.get(owner, field)
    options = path == "Table.options"
    return str(found.kind) == kinds.get(owner, owner.lower()) and (options or found.attribute == attribute)


# A table, a change by SQL, and what is told: kind, name, attribute. By the servers that know it.
LIVE = [
    ("mysql>=9", "a int, b int invisible", "ALTER COLUMN b SET VISIBLE", "column b invisible"),
    ("mariadb", "a int, b int invisible", "MODIFY b int", "column b invisible"),
    ("mysql>=9", "a int, g point not null srid 4326", "MODIFY g point not null srid 0", "column g srid"),
    ("mysql>=9", "a int, key k (a desc)", "DROP KEY k, ADD KEY k (a)", "index k parts"),
    ("mariadb", "a int, key k (a desc)", "DROP KEY k, ADD KEY k (a)", "index k parts"),
    ("mysql>=9", "a int, key k ((a + 1))", "DROP KEY k, ADD KEY k ((a + 2))", "index k parts"),
    ("mysql>=9", "t text, fulltext key k (t) with parser ngram", "DROP KEY k; ALTER TABLE t ADD FULLTEXT KEY k (t)",
     "index k parser"),
    ("mysql>=9", "a int, key k (a) invisible", "ALTER INDEX k VISIBLE", "index k visible"),
    ("mariadb", "a int, key k (a) ignored", "ALTER INDEX k NOT IGNORED", "index k visible"),
    ("mysql>=9", "a int, constraint c check (a > 1)", "ALTER CHECK c NOT ENFORCED", "check c enforced"),
    ("mysql>=9", "a int, constraint c check (a > 1)", "DROP CHECK c, ADD CONSTRAINT c CHECK (a > 2)",
     "check c expression"),
    ("mariadb", "a int, constraint c check (a > 1)", "DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (a > 2)",
     "check c expression"),
    ("mysql>=9", "a int, b int as (a + 1) virtual", "MODIFY b int as (a + 2) virtual", "column b generated"),
    ("mariadb", "a int, b int as (a + 1) virtual", "DROP b, ADD b int as (a + 1) stored", "column b stored"),
    ("mysql>=9", "a int, b varchar(40) default (uuid())", "MODIFY b varchar(40)", "column b default"),
    ("mariadb", "a int, b text compressed", "MODIFY b text", "column b compressed"),
    ("", "a int, t varchar(20), key k (t(5))", "DROP KEY k, ADD KEY k (t(6))", "index k parts"),
    ("", "a int, key k (a)", "DROP KEY k, ADD UNIQUE KEY k (a)", "index k kind"),
    ("", "a int, key k (a) comment 'x'", "DROP KEY k; ALTER TABLE t ADD KEY k (a)", "index k comment"),
    ("", "a int unsigned", "MODIFY a int", "column a type"),
    ("", "a datetime default current_timestamp on update current_timestamp",
     "MODIFY a datetime default current_timestamp", "column a on_update"),
    ("", "a datetime(3)", "MODIFY a datetime(6)", "column a type"),
    ("", "a varchar(9) collate utf8_bin", "MODIFY a varchar(9) collate utf8_unicode_ci", "column a collation"),
    ("", "a varchar(9)", "MODIFY a varchar(9) character set latin1", "column a charset"),
    ("", "a enum('a','b')", "MODIFY a enum('b','a')", "column a type"),
    ("", "a int comment 'x'", "MODIFY a int comment 'y'", "column a comment"),
    ("", "a int not null primary key auto_increment", "MODIFY a int not null", "column a auto_increment"),
    ("", "a int not null", "MODIFY a int", "column a null"),
    ("", "a int", "COMMENT='x'", "table t comment"),
    ("", "a int", "STATS_PERSISTENT=1", "table t stats_persistent"),
    ("", "a int", "ROW_FORMAT=REDUNDANT", "table t row_format"),
    ("", "a int", "ENGINE=MyISAM", "table t engine"),
    ("", "a int", "DEFAULT COLLATE utf8_bin", "table t collation"),
    ("", "a int", "PARTITION BY HASH (a) PARTITIONS 2", "table t partitions"),
    ("", "a int, b int, constraint f foreign key (b) references o (id)",
     "DROP FOREIGN KEY f; ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES o (id) ON DELETE CASCADE",
     "foreign key f on_delete"),
    ("", "a int, b int, constraint f foreign key (b) references o (id)",
     "DROP FOREIGN KEY f; ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES o (code)",
     "foreign key f referred_columns"),
]  # fmt: skip


@pytest.mark.parametrize(("servers", "body", "change", "told"), LIVE)
def test_a_change_by_sql_is_told_and_nothing_else(
    server: Server, schema_name: str, servers: str, body: str, change: str, told: str
) -> None:
    from tests.matrix import in_ranges

    if not in_ranges(server.version, (servers,) if servers else ()):
        pytest.skip(f"is about {servers}")
    server.create_database(schema_name, "utf8", "utf8_general_ci")
    with contextlib.closing(server.admin(schema_name)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE o (id int primary key, code int, unique key code (code)) ENGINE=InnoDB")
        cursor.execute(f"CREATE TABLE t ({body}) ENGINE=InnoDB")
        before = read_live(connection, schema_name)
        for statement in f"ALTER TABLE t {change}".split("; "):
            cursor.execute(statement)
        after = read_live(connection, schema_name)
    (found,) = diff(before, after)
    assert f"{found.kind} {found.name} {found.attribute}" == told
    assert diff(after, before) == (found.reversed(),)


@pytest.mark.parametrize(
    ("servers", "body", "new"),
    [
        ("", "a int, key k (a) comment 'x'", "a int, key k (a) comment 'y'"),
        ("mysql>=9", "t text, fulltext key k (t) with parser ngram", "t text, fulltext key k (t)"),
        ("mysql>=9", "a int, key k (a) invisible", "a int, key k (a)"),
        ("mysql>=9", "a int, key k (a desc), key l ((a + 1))", "a int, key k (a), key l ((a + 2))"),
        (
            "mysql>=9",
            "a int, g point not null srid 4326, constraint c check (a > 1)",
            "a int invisible, g point not null",
        ),
        ("mariadb", "a int, b int invisible, key k (a) ignored", "a int invisible, b int, key k (a)"),
    ],
)
def test_what_is_rendered_for_such_a_change_makes_it(
    server: Server, schema_name: str, servers: str, body: str, new: str
) -> None:
    from tests.matrix import in_ranges

    if not in_ranges(server.version, (servers,) if servers else ()):
        pytest.skip(f"is about {servers}")
    server.create_database(schema_name, "utf8", "utf8_general_ci")
    with contextlib.closing(server.admin(schema_name)) as connection, connection.cursor() as cursor:
        schemas = []
        for each in (body, new):
            cursor.execute("DROP TABLE IF EXISTS t")
            cursor.execute(f"CREATE TABLE t ({each}) ENGINE=InnoDB")
            schemas.append(read_live(connection, schema_name))
        for goal in schemas:  # it stands at the second one: back to the first, and there again
            for statement in alter(read_live(connection, schema_name), goal):
                cursor.execute(statement.sql)
            assert diff(read_live(connection, schema_name), goal) == ()
