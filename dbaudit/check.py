"""What a check is: metadata, a query for the bad rows, and a template that turns facts into a sentence.

A check never opens a connection, prints, commits, reads configuration or asks for a version: it is handed `Tables`
and returns a Select, or is handed an `Audited` and yields facts. See checks/README.md.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, column, func, select, table
from sqlalchemy.sql.expression import TableClause

from dbaudit.change import Change, Delete, Guard, Update
from dbaudit.errors import DbauditError
from dbaudit.finding import KEYS_SHOWN, Certainty, Effect, Severity, Step, step
from dbaudit.release import EVERY, Range, Release, between, since, until
from dbaudit.schema.model import Schema

__all__ = [
    "ADVICE", "BLOCKS", "DRIFT", "ERROR", "LOSES", "MAY", "NOTE", "SLOW", "WARNING", "WILL", "Audited", "Cannot",
    "Check", "Clash", "Delete", "Drop", "Fact", "Guard", "Query", "Stage", "Step", "Tables", "Trouble", "Unknown",
    "Update", "between", "key_text", "since", "step", "until",
]  # fmt: skip

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
BLOCKS, LOSES, DRIFT = Effect.BLOCKS, Effect.LOSES, Effect.DRIFT
SLOW, ADVICE = Effect.SLOW, Effect.ADVICE
WILL, MAY = Certainty.WILL, Certainty.MAY

_PACKS = "dbaudit.packs"


class Cannot(Exception):
    """Raised by a check that cannot tell; the text says why, and becomes the reason of the skip."""


class Missing(Cannot):
    """A table or column that a check names is absent."""


class Tables:
    """The tables of the audited database as SQLAlchemy sees them: `t.volumes.c.host`; each name one object."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._made: dict[str, TableClause] = {}

    def __getattr__(self, name: str) -> TableClause:
        found = self._schema.tables.get(name)
        if found is None:
            raise Missing(f"table `{name}` is not there")
        if name not in self._made:
            self._made[name] = table(name, *(column(each.name) for each in found.columns))
        return self._made[name]


@dataclass(frozen=True, slots=True)
class Fact:
    """What a facts check yields: one finding each. What is None comes from the check itself."""

    object: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    step: Step | None = None
    count: int = 1
    keys: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    certainty: Certainty | None = None
    severity: Severity | None = None
    effect: Effect | None = None
    expected: bool | None = None
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """What a facts check yields where it cannot tell about a part; the reason is reported as a skip."""

    reason: str


class Trouble(StrEnum):
    """Why a statement of a pending step will not go through, by structure alone."""

    EXISTS = "exists"  # what it creates is there already
    MISSING = "missing"  # what it changes or drops is not there
    IN_USE = "in-use"  # something of the site's refers to what it drops
    FOREIGN_KEY = "foreign-key"  # the foreign key cannot be made
    CHARSET_UNKNOWN = "charset-unknown"  # a foreign key depends on a charset that nobody told


