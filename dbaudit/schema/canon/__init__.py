"""Spellings of one thing made one: every rule is a file here, and adding a rule is adding a file.

A rule's module has one function, `table` (Table -> Table) or `schema` (Schema -> Schema), pure and
idempotent, whose result does not depend on which other rules have run; its docstring names both spellings
and the versions that print them. A module whose name begins with an underscore holds what several rules
share. Differences that are real are never touched here, however harmless: whether a difference matters is
decided where it is reported.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cache

from dbaudit.schema.model import Schema, Table

__all__ = ["Rule", "canonical", "canonical_table", "rules", "spelled"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by the name of its file; exactly one of the two functions is there."""

    name: str
    why: str
    table: Callable[[Table], Table] | None
    schema: Callable[[Schema], Schema] | None


@cache
def rules() -> tuple[Rule, ...]:
    """All rules in alphabetical order."""
    found = []
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{__name__}.{info.name}")
        why = (module.__doc__ or "").partition("\n")[0]
        rule = Rule(info.name, why, getattr(module, "table", None), getattr(module, "schema", None))
        if (rule.table is None) == (rule.schema is None):
            raise TypeError(f"{module.__name__} must define exactly one of table() and schema()")
        found.append(rule)
    return tuple(found)


@cache
def canonical_table(table: Table) -> Table:
    """The table in the one spelling.

    Tables are values, and the same ones come back often: results are kept.
    """
    for rule in rules():
        if rule.table is not None:
            table = rule.table(table)
    return table


def canonical(schema: Schema) -> Schema:
    """The schema with every rule applied."""
    tables = {name: canonical_table(table) for name, table in schema.tables.items()}
    return _whole(replace(schema, tables=tables), rules())


def spelled(schema: Schema, wanted: Collection[Rule]) -> Schema:
    """The schema with these rules alone applied."""
    tables = dict(schema.tables)
    for rule in wanted:
        if rule.table is not None:
            tables = {name: rule.table(table) for name, table in tables.items()}
    return _whole(replace(schema, tables=tables), wanted)


def _whole(schema: Schema, wanted: Collection[Rule]) -> Schema:
    for rule in wanted:
        if rule.schema is not None:
            schema = rule.schema(schema)
    return schema
