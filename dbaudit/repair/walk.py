"""Walk a table in the order of a key, a stretch at a time: keyset, never OFFSET.

Any key will do: several columns, text of any collation, binary. Keys come from the server as text and go back to it;
only the server compares them. A walk along an index that is not unique goes along the primary key behind it, so that
ties cannot stop it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.dialects.mysql import pymysql
from sqlalchemy.sql.expression import TableClause

from dbaudit.errors import DbauditError
from dbaudit.schema.model import Index, Table
from dbaudit.schema.text import STRING, name, unquote

DIALECT = pymysql.dialect(paramstyle="pyformat")
# The text of a float is not the float; the others sort by one thing and compare by another.
_NO_ORDER = ("float", "double", "real", "set", "json", "bit", "geometry", "vector")
Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """Columns in whose order a table is walked, and the index that has them.

    `members` has the values of those that are enumerations, in their order: these sort by number, compare by name.
    """

    table: str
    columns: tuple[str, ...]
    index: str = "PRIMARY"
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def hint(self) -> str:
        """What makes the server use the index."""
        return f"FORCE INDEX ({name(self.index)})"

    def of(self, table: TableClause) -> tuple[ColumnElement[Any], ...]:
        """The key's columns of a table in a Select."""
        return tuple(table.c[each] for each in self.columns)

    def after(self, table: TableClause, last: Values | None) -> list[ColumnElement[bool]]:
        """Conditions for the rows behind a key; none for the beginning.

        Row constructors would say it shorter, but the servers do not use an index for them.
        """
        if last is None:
            return []
        if len(last) == 1:
            return [self._beyond(table, 0, last[0], 1)]
        return [self._first(table, last, 1), or_(*self._steps(table, last, 1))]

    def up_to(self, table: TableClause, bound: Values) -> list[ColumnElement[bool]]:
        """Conditions for the rows up to a key, itself included."""
        if len(bound) == 1:
            return [self._first(table, bound, -1)]
        return [self._first(table, bound, -1), or_(*self._steps(table, bound, -1), among(self.of(table), [bound]))]

    def end(self, table: TableClause) -> Select[Any]:
        """The last key of the table; no row where it is empty."""
        columns = self.of(table)
        return select(*columns).with_hint(table, self.hint, "mysql").order_by(*(c.desc() for c in columns)).limit(1)

    def stretch(self, table: TableClause, last: Values | None, end: Values, rows: int) -> Select[Any]:
        """The last key of the next `rows` rows behind `last`, at most up to `end`; no row where there are none."""
        columns = self.of(table)
        bounds = (*self.after(table, last), *self.up_to(table, end))
        inner = select(*columns).where(*bounds).order_by(*columns).limit(rows)
        found = inner.with_hint(table, self.hint, "mysql").subquery("stretch")
        names = [found.c[each] for each in self.columns]
        return select(*names).order_by(*(each.desc() for each in names)).limit(1)

    def _steps(self, table: TableClause, key: Values, way: int) -> Iterator[ColumnElement[bool]]:
        columns = self.of(table)
        for at, value in enumerate(key):
            same = [column == each for column, each in zip(columns[:at], key[:at], strict=True)]
            yield and_(*same, self._beyond(table, at, value, way))

    def _first(self, table: TableClause, key: Values, way: int) -> ColumnElement[bool]:
        column = table.c[self.columns[0]]
        if self.columns[0] in self.members:
            return or_(self._beyond(table, 0, key[0], way), column == key[0])
        first: ColumnElement[bool] = column >= key[0] if way > 0 else column <= key[0]
        return first

    def _beyond(self, table: TableClause, at: int, value: Any, way: int) -> ColumnElement[bool]:
        column, members = table.c[self.columns[at]], self.members.get(self.columns[at])
        if members is None:
            beyond: ColumnElement[bool] = column > value if way > 0 else column < value
            return beyond
        place = members.index(value)
        return column.in_(members[place + 1 :] if way > 0 else members[:place])


def among(columns: Sequence[ColumnElement[Any]], keys: Sequence[Values]) -> ColumnElement[bool]:
    """Whether a row's key is one of these."""
    if len(columns) == 1:
        return columns[0].in_([key[0] for key in keys])
    # What keys have in common is said once: the time that servers take grows with the square of what is repeated.
    groups: dict[Any, list[Values]] = {}
    for first, *rest in keys:
        groups.setdefault(first, []).append(tuple(rest))
    return or_(*(and_(columns[0] == first, among(columns[1:], rest)) for first, rest in groups.items()))


def primary_key(table: Table) -> Key:
    """The key of a table's rows. Raises DbauditError with the reason where there is none that can be walked."""
    if table.primary_key is None:
        raise DbauditError(
            f"`{table.name}` has no primary key: its rows cannot be told apart, walked, journaled or given back",
            "give it one, or repair it by hand",
        )
    return _key(table, table.primary_key, table.primary_key.columns)


def along(table: Table, index: str) -> Key:
    """A walk along another index, with the primary key behind it. Rows with NULL in it are not met."""
    found = table.index(index)
    if found is None:
        raise DbauditError(f"`{table.name}` has no index `{index}`")
    own = primary_key(table)
    return _key(table, found, tuple(dict.fromkeys((*found.columns, *own.columns))))


def _key(table: Table, index: Index, columns: tuple[str, ...]) -> Key:
    if any(part.length is not None or part.expression is not None for part in index.parts):
        raise DbauditError(f"`{table.name}` cannot be walked: its key `{index.name}` is over a part of a column")
    members: dict[str, tuple[str, ...]] = {}
    for each in columns:
        column = table.column(each)
        kind = column.type if column else "unknown"
        if kind.split("(")[0].split()[0] in (*_NO_ORDER, "unknown"):
            raise DbauditError(f"`{table.name}` cannot be walked: `{each}` of its key is {kind}, which has no order")
        if kind.startswith("enum("):
            members[each] = ("", *(unquote(found) for found in re.findall(STRING, kind)))
    return Key(table.name, columns, index.name, members)


def text_of(query: Any) -> tuple[str, dict[str, Any]]:
    """A statement of SQLAlchemy as PyMySQL takes it: text and parameters."""
    compiled = query.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
    return str(compiled), dict(compiled.params)
