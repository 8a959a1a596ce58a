"""CREATE statements into a schema, where some may be broken: those are named, and all the rest is read.

A table that cannot be read is there all the same, marked as one that no comparison may call equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from dbaudit.comparison.side import Fault, Place
from dbaudit.errors import DbauditError
from dbaudit.schema.known import ENGINES, type_is_known
from dbaudit.schema.model import Event, Routine, Schema, Table, Trigger, View
from dbaudit.schema.read import LiveText, read_table
from dbaudit.schema.routines import read_event, read_routine, read_trigger, read_view
from dbaudit.schema.text import IDENTIFIER, STRING, unquote

_Object = TypeVar("_Object")
# Where a statement stands: object's kind and name, and the characters before the spot in it.
Locate = Callable[[str, str, int], Place | None]
# Tables that a query names: after FROM, JOIN and the commas between them, as servers print it.
_FROM = re.compile(rf"{STRING}|\b(?:from|join)\s+\(*(?:{IDENTIFIER}\.)?(?P<table>{IDENTIFIER})", re.IGNORECASE)
_TYPES = re.compile(r"cannot represent: (?:column [^:]+: )?(?P<first>[^;]+)")


@dataclass
class Lenient:
    """Reads the statements of one database, and gathers what is wrong with them."""

    locate: Locate
    faults: list[Fault] = field(default_factory=list)

    def read(self, name: str | None, text: LiveText) -> Schema:
        """The schema; `faults` then says what is wrong with it."""
        schema = Schema(
            name=name,
            charset=text.charset,
            lower_case_table_names=text.lower_case_table_names,
            collation=text.collation,
            tables={each: self._table(each, sql) for each, sql in text.tables.items()},
            views=self._all("view", text.views, read_view, lambda each, sql: View(each, sql)),
            triggers=self._all(
                "trigger", text.triggers, read_trigger, lambda each, sql: Trigger(each, "", "", "", sql)
            ),
            routines=self._all("routine", text.routines, read_routine, lambda each, sql: Routine(each, "", sql)),
            events=self._all("event", text.events, read_event, lambda each, sql: Event(each, sql)),
        )
        self.faults.extend(self._absent(schema))
        return schema

    def _fault(self, id_: str, kind: str, name: str, message: str, *, at: int = 0, hides: bool = True) -> None:
        self.faults.append(Fault(id_, name, message, self.locate(kind, name, at), hides))

    def _table(self, name: str, sql: str | None) -> Table:
        if not sql:
            why = (
                "its rows are there, its CREATE TABLE is not" if sql == "" else "the account may not see its definition"
            )
            self._fault("no-definition", "table", name, f"table `{name}` cannot be compared: {why}")
            return Table(name, unsupported=why)
        try:
            table = read_table(sql)
        except DbauditError as error:
            self._fault("unreadable-table", "table", name, f"table `{name}` cannot be read: {error.what}")
            return Table(name, unsupported=error.what)
        if table.unsupported:
            match = _TYPES.match(table.unsupported)
            at = max(sql.find(match["first"].strip()), 0) if match else 0
            self._fault("unreadable-table", "table", name, f"table `{name}`: {table.unsupported}", at=at)
        self._unknown(table, sql)
        return table

    def _unknown(self, table: Table, sql: str) -> None:
        """What is read and compared as text, though nothing is known of it."""
        if table.engine is not None and table.engine.lower() not in ENGINES:
            message = f"table `{table.name}` has the storage engine {table.engine}, which is none that is known here"
            at = max(sql.rfind(table.engine), 0)
            self._fault("unknown-engine", "table", table.name, message, at=at, hides=False)
        for column in table.columns:
            if column.type and not type_is_known(column.type):
                message = f"column `{table.name}.{column.name}` has the type {column.type}, which is none that is known"
                at = max(sql.find(f"`{column.name}`"), 0)
                self._fault("unknown-type", "table", table.name, message, at=at, hides=False)

    def _all(
        self,
        kind: str,
        statements: Mapping[str, str | None],
        read: Callable[[str], _Object],
        unread: Callable[[str, str], _Object],
    ) -> dict[str, _Object]:
        found: dict[str, _Object] = {}
        for name, sql in statements.items():
            try:
                if sql is None:
                    raise DbauditError("the account may not see its definition")
                found[name] = read(sql)
            except DbauditError as error:
                self._fault(f"unreadable-{kind}", kind, name, f"{kind} `{name}` cannot be read: {error.what}")
                found[name] = unread(name, " ".join((sql or "").split()))
        return found

    def _absent(self, schema: Schema) -> Iterator[Fault]:
        """Views whose tables are not there."""
        there = {name.lower() for name in (*schema.tables, *schema.views)}
        for view in schema.views.values():
            named = {unquote(match["table"]) for match in _FROM.finditer(view.select) if match["table"]}
            missing = sorted(name for name in named if name.lower() not in there)
            if missing:
                message = f"view `{view.name}` reads {', '.join(missing)}, which is not there"
                yield Fault("view-without-table", view.name, message, self.locate("view", view.name, 0), hides=False)
