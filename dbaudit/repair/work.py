"""What is to be repaired: tables' rows and what becomes of them, in parts that one run does one after the other.

A check with a repair is a work of one part; a task such as a backfill is one of several.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select

from dbaudit.change import Change, Delete
from dbaudit.check import Check, Tables
from dbaudit.errors import UsageError


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one table that a Select finds, and what becomes of them.

    `label` names columns of the Select that name a row for people, `groups` those by which a plan counts. `derived`
    marks counters that are computed from other rows: they are not journaled, and an undo computes them anew.
    """

    name: str
    table: str
    rows: Callable[[Tables], Select[Any]]
    change: Change
    label: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    derived: bool = False

    @property
    def deletes(self) -> bool:
        """Whether the rows go."""
        return isinstance(self.change, Delete)


@dataclass(frozen=True, slots=True)
class Work:
    """Parts under one name. `parameters` tell two works of one name apart; they are kept in the journal.

    `settled` is kept there too and tells no works apart: what a run fixed at its beginning, such as its cutoff.
    `warnings` are sentences that the plan shows: what the work cannot know, and what it leaves to do.
    """

    name: str
    parts: tuple[Part, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    settled: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """What a run that is to be resumed has in common with this work."""
        text = json.dumps([self.name, dict(self.parameters)], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def work_of(check: Check) -> Work:
    """The work that repairs a check's rows. Raises UsageError where it declares no repair."""
    if check.repair is None or check.rows_query is None or not check.table:
        raise UsageError(
            f"{check.id} has no repair of its own", f"do what it says: {check.remedy}" if check.remedy else ""
        )
    return Work(check.id, (Part(check.id, check.table, check.rows_query, check.repair, check.key),))
