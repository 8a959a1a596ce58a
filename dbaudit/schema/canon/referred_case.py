"""A foreign key names its table in the case in which it was written, or in lower case.

``REFERENCES `foo` `` for a table `Foo`: servers with lower_case_table_names=2, and 1 for a key that was written with
checks off. Only where the schema has no table of exactly that name.
"""

from __future__ import annotations

from dataclasses import replace

from dbaudit.schema.canon._change import changed
from dbaudit.schema.model import ForeignKey, Schema


def schema(schema: Schema) -> Schema:
    """Uses the name of the table that is there."""
    lost = {
        name: table for name, table in schema.tables.items() if any(_is_lost(key, schema) for key in table.foreign_keys)
    }
    if not lost:
        return schema
    by_lower: dict[str, list[str]] = {}
    for name in schema.tables:
        by_lower.setdefault(name.lower(), []).append(name)

    def found(each: ForeignKey) -> ForeignKey:
        names = by_lower.get(each.referred_table.lower(), [])
        return replace(each, referred_table=names[0]) if _is_lost(each, schema) and len(names) == 1 else each

    respelled = {
        name: changed(table, foreign_keys=tuple(map(found, table.foreign_keys))) for name, table in lost.items()
    }
    return replace(schema, tables={**schema.tables, **respelled})


def _is_lost(key: ForeignKey, schema: Schema) -> bool:
    """Whether the key refers to a table of its own database that is not there by this name."""
    return key.referred_schema is None and key.referred_table not in schema.tables
