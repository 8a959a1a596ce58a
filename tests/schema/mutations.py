"""Schemas with one thing changed, drawn by lot: for the tests that each change is seen, and can be made."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

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

Change = Callable[[random.Random, Schema], Schema | None]


def _with(schema: Schema, table: Table) -> Schema:
    return replace(schema, tables={**schema.tables, table.name: table})


def _table(dice: random.Random, schema: Schema) -> Table:
    return schema.tables[dice.choice(sorted(schema.tables))]


def _column(dice: random.Random, table: Table, *, plain: bool = True) -> Column | None:
    """A column; a plain one is in no key, index or CHECK."""
    used = {name for index in table.indexes for name in index.columns}
    used |= {name for key in table.foreign_keys for name in key.columns}
    used |= {each.name for each in table.columns for check in table.checks if f"`{each.name}`" in check.expression}
    used |= {
        each.name for each in table.columns for other in table.columns if f"`{each.name}`" in (other.generated or "")
    }
    found = [each for each in table.columns if not plain or (each.name not in used and not each.auto_increment)]
    return dice.choice(found) if found else None


def _changed(table: Table, column: Column, **changes: Any) -> Table:
    return replace(table, columns=tuple(replace(e, **changes) if e is column else e for e in table.columns))


def _of_column(select: Callable[[Column], dict[str, Any] | None]) -> Change:
    def change(dice: random.Random, schema: Schema) -> Schema | None:
        table = _table(dice, schema)
        column = _column(dice, table)
        changes = select(column) if column else None
        return _with(schema, _changed(table, column, **changes)) if column and changes else None

    return change


def _is(column: Column, *words: str) -> bool:
    return column.generated is None and column.type.startswith(words)


def type_(column: Column) -> dict[str, Any] | None:
    if _is(column, "varchar"):
        return {"type": "varchar(77)"}
    if _is(column, "int"):
        return {"type": "bigint(20)"}
    return {"type": "longtext"} if _is(column, "text", "mediumtext") else None


def null(column: Column) -> dict[str, Any] | None:
    return {"null": not column.null} if _is(column, "varchar", "int") else None


def default(column: Column) -> dict[str, Any] | None:
    return {"default": "'17'"} if _is(column, "varchar", "int") else None


def collation(column: Column) -> dict[str, Any] | None:
    return {"charset": "utf8", "collation": "utf8_bin"} if _is(column, "varchar", "text") else None


def charset(column: Column) -> dict[str, Any] | None:
    return {"charset": "latin1", "collation": None} if _is(column, "varchar", "text") else None


def comment(column: Column) -> dict[str, Any] | None:
    return {"comment": "it's \\ a; mutant"} if column.generated is None else None


def on_update(column: Column) -> dict[str, Any] | None:
    return {"on_update": "CURRENT_TIMESTAMP"} if _is(column, "datetime") and column.null else None


def new_column(dice: random.Random, schema: Schema) -> Schema:
    table = _table(dice, schema)
    place = dice.randrange(len(table.columns) + 1)
    kind = dice.choice(["int(11)", "varchar(9)", "datetime", "decimal(9,2)", "enum('A','b''c')", "longblob"])
    columns = (*table.columns[:place], Column("mutant", kind), *table.columns[place:])
    return _with(schema, replace(table, columns=columns))


def computed_column(dice: random.Random, schema: Schema) -> Schema | None:
    table = _table(dice, schema)
    source = next((each for each in table.columns if _is(each, "int") and not each.auto_increment), None)
    if source is None:
        return None
    stored = dice.random() < 0.5
    column = Column("mutant", "int(11)", generated=f"`{source.name}` + 1", stored=stored)
    return _with(schema, replace(table, columns=(*table.columns, column)))


def no_column(dice: random.Random, schema: Schema) -> Schema | None:
    table = _table(dice, schema)
    column = _column(dice, table)
    if column is None or len(table.columns) == 1:
        return None
    return _with(schema, replace(table, columns=tuple(each for each in table.columns if each is not column)))


def order(dice: random.Random, schema: Schema) -> Schema | None:
    table = _table(dice, schema)
    if len(table.columns) < 2:
        return None
    return _with(schema, replace(table, columns=(*table.columns[1:], table.columns[0])))


def new_index(dice: random.Random, schema: Schema) -> Schema | None:
    table = _table(dice, schema)
    column = _column(dice, table)
    if column is None or not _is(column, "varchar", "text", "int"):
        return None
    part = IndexPart(column.name, None if _is(column, "int") else dice.choice([5, 9]))
    kind = dice.choice([IndexKind.PLAIN, IndexKind.UNIQUE])
    index = Index("mutant", kind, (part,), comment=dice.choice(["", "odd; one"]))
    return _with(schema, replace(table, indexes=(*table.indexes, index)))


def no_index(dice: random.Random, schema: Schema) -> Schema | None:
    table = _table(dice, schema)
    keys = {key.columns for key in table.foreign_keys}
    referred = {key.referred_table for each in schema.tables.values() for key in each.foreign_keys}
    found = [each for each in table.indexes if each.kind is not IndexKind.PRIMARY and each.columns not in keys]
    if not found or table.name in referred:
        return None
    gone = dice.choice(found)
    return _with(schema, replace(table, indexes=tuple(each for each in table.indexes if each is not gone)))


def unique(dice: random.Random, schema: Schema) -> Schema | None:
    table = _table(dice, schema)
    keys = {key.columns for key in table.foreign_keys}
    found = [each for each in table.indexes if each.kind is IndexKind.PLAIN and each.columns not in keys]
    if not found:
        return None
    index = dice.choice(found)
    others = tuple(replace(each, kind=IndexKind.UNIQUE) if each is index else each for each in table.indexes)
    twins = [each for each in table.indexes if each.parts == index.parts]
    return _with(schema, replace(table, indexes=others)) if len(twins) == 1 else None


def renamed_index(dice: random.Random, schema: Schema) -> Schema | None:
    table = _table(dice, schema)
    keys = {key.columns for key in table.foreign_keys}
    found = [each for each in table.indexes if each.kind is not IndexKind.PRIMARY and each.columns not in keys]
    if not found:
        return None
    index = dice.choice(found)
    others = tuple(replace(each, name="mutant") if each is index else each for each in table.indexes)
    return _with(schema, replace(table, indexes=others))


def no_key(dice: random.Random, schema: Schema) -> Schema | None:
    found = [table for _, table in sorted(schema.tables.items()) if table.foreign_keys]
    if not found:
        return None
    table = dice.choice(found)
    return _with(schema, replace(table, foreign_keys=table.foreign_keys[1:]))


def key_action(dice: random.Random, schema: Schema) -> Schema | None:
    found = [table for _, table in sorted(schema.tables.items()) if table.foreign_keys]
    if not found:
        return None
    table = dice.choice(found)
    key = dice.choice(table.foreign_keys)
    action = None if key.on_delete else "CASCADE"
    keys = tuple(replace(each, on_delete=action) if each is key else each for each in table.foreign_keys)
    return _with(schema, replace(table, foreign_keys=keys))


def new_key(dice: random.Random, schema: Schema) -> Schema | None:
    found = [
        (table, column, other)
        for _, table in sorted(schema.tables.items())
        for column in table.columns
        for _, other in sorted(schema.tables.items())
        if _is(column, "int")
        and other.primary_key
        and len(other.primary_key.columns) == 1
        and (target := other.column(other.primary_key.columns[0]))
        and target.type == column.type
        and not any(column.name in key.columns for key in table.foreign_keys)
        and not column.auto_increment
        and table is not other
    ]
    if not found:
        return None
    table, column, other = dice.choice(found)
    assert other.primary_key
    key = ForeignKey("fk_mutant", (column.name,), other.name, other.primary_key.columns)
    # A server makes an index for it, where there is none.
    index = Index("fk_mutant", IndexKind.PLAIN, (IndexPart(column.name),))
    covered = any(each.columns[:1] == (column.name,) for each in table.indexes)
    indexes = table.indexes if covered else (*table.indexes, index)
    return _with(schema, replace(table, foreign_keys=(*table.foreign_keys, key), indexes=indexes))


def engine(dice: random.Random, schema: Schema) -> Schema | None:
    table = _table(dice, schema)
    referred = {key.referred_table for each in schema.tables.values() for key in each.foreign_keys}
    narrow = {column.name for column in table.columns if _is(column, "int")}
    if (
        table.foreign_keys
        or table.name in referred
        or not all(narrow.issuperset(each.columns) for each in table.indexes)
    ):
        return None  # MyISAM has no foreign keys, and no room for long keys
    return _with(schema, replace(table, engine="MyISAM"))


def table_comment(dice: random.Random, schema: Schema) -> Schema:
    return _with(schema, replace(_table(dice, schema), comment="a mutant's"))


def row_format(dice: random.Random, schema: Schema) -> Schema:
    return _with(schema, replace(_table(dice, schema), row_format="REDUNDANT"))


def option(dice: random.Random, schema: Schema) -> Schema:
    table = _table(dice, schema)
    return _with(schema, replace(table, options=(*table.options, ("stats_persistent", "1"))))


def table_charset(dice: random.Random, schema: Schema) -> Schema | None:
    """A table in another charset; its columns keep theirs."""
    table = _table(dice, schema)
    text = ("varchar", "char", "text", "mediumtext", "longtext", "tinytext", "enum", "set")
    if any(column.charset or column.collation for column in table.columns):
        return None
    columns = tuple(replace(e, charset="utf8") if e.type.startswith(text) else e for e in table.columns)
    return _with(schema, replace(table, charset="latin1", collation=None, columns=columns))


def new_table(dice: random.Random, schema: Schema) -> Schema:
    table = _table(dice, schema)
    return _with(schema, replace(table, name="mutant", foreign_keys=(), checks=()))


def no_table(dice: random.Random, schema: Schema) -> Schema | None:
    table = _table(dice, schema)
    referred = {key.referred_table for each in schema.tables.values() for key in each.foreign_keys}
    if table.name in referred:
        return None
    return replace(schema, tables={name: each for name, each in schema.tables.items() if each is not table})


def partitions(dice: random.Random, schema: Schema) -> Schema | None:
    table = _table(dice, schema)
    referred = {key.referred_table for each in schema.tables.values() for key in each.foreign_keys}
    single = [each for each in table.indexes if each.unique]
    if table.foreign_keys or table.name in referred or len(single) != 1 or table.primary_key is None:
        return None
    names = ",".join(f"`{name}`" for name in table.primary_key.columns)
    return _with(schema, replace(table, partitions=f"PARTITION BY KEY ({names}) PARTITIONS 3"))


def check(dice: random.Random, schema: Schema) -> Schema | None:
    table = _table(dice, schema)
    column = next((each for each in table.columns if _is(each, "int") and not each.auto_increment), None)
    if column is None:
        return None
    constraint = CheckConstraint("mutant", f"`{column.name}` > 3 and `{column.name}` < 9")
    return _with(schema, replace(table, checks=(*table.checks, constraint)))


def view(dice: random.Random, schema: Schema) -> Schema:
    table = _table(dice, schema)
    column = table.columns[0].name
    select = f"select `{table.name}`.`{column}` AS `{column}` from `{table.name}`"
    return replace(schema, views={**schema.views, "mutant_view": View("mutant_view", select)})


def trigger(dice: random.Random, schema: Schema) -> Schema:
    each = Trigger("mutant", _table(dice, schema).name, "BEFORE", "INSERT", "BEGIN SET @a = 1; SET @b = 'x;'; END")
    return replace(schema, triggers={**schema.triggers, "mutant": each})


def routine(dice: random.Random, schema: Schema) -> Schema:
    each = Routine("mutant", "PROCEDURE", f"(IN a INT) BEGIN SELECT a; SELECT {dice.randrange(9)}; END")
    return replace(schema, routines={**schema.routines, "PROCEDURE mutant": each})


def event(dice: random.Random, schema: Schema) -> Schema:
    body = "ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' ON COMPLETION NOT PRESERVE ENABLE DO SELECT 1"
    return replace(schema, events={**schema.events, "mutant": Event("mutant", body)})


# Kinds of changes; those that a server of MySQL 5.6 has no word for are named in NEWER.
NEWER = {computed_column, check}
CHANGES: tuple[Change, ...] = (
    *map(_of_column, (type_, null, default, collation, charset, comment, on_update)),
    new_column, computed_column, no_column, order, new_index, no_index, unique, renamed_index, no_key, key_action,
    new_key, engine, table_comment, row_format, option, table_charset, new_table, no_table, partitions, check, view,
    trigger, routine, event,
)  # fmt: skip


def mutants(seed: str, schema: Schema, count: int, without: frozenset[Change] = frozenset()) -> Iterator[Schema]:
    """So many schemas with one thing changed, each kind in its turn."""
    dice = random.Random(seed)
    changes = [each for each in CHANGES if each not in without]
    made = number = 0
    while made < count:
        mutant = changes[number % len(changes)](dice, schema)
        number += 1
        if mutant is not None and mutant != schema:
            made += 1
            yield mutant
