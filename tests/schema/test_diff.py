"""The comparison sees every field of the model, sees nothing twice, and is the same from both sides."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from dbaudit.migration.catalogue import reference
from dbaudit.release import release
from dbaudit.schema import diff as diffs
from dbaudit.schema import model
from dbaudit.schema.diff import NOT_COMPARED, OTHER_FIELDS, Change, Difference, Kind, diff
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
from dbaudit.schema.read import read_table

COLUMN = Column("c", "varchar(9)")
INDEX = Index("i", IndexKind.UNIQUE, (IndexPart("c"),))
KEY = ForeignKey("f", ("c",), "o", ("x",))
CHECK = CheckConstraint("k", "`c` > 1")
TABLE = Table("t", (COLUMN, Column("d", "int")), (INDEX,), (KEY,), (CHECK,), "InnoDB", "utf8")
SCHEMA = Schema(
    "s",
    "utf8",
    None,
    {"t": TABLE},
    {"v": View("v", "select 1")},
    {"g": Trigger("g", "t", "BEFORE", "INSERT", "set new.c = 1")},
    {"PROCEDURE p": Routine("p", "PROCEDURE", "() select 1")},
    {"e": Event("e", "on schedule every 1 day do select 1")},
)

# Another value for every field, so that a field that the comparison forgets fails here. A new field of the model that
# is not in this table fails too.
OTHERS: dict[str, Any] = {
    "Schema.charset": "latin1", "Schema.collation": "utf8_bin",
    "Schema.tables": {}, "Schema.views": {}, "Schema.triggers": {}, "Schema.routines": {}, "Schema.events": {},
    "Table.columns": (Column("c", "text"), Column("d", "int")), "Table.indexes": (), "Table.foreign_keys": (),
    "Table.checks": (), "Table.engine": "MyISAM", "Table.charset": "latin1", "Table.collation": "utf8_bin",
    "Table.row_format": "COMPRESSED", "Table.comment": "x", "Table.options": (("stats_persistent", "1"),),
    "Table.partitions": "PARTITION BY KEY (c)", "Table.unsupported": "why",
    "Column.type": "text", "Column.null": False, "Column.default": "'x'", "Column.on_update": "current_timestamp",
    "Column.auto_increment": True, "Column.charset": "latin1", "Column.collation": "utf8_bin",
    "Column.comment": "x", "Column.generated": "1", "Column.stored": True, "Column.invisible": True,
    "Column.srid": 0, "Column.compressed": "compressed",
    "Index.name": "j", "Index.kind": IndexKind.PLAIN, "Index.parts": (IndexPart("d"),), "Index.using": "HASH",
    "Index.parser": "ngram", "Index.comment": "x", "Index.visible": False, "Index.block_size": 8,
    "IndexPart.column": "d", "IndexPart.length": 3, "IndexPart.descending": True, "IndexPart.expression": "lower(c)",
    "ForeignKey.name": "g", "ForeignKey.columns": ("d",), "ForeignKey.referred_table": "p",
    "ForeignKey.referred_columns": ("y",), "ForeignKey.referred_schema": "q", "ForeignKey.on_delete": "CASCADE",
    "ForeignKey.on_update": "SET NULL",
    "CheckConstraint.name": "l", "CheckConstraint.expression": "`c` > 2", "CheckConstraint.enforced": False,
    "View.select": "select 2", "View.security": "INVOKER", "View.check_option": "LOCAL", "View.algorithm": "MERGE",
    "View.columns": ("c",),
    "Trigger.table": "u", "Trigger.timing": "AFTER", "Trigger.event": "DELETE", "Trigger.body": "set new.c = 2",
    "Routine.kind": "FUNCTION", "Routine.body": "() select 2",
    "Event.body": "on schedule every 2 day do select 1",
}  # fmt: skip


def with_table(**changes: Any) -> Schema:
    return replace(SCHEMA, tables={"t": replace(TABLE, **changes)})


PLACES: dict[str, Callable[[str, Any], Schema]] = {
    "Schema": lambda field, value: replace(SCHEMA, **{field: value}),
    "Table": lambda field, value: with_table(**{field: value}),
    "Column": lambda field, value: with_table(columns=(replace(COLUMN, **{field: value}), Column("d", "int"))),
    "Index": lambda field, value: with_table(indexes=(replace(INDEX, **{field: value}),)),
    "IndexPart": lambda field, value: with_table(
        indexes=(replace(INDEX, parts=(replace(IndexPart("c"), **{field: value}),)),)
    ),
    "ForeignKey": lambda field, value: with_table(foreign_keys=(replace(KEY, **{field: value}),)),
    "CheckConstraint": lambda field, value: with_table(checks=(replace(CHECK, **{field: value}),)),
    "View": lambda field, value: replace(SCHEMA, views={"v": replace(SCHEMA.views["v"], **{field: value})}),
    "Trigger": lambda field, value: replace(SCHEMA, triggers={"g": replace(SCHEMA.triggers["g"], **{field: value})}),
    "Routine": lambda field, value: replace(
        SCHEMA, routines={"PROCEDURE p": replace(SCHEMA.routines["PROCEDURE p"], **{field: value})}
    ),
    "Event": lambda field, value: replace(SCHEMA, events={"e": replace(SCHEMA.events["e"], **{field: value})}),
}


def all_fields() -> list[str]:
    classes = [getattr(model, name) for name in PLACES]
    return [f"{each.__name__}.{field.name}" for each in classes for field in fields(each)]


def test_every_class_of_the_model_is_looked_at() -> None:
    classes = {name for name, each in vars(model).items() if getattr(each, "__dataclass_fields__", None)}
    assert classes == set(PLACES)
    assert set(OTHER_FIELDS) == {Kind.VIEW, Kind.TRIGGER, Kind.ROUTINE, Kind.EVENT}


@pytest.mark.parametrize("field", all_fields())
def test_every_field_is_compared_or_listed_with_its_reason(field: str) -> None:
    if field in NOT_COMPARED:
        assert NOT_COMPARED[field]
        return
    owner, _, name = field.partition(".")
    other = PLACES[owner](name, OTHERS[field])
    found = diff(SCHEMA, other)
    assert len(found) == 1, found
    assert found == tuple(each.reversed() for each in diff(other, SCHEMA))


def test_only_tables_that_differ_as_a_whole_are_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = diffs.diff_tables
    monkeypatch.setattr(diffs, "diff_tables", lambda old, new: (seen.append(old.name), real(old, new))[1])
    left = reference("nova", release("kilo"))
    assert left is not None and len(left.tables) > 100
    table = replace(left.tables["instances"], comment="other")
    assert len(diff(left, replace(left, tables={**left.tables, "instances": table}))) == 1
    assert seen == ["instances"]


def test_nothing_differs_from_itself() -> None:
    assert diff(SCHEMA, SCHEMA) == ()


def test_what_cannot_be_represented_is_never_equal() -> None:
    odd = with_table(unsupported="cannot represent: VECTOR KEY")
    assert [each.attribute for each in diff(odd, odd)] == ["unsupported"]


def test_names_of_keys_are_told_apart() -> None:
    renamed = with_table(indexes=(replace(INDEX, name="j"),), foreign_keys=(replace(KEY, name="t_ibfk_1"),))
    found = diff(SCHEMA, renamed)
    assert found == (
        Difference(Change.RENAMED, Kind.INDEX, "t", "i", "", "i", "j"),
        Difference(Change.RENAMED, Kind.FOREIGN_KEY, "t", "f", "", "f", ""),
    )
    assert all(each.harmless for each in found)


def test_the_order_of_columns_is_told_and_that_of_keys_is_not() -> None:
    two = (INDEX, Index("j", IndexKind.PLAIN, (IndexPart("d"),)))
    left = with_table(indexes=two)
    right = with_table(columns=TABLE.columns[::-1], indexes=two[::-1])
    assert diff(left, right) == (Difference(Change.REORDERED, Kind.TABLE, "t", "t", "columns", "c, d", "d, c"),)


def test_twins_are_told_by_number() -> None:
    twins = with_table(indexes=(INDEX, replace(INDEX, name="j")))
    found = diff(SCHEMA, twins)
    assert [(each.change, each.name) for each in found] == [(Change.ADDED, "j")]


def test_a_lost_foreign_key_is_one_difference_though_its_index_stays() -> None:
    body = "CREATE TABLE `t` (\n  `a` int,\n  KEY `a` (`a`){}\n) ENGINE=InnoDB"
    key = ",\n  CONSTRAINT `t_ibfk_1` FOREIGN KEY (`a`) REFERENCES `o` (`x`)"
    left, right = (Schema(tables={"t": read_table(body.format(text))}) for text in (key, ""))
    assert [(each.change, each.kind) for each in diff(left, right)] == [(Change.REMOVED, Kind.FOREIGN_KEY)]


def test_a_table_in_another_charset_is_one_difference_and_a_column_that_says_its_own_is_none() -> None:
    latin = with_table(charset="latin1")
    assert [(each.kind, each.attribute) for each in diff(SCHEMA, latin)] == [(Kind.TABLE, "charset")]
    kept = with_table(charset="latin1", columns=(replace(COLUMN, charset="utf8"), Column("d", "int")))
    assert [(each.kind, each.attribute) for each in diff(SCHEMA, kept)] == [(Kind.TABLE, "charset")]


def mutate(dice: random.Random, schema: Schema) -> Schema:
    """One thing of one table changed, of a kind drawn by lot."""
    table = schema.tables[dice.choice(sorted(schema.tables))]
    column = dice.choice(table.columns)
    keyed = {name for index in table.indexes for name in index.columns}
    kinds: list[Callable[[], Table]] = [
        lambda: replace(table, columns=(*table.columns, Column("mutant", "int"))),
        lambda: replace(table, comment="mutant"),
        lambda: replace(table, engine="MyISAM"),
        lambda: changed(table, column, type="mediumblob"),
        lambda: changed(table, column, null=not column.null),
        lambda: changed(table, column, comment="mutant"),
        lambda: changed(table, column, collation="utf8_bin", charset="utf8"),
        lambda: replace(table, indexes=(*table.indexes, Index("mutant", IndexKind.PLAIN, (IndexPart("mutant"),)))),
        lambda: replace(table, checks=(CheckConstraint("mutant", "`a` > 17"),)),
    ]
    if column.name not in keyed:
        kinds.append(lambda: replace(table, columns=tuple(each for each in table.columns if each is not column)))
    if table.foreign_keys:
        kinds.append(lambda: replace(table, foreign_keys=table.foreign_keys[1:]))
        first = table.foreign_keys[0]
        kinds.append(
            lambda: replace(table, foreign_keys=(replace(first, on_delete="CASCADE"), *table.foreign_keys[1:]))
        )
    if unique := [index for index in table.indexes if index.kind is IndexKind.UNIQUE]:
        plain = replace(unique[0], kind=IndexKind.PLAIN)
        others = tuple(index for index in table.indexes if index is not unique[0])
        if not any(index.columns == plain.columns for index in others):
            kinds.append(lambda: replace(table, indexes=(*others, plain)))
    mutant = dice.choice(kinds)()
    return replace(schema, tables={**schema.tables, table.name: mutant})


def changed(table: Table, column: Column, **changes: Any) -> Table:
    columns = tuple(replace(each, **changes) if each is column else each for each in table.columns)
    return replace(table, columns=columns)


@pytest.mark.parametrize("service", ["keystone", "cinder", "nova", "glance"])
def test_of_many_mutations_each_is_found_and_nothing_else(service: str) -> None:
    dice = random.Random(service)
    at = reference(service, release("havana"))
    assert at is not None
    for _ in range(125):
        mutant = mutate(dice, at)
        found = diff(at, mutant)
        assert len(found) == 1, found
        assert diff(mutant, at) == (found[0].reversed(),)
