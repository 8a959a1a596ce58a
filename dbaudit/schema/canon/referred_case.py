"""A foreign key names its table in the case in which it was written, or in lower case.

``REFERENCES `foo` `` for a table `Foo`: servers with lower_case_table_names=2, and 1 for a key that was written with
checks off. Only where the schema has no table of exactly that name.
"""

from __future__ import annotations

from dataclasses import replace

from dbaudit.schema.model import ForeignKey, Schema, Table


def schema(schema: Schema) -> Schema:
    """Uses the name of the table that is there."""
    by_lower: dict[str, list[str]] = {}
    for name in schema.tables:
        by_lower.setdefault(name.lower(), []).append(name)

    def key(each: ForeignKey) -> ForeignKey:
        names = by_lower.get(each.referred_table.lower(), [])
        if each.referred_schema is not None or each.referred_table in schema.tables or len(names) != 1:
            return each
        return replace(each, referred_table=names[0])

    def table(each: Table) -> Table:
        keys = tuple(map(key, each.foreign_keys))
        return each if keys == each.foreign_keys else replace(each, foreign_keys=keys)

    return replace(schema, tables={name: table(each) for name, each in schema.tables.items()})
