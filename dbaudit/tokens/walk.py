"""The stretches of a table that chunks are made of: ranges of the primary key, or of the expiry.

Ranges are half open at the bottom and closed at the top; the first has no bottom, the last no top. Only the server
compares values. A second that more rows share than a chunk may have is walked along the primary key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dbaudit.schema.text import name as quoted
from dbaudit.tokens.family import Family

Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """Rows behind `low` up to and including `high`, in the order of `columns`; `same` fixes columns before them."""

    columns: tuple[str, ...]
    low: Values | None = None
    high: Values | None = None
    same: tuple[tuple[str, Any], ...] = ()

    def condition(self) -> tuple[str, list[Any]]:
        """As SQL with placeholders, and the values for them. Row constructors would not use the key."""
        parts: list[str] = []
        values: list[Any] = []
        for column, value in self.same:
            parts.append(f"{quoted(column)} = %s")
            values.append(value)
        for bound, strict, loose in ((self.low, ">", ">"), (self.high, "<", "<=")):
            if bound is not None:
                text, more = _beyond(self.columns, bound, strict, loose)
                parts.append(text)
                values += more
        return " AND ".join(parts) or "TRUE", values


def _beyond(columns: Sequence[str], bound: Values, strict: str, loose: str) -> tuple[str, list[Any]]:
    """One side of a range over several columns; the last one is compared with `loose`."""
    if len(columns) == 1:
        return f"{quoted(columns[0])} {loose} %s", [bound[0]]
    steps: list[str] = []
    values: list[Any] = []
    for at in range(len(columns)):
        sign = loose if at == len(columns) - 1 else strict
        same = [f"{quoted(each)} = %s" for each in columns[:at]]
        steps.append("(" + " AND ".join([*same, f"{quoted(columns[at])} {sign} %s"]) + ")")
        values += bound[: at + 1]
    first = quoted(columns[0])
    return f"({first} {strict}= %s AND ({' OR '.join(steps)}))", [bound[0], *values]


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the next chunk is about. `dead` None where it was not counted; `read` rows are looked at."""

    range: Range
    read: int
    dead: int | None
    never: int = 0


class KeyWalk:
    """Along the primary key, from behind `low` up to `high`; `same` keeps it to one second of an expiry's `index`.

    Rows are counted where no index tells how many are dead and how many never expire: that reads them once more.
    """

    def __init__(
        self, family: Family, low: Values | None = None, high: Values | None = None,
        same: tuple[tuple[str, Any], ...] = (), index: str = "PRIMARY",
    ) -> None:  # fmt: skip
        self._family, self._same, self._low, self._high, self._done = family, same, low, high, False
        self._from = f"FROM {family.name} FORCE INDEX ({quoted(index)})"

    def next(self, cursor: Any, rows: int) -> Stretch | None:
        """The next stretch of at most that many rows; None at the end."""
        if self._done:
            return None
        family, key = self._family, ", ".join(map(quoted, self._family.key))
        where, values = Range(family.key, self._low, self._high, self._same).condition()
        cursor.execute(f"SELECT {key} {self._from} WHERE {where} ORDER BY {key} LIMIT %s, 1", (*values, rows - 1))
        found = cursor.fetchone()
        bound = None if found is None else tuple(found)
        low, self._low, self._done = self._low, bound, bound is None
        range_ = Range(family.key, low, bound or self._high, self._same)
        if bound and family.expiry:
            return Stretch(range_, rows, None)
        return Stretch(range_, *self._counted(cursor, range_))

    def _counted(self, cursor: Any, range_: Range) -> tuple[int, int, int]:
        """Rows of a range, the dead ones, those that never expire."""
        where, values = range_.condition()
        sums = ", ".join(f"COALESCE(SUM({each}), 0)" for each in (self._family.dead, self._family.never))
        cursor.execute(f"SELECT COUNT(*), {sums} {self._from} WHERE {where}", values)
        rows, dead, never = cursor.fetchone()
        return int(rows), int(dead), int(never)

    def back(self, stretch: Stretch) -> None:
        """Go back to the beginning of the stretch that came last, which did not go through."""
        self._low, self._done = stretch.range.low, False


class ExpiryWalk:
    """Along the index of the expiry, from behind `low` up to `high`, at most to where living rows begin."""

    def __init__(self, family: Family, low: str | None = None, high: str | None = None) -> None:
        assert family.expiry
        self._family, self._expiry, self._low, self._high = family, family.expiry, low, high
        self._inside: KeyWalk | None = None
        self._done = False

    def next(self, cursor: Any, rows: int) -> Stretch | None:
        """The next stretch of at most that many rows; None at the end."""
        if self._inside and (found := self._inside.next(cursor, rows)):
            return found
        self._inside = None
        if self._done:
            return None
        first, bound = self._times(cursor, rows)
        if first is None:
            self._done = True
            return None
        if bound is not None and bound == first:  # more rows in this second than a chunk may have
            self._low, same = first, ((self._expiry.column, first),)
            self._inside = KeyWalk(self._family, same=same, index=self._expiry.index)
            return self._inside.next(cursor, rows)
        low = None if self._low is None else (self._low,)
        self._low, self._done = bound, bound is None
        high = bound if bound is not None else self._high
        return Stretch(Range((self._expiry.column,), low, None if high is None else (high,)), rows, None)

    def back(self, stretch: Stretch) -> None:
        """Go back to the beginning of the stretch that came last, which did not go through."""
        if self._inside:
            self._inside.back(stretch)
        else:
            self._low, self._done = stretch.range.low[0] if stretch.range.low else None, False

    def _times(self, cursor: Any, rows: int) -> tuple[Any, Any]:
        """The first expiry of what is left, and the last one that still fits whole into `rows`; None for all the rest.

        Where already the first does not fit, both are the first.
        """
        column = quoted(self._expiry.column)
        low, high = (None if each is None else (each,) for each in (self._low, self._high))
        where, values = Range((self._expiry.column,), low, high).condition()
        rest = (
            f"FROM {self._family.name} FORCE INDEX ({quoted(self._expiry.index)}) "
            f"WHERE {where} AND {column} < {self._expiry.below}"
        )
        cursor.execute(f"SELECT {column} {rest} ORDER BY {column} LIMIT 1", values)
        first = (cursor.fetchone() or (None,))[0]
        cursor.execute(f"SELECT {column} {rest} ORDER BY {column} LIMIT %s, 1", (*values, rows))
        beyond = (cursor.fetchone() or (None,))[0]
        if first is None or beyond is None:
            return first, None
        if beyond == first:
            return first, first
        cursor.execute(f"SELECT MAX({column}) {rest} AND {column} < %s", (*values, beyond))
        return first, cursor.fetchone()[0]


Walk = KeyWalk | ExpiryWalk
