"""A site's own objects, as `dbaudit.toml` names them: known drift, as long as no pending step works on it.

    [[own]]
    table = "instances"            # a pattern: * and ? as in file names
    column = "site_*"              # or index, foreign_key, check, trigger; without one of them, whole tables
    reason = "billing reads it"
    owner = "billing@example.org"
    service = "nova"               # only for this service's databases; may be left out

    [[own]]
    view = "site_*"                # or routine, event: these belong to no table
    reason = "..."
    owner = "..."

The dry-run asks `Policy.judge` for each difference, as `dbaudit diff` does. The file also holds [[budget]]
(`budget.py`), [[waiver]] (`waiver.py`) and [plan] (`plan/file.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from dbaudit.budget import Limit, read_limits
from dbaudit.errors import DbauditError
from dbaudit.finding import Step
from dbaudit.finding import step as step_id
from dbaudit.migration.steps import StepFacts, Work
from dbaudit.schema.difference import Change, Difference, Kind
from dbaudit.schema.model import Schema
from dbaudit.settings import Entry, entries, read_settings
from dbaudit.waiver import Waiver, read_waiver

# What a file may hold.
_TABLES = ("own", "budget", "waiver", "plan")
_INSIDE = {
    "column": Kind.COLUMN, "index": Kind.INDEX, "foreign_key": Kind.FOREIGN_KEY, "check": Kind.CHECK,
    "trigger": Kind.TRIGGER,
}  # fmt: skip
_ALONE = {"view": Kind.VIEW, "routine": Kind.ROUTINE, "event": Kind.EVENT}
_WORDS = ("reason", "owner")
_KEYS = {*_INSIDE, *_ALONE, *_WORDS, "table", "service"}


@dataclass(frozen=True, slots=True)
class Own:
    """One entry: which objects are the site's own, why, and whom to ask."""

    kind: Kind
    table: str | None
    name: str
    reason: str
    owner: str
    service: str | None = None

    def covers(self, difference: Difference, service: str | None) -> bool:
        """Whether the difference is one of such an object."""
        if self.service not in (None, service) or difference.kind is not self.kind:
            return False
        if self.kind is Kind.TABLE and difference.change not in (Change.ADDED, Change.REMOVED):
            return False  # a table of upstream's in another charset is drift, whatever the table is called
        if self.table is not None and not fnmatchcase(difference.table or "", self.table):
            return False
        return fnmatchcase(difference.name, self.name)

    @property
    def text(self) -> str:
        """The entry for people."""
        where = f"{self.table}.{self.name}" if self.table and self.kind is not Kind.TABLE else self.name
        return f"{self.kind} {where}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the policy says of a difference; `steps` are the pending steps that work on the object."""

    own: Own
    steps: tuple[Step, ...]

    @property
    def accepted(self) -> bool:
        """Whether the difference is no more than a note."""
        return not self.steps


@dataclass(frozen=True, slots=True)
class Policy:
    """The entries of a site: its own objects, what the migrations may cost, and what it has decided to live with."""

    own: tuple[Own, ...] = ()
    limits: tuple[Limit, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    source: str = ""

    def judge(
        self, difference: Difference, service: str | None, pending: Sequence[StepFacts], schema: Schema
    ) -> Judgement | None:
        """What the policy says; None where the object is not the site's own. `schema` is the database's."""
        own = next((each for each in self.own if each.covers(difference, service)), None)
        return Judgement(own, tuple(touching(difference, pending, schema))) if own else None


def read_policy(path: Path) -> Policy:
    """The policy in a file. Raises DbauditError that names the entry that is wrong."""
    content = read_settings(path)
    Entry(str(path), content).only(*_TABLES)
    return Policy(
        tuple(_own(entry) for entry in entries(path, content, "own")),
        tuple(limit for entry in entries(path, content, "budget") for limit in read_limits(entry)),
        tuple(read_waiver(entry) for entry in entries(path, content, "waiver")),
        str(path),
    )


def _own(entry: Entry) -> Own:
    entry.only(*_KEYS)
    text = {key: value for key in entry.values if (value := entry.text(key)) is not None}
    reason, owner = (entry.needed(word, "say why it is there and whom to ask") for word in _WORDS)
    kinds = [key for key in (*_INSIDE, *_ALONE) if key in text]
    table, service = text.get("table"), text.get("service")
    if len(kinds) > 1:
        raise DbauditError(f"{entry.where} names a {kinds[0]} and a {kinds[1]}", "make two entries of it")
    if not kinds and table is not None:
        return Own(Kind.TABLE, None, table, reason, owner, service)
    if not kinds or (kinds[0] in _INSIDE and table is None):
        raise DbauditError(f"{entry.where} names no table", 'for every table write table = "*"')
    kind = (_INSIDE | _ALONE)[kinds[0]]
    return Own(kind, table if kinds[0] in _INSIDE else None, text[kinds[0]], reason, owner, service)


def touching(difference: Difference, pending: Sequence[StepFacts], schema: Schema) -> Iterator[Step]:
    """The pending steps whose statements work on the object, on its table as a whole, or on what it stands on: a column
    of an index, a table that a view, trigger, routine or event names."""
    columns, words = _columns(difference, schema), _words(difference)
    for facts in pending:
        worked = any(_works_on(work, difference, columns) or _names(work, difference, words) for work in facts.work)
        if worked or _drops_all(facts, difference):
            yield step_id(facts.repository, facts.number)


def _words(difference: Difference) -> frozenset[str]:
    """The names that the text of a view, trigger, routine or event can hold."""
    if difference.kind not in (Kind.VIEW, Kind.TRIGGER, Kind.ROUTINE, Kind.EVENT):
        return frozenset()
    return frozenset((*re.findall(r"\w+", difference.right or difference.left or ""), difference.table or ""))


def _names(work: Work, difference: Difference, words: frozenset[str]) -> bool:
    """Whether a statement changes a table that the text names; rows matter to triggers alone."""
    return work.table in words and (work.action != "rows" or difference.kind is Kind.TRIGGER)


def _drops_all(facts: StepFacts, difference: Difference) -> bool:
    """Whether the step drops every object of this kind that the table has, whatever its name."""
    return any(
        (drop.kind, drop.table) == (str(difference.kind), difference.table) and drop.how.startswith("every ")
        for drop in facts.drops_looked_up
    )


def _columns(difference: Difference, schema: Schema) -> frozenset[str]:
    """The columns that an index, key or CHECK of the site's own stands on."""
    table = schema.tables.get(difference.table or "")
    if table is None or difference.kind is Kind.TABLE:
        return frozenset()
    if difference.kind is Kind.INDEX:
        index = table.index(difference.name)
        return frozenset(index.columns) if index else frozenset()
    if difference.kind is Kind.FOREIGN_KEY:
        key = table.foreign_key(difference.name)
        return frozenset(key.columns) if key else frozenset()
    text = difference.right or difference.left or ""
    return frozenset(column.name for column in table.columns if f"`{column.name}`" in text)


def _works_on(work: Work, difference: Difference, columns: frozenset[str]) -> bool:
    if work.table != (difference.table or difference.name):
        return False
    if difference.kind is Kind.TABLE:
        return work.action != "rows"
    if work.what == "table":
        return True
    if work.what == "column" and work.action in ("drop", "change") and work.name in columns:
        return True
    return bool(difference.name) and work.name == difference.name
