"""Tables of two schemas whose names differ only by case: one table, spelled as two servers keep it.

A server with lower_case_table_names=1 stores every name in lower case, one with 2 compares them so, and one with 0 (the
usual on Linux) takes `Foo` and `foo` for two tables. So whether the spelling matters depends on the servers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from dbaudit.schema.model import Schema, Table
from dbaudit.schema.text import IDENTIFIER, STRING, name, unquote

_NAMES = re.compile(rf"(?P<keep>{STRING})|{IDENTIFIER}", re.DOTALL)


def case_pairs(left: Schema, right: Schema) -> tuple[tuple[str, str], ...]:
    """Names, left and right, of tables that only their case tells apart; only where that is one and one."""
    old = _by_lower(left.tables.keys() - right.tables.keys())
    new = _by_lower(right.tables.keys() - left.tables.keys())
    return tuple(
        (old[key][0], new[key][0])
        for key in sorted(old.keys() & new.keys())
        if len(old[key]) == 1 and len(new[key]) == 1
    )


def case_matters(left: Schema, right: Schema) -> bool:
    """Whether a difference in case is one to the servers: neither of them stores or compares names in lower case."""
    return not (_folds(left) or _folds(right))


def respelled(schema: Schema, names: Mapping[str, str]) -> Schema:
    """The schema with these tables under other names, in foreign keys, triggers and views too."""
    if not names:
        return schema
    tables = (_table(table, names) for table in schema.tables.values())
    return replace(
        schema,
        tables={table.name: table for table in tables},
        triggers={key: replace(each, table=names.get(each.table, each.table)) for key, each in schema.triggers.items()},
        views={key: replace(view, select=_text(view.select, names)) for key, view in schema.views.items()},
    )


def _table(table: Table, names: Mapping[str, str]) -> Table:
    keys = tuple(
        replace(key, referred_table=names.get(key.referred_table, key.referred_table)) for key in table.foreign_keys
    )
    return replace(table, name=names.get(table.name, table.name), foreign_keys=keys)


def _text(sql: str, names: Mapping[str, str]) -> str:
    def word(match: re.Match[str]) -> str:
        found = None if match["keep"] else names.get(unquote(match[0]))
        return match[0] if found is None else name(found)

    return _NAMES.sub(word, sql)


def _by_lower(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in sorted(names):
        found.setdefault(each.lower(), []).append(each)
    return found


def _folds(schema: Schema) -> bool:
    """Whether the schema is of a server on which case means nothing; a dump tells by its names, which are lower."""
    if schema.lower_case_table_names is not None:
        return schema.lower_case_table_names != 0
    return all(each == each.lower() for each in schema.tables)