@dataclass(frozen=True, slots=True)
class Clash:
    """A statement of a pending step that meets a schema which does not suit it.

    `object` is what it stumbles over, `work` the statement in words, `error` the server's number and text,
    `detail` a sentence with what differs.
    """

    trouble: Trouble
    object: str
    work: str
    error: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Drop:
    """A table (`column` None) or column that a step drops without having moved its values elsewhere."""

    table: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A pending step as checks see it, and the schema as it will find it. `release` is the one that runs it."""

    step: Step
    title: str
    before: Schema
    clashes: tuple[Clash, ...] = ()
    drops: tuple[Drop, ...] = ()
    release: Release | None = None


Query = Callable[[Select[*tuple[Any, ...]]], Iterator[Mapping[str, Any]]]


@dataclass(frozen=True)
class Audited:
    """What a facts check may look at: the schema, its rows through `rows`, and what is known of the upgrade.

    `query` runs a Select on the audited database; it is None where there is no server behind the schema. `pending`
    are the steps still to be run, oldest first; `row_counts` the rows of each table; `beside` the databases of other
    services that are audited in the same breath, by service; None where one is looked at alone.
    """

    service: str
    schema: Schema
    release: Release | None
    target: Release | None
    query: Query | None = None
    pending: Sequence[Stage] = ()
    row_counts: Mapping[str, int] = field(default_factory=dict)
    beside: Mapping[str, Audited] | None = None

    @property
    def tables(self) -> Tables:
        """The tables, for a Select."""
        return Tables(self.schema)

    def rows(self, query: Select[*tuple[Any, ...]]) -> Iterator[Mapping[str, Any]]:
        """The rows of a Select, by label. Raises Cannot where no server holds them."""
        if self.query is None:
            raise Cannot("it looks at rows, and there is no server that holds them")
        return self.query(query)

    def other(self, service: str) -> Audited:
        """The database of another service. Raises Cannot where it is not there."""
        if self.beside is None or service not in self.beside:
            raise Cannot(f"it needs the database of {service} too")
        return self.beside[service]

    def stage(self, *steps: Step) -> Stage | None:
        """The first of these steps that is pending, None where none is."""
        return next((stage for stage in self.pending if stage.step in steps), None)

    def one(self, query: Select[*tuple[Any, ...]]) -> Mapping[str, Any]:
        """The one row of a Select. Raises Cannot where no server holds it."""
        (row,) = self.rows(query)
        return row

    def sample(self, query: Select[*tuple[Any, ...]], *key: str) -> tuple[int, tuple[str, ...]]:
        """How many rows a Select has, and the natural keys (its columns `key`) of the first, in key order."""
        total = int(self.one(select(func.count().label("n")).select_from(query.subquery()))["n"])
        columns = query.selected_columns
        some = query.order_by(*(columns[name] for name in key)).limit(KEYS_SHOWN)
        return total, tuple(key_text(row, key) for row in self.rows(some)) if total else ()


def key_text(row: Mapping[str, Any], key: Sequence[str]) -> str:
    """A natural key as findings show it: the values with blanks between, NULLs left out."""
    values = (row[name] for name in key)
    return " ".join(
        value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
        for value in values
        if value is not None
    )


RowsQuery = Callable[[Tables], Select[Any]]
FactsQuery = Callable[[Audited], Iterator[Fact | Unknown]]


class Check:
    """A check; made once at the top of its file, which is its documentation and its name.

    `message` is a sentence over the facts, `{count}` included; `each` a line over one bad row, shown as evidence.
    `key` names the columns of the natural key, in the Select. `before` binds a hazard to the step that it precedes; a
    tuple binds it to several, and then each Fact names its own. `repair` is what `dbaudit repair` does to the rows;
    `beside` names services whose databases it needs too.
    """

    def __init__(
        self,
        module: str,
        *,
        severity: Severity,
        message: str,
        effect: Effect = Effect.ADVICE,
        remedy: str = "",
        table: str = "",
        key: tuple[str, ...] = (),
        each: str = "",
        releases: Range = EVERY,
        before: Step | tuple[Step, ...] | None = None,
        certainty: Certainty = WILL,
        expected: bool = False,
        needs: tuple[str, ...] = (),
        aliases: tuple[str, ...] = (),
        repair: Change | None = None,
        beside: tuple[str, ...] = (),
    ) -> None:
        prefix, _, rest = module.partition(f"{_PACKS}.")
        parts = rest.split(".")
        if prefix or len(parts) != 2:
            raise DbauditError(f"check module {module!r} is not {_PACKS}.<service>.<name>", "import it through packs")
        self.module = module
        self.service, stem = parts
        self.id = f"{self.service}.{stem.replace('_', '-')}"
        self.severity, self.effect, self.certainty = severity, effect, certainty
        self.message, self.each, self.remedy = message, each, remedy
        self.table, self.key = table, key
        self.releases, self.expected = releases, expected
        self.steps = before if isinstance(before, tuple) else () if before is None else (before,)
        self.needs = tuple(dict.fromkeys((*((table,) if table else ()), *needs)))
        self.aliases = aliases
        self.repair = repair
        self.beside = beside
        self.rows_query: RowsQuery | None = None
        self.facts_query: FactsQuery | None = None

    def rows(self, query: RowsQuery) -> RowsQuery:
        """Register the Select of the bad rows."""
        self.rows_query = query
        return query

    def facts(self, query: FactsQuery) -> FactsQuery:
        """Register a generator of facts, for what is not rows. Rows beside it are those that the repair changes."""
        self.facts_query = query
        return query

    @property
    def before(self) -> Step | None:
        """The first step that the check precedes, None for one that is no hazard."""
        return self.steps[0] if self.steps else None

    @property
    def documentation(self) -> str:
        """The docstring of the check's file."""
        return inspect.getdoc(sys.modules[self.module]) or ""

    @property
    def title(self) -> str:
        """First line of the documentation, without its full stop."""
        return self.documentation.partition("\n")[0].rstrip(".")
