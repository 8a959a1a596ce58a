"""A flush as a work of the repair engine, for `--journal`: every row is kept in the journal and can be brought back.

It costs a second copy of all that goes, in the same server; a plain flush (`flush`) keeps none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, literal_column, select

from dbaudit.change import Delete
from dbaudit.check import Tables
from dbaudit.repair import records
from dbaudit.repair.journal import is_there
from dbaudit.repair.work import Part, Work
from dbaudit.tokens.entry import WORK
from dbaudit.tokens.family import Child, Family, families
from dbaudit.tokens.opened import Opened
from dbaudit.tokens.retention import Cutoff


def resumed(opened: Opened) -> Opened:
    """The same with the cutoff of the run that did not come to its end, where there is one that this one goes on with.

    A run up to now has another cutoff each time: without this it would be a new run, and the old one stay open.
    """
    target = opened.target
    with target.session() as connection, connection.cursor() as cursor:
        if not is_there(connection, target):
            return opened
        old = records.resumable(cursor, target, Work(WORK, (), _parameters(opened)).fingerprint)
    settled = old.details.get("settled") if old else None
    if old is None or not isinstance(settled, dict):
        return opened
    at = datetime.fromisoformat(str(settled["cutoff"]).removesuffix("Z"))
    cutoff = Cutoff(at, f"that of run {old.run}, which goes on", given=opened.cutoff.given)
    only = tuple(each.table.lower() for each in opened.families)
    return replace(opened, cutoff=cutoff, families=families(opened.schema, cutoff, opened.retention, only)[0])


def _parameters(opened: Opened) -> Mapping[str, Any]:
    """What two flushes have in common of which one may go on with the other."""
    kept = opened.retention
    return {
        "before": opened.cutoff.at.isoformat() + "Z" if opened.cutoff.given else None,
        "tables": [each.table for each in opened.families],
        "seconds": [kept.window, kept.expiration, kept.buffer, kept.default_ttl],
    }


def work_of(opened: Opened) -> Work:
    """The work; children without a foreign key are a part before their parents', the engine finds the others."""
    parts: list[Part] = []
    for family in opened.families:
        parts += [_child(family, child) for child in family.children if not child.cascades]
        parts.append(Part(family.table, family.table, _dead(family), Delete(absence=False), label=family.key[:1]))
    warnings = tuple(each.note for each in opened.families if each.note)
    return Work(WORK, tuple(parts), _parameters(opened), warnings, {"cutoff": opened.cutoff.at.isoformat() + "Z"})


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
