"""A flush as a work of the repair engine, for `--journal`: every row is kept in the journal and can be brought back.

It costs a second copy of all that goes, in the same server; a plain flush (`flush`) keeps none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Select, literal_column, select

from dbaudit.change import Delete
from dbaudit.check import Tables
from dbaudit.repair.work import Part, Work
from dbaudit.tokens.entry import WORK
from dbaudit.tokens.family import Child, Family
from dbaudit.tokens.opened import Opened


def work_of(opened: Opened) -> Work:
    """The work; children without a foreign key are a part before their parents', the engine finds the others."""
    parts: list[Part] = []
    for family in opened.families:
        parts += [_child(family, child) for child in family.children if not child.cascades]
        parts.append(Part(family.table, family.table, _dead(family), Delete(absence=False), label=family.key[:1]))
    warnings = tuple(each.note for each in opened.families if each.note)
    return Work(WORK, tuple(parts), {"cutoff": opened.cutoff.at.isoformat() + "Z"}, warnings)


def _dead(family: Family) -> Callable[[Tables], Select[Any]]:
    def rows(tables: Tables) -> Select[Any]:
        table = getattr(tables, family.table)
        return select(table).where(literal_column(f"({family.dead})"))

    return rows


def _child(family: Family, child: Child) -> Part:
    def rows(tables: Tables) -> Select[Any]:
        table, parents = getattr(tables, child.table), getattr(tables, family.table)
        column, parent = child.columns[0], child.parent[0]
        dead = select(parents.c[parent]).where(literal_column(f"({family.dead})"))
        return select(table).where(table.c[column].in_(dead))

    return Part(child.table, child.table, rows, Delete(absence=False), label=child.columns[:1])
