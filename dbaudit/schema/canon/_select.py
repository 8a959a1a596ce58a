"""The query of a view in one form, so that MySQL's and MariaDB's printing of it are the same text.

Reads what servers print: select list, joins, conditions, groups, orders, unions, derived tables, WITH and windows.
What it cannot read to the last token is None, and the caller keeps the text as it is. The result is SQL.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dbaudit.schema.canon._expression import Reader, Unknown, bare, truth

_MODIFIERS = {
    "distinct", "distinctrow", "all", "straight_join", "high_priority", "sql_no_cache", "sql_cache",
    "sql_calc_found_rows", "sql_small_result", "sql_big_result", "sql_buffer_result",
}  # fmt: skip
_JOINS = {"join", "left", "right", "inner", "cross", "straight_join"}
_PLACE = re.compile(r"[1-9]\d*$")


def selected(text: str, names: Sequence[str] = ()) -> str | None:
    """The query in its one form; `names` (in backticks) are what its columns are called, instead of their aliases."""
    try:
        return _Query(text, names).whole()
    except (Unknown, RecursionError):
        return None


class _Query(Reader):
    """Reads a query; its expressions are read by what it inherits."""

    def __init__(self, text: str, names: Sequence[str] = ()) -> None:
        super().__init__(text)
        self._names = list(names)

    def whole(self) -> str:
        """The whole text; raises Unknown where something is left."""
        text = self._query()
        if self._at != len(self._tokens):
            raise Unknown
        return text

    def _unary(self) -> str:
        return self._query() if self._peek() in ("select", "with") else super()._unary()

    def _query(self) -> str:
        """Selects with UNION between them; what binds to the left anyway has no brackets."""
        words = self._with()
        words.append(self._term())
        several = False
        while self._peek() in ("union", "except", "intersect"):
            if words[-1].startswith("(") and not several:
                words[-1] = self._unbracketed(words[-1])
            word = self._take()
            how = f" {self._take()}" if self._peek() in ("all", "distinct") else ""
            words += [word + how.removesuffix(" distinct"), self._term()]
            several = True
        words += self._orders(()) + self._limit()
        return " ".join(words)

    @staticmethod
    def _unbracketed(text: str) -> str:
        """The first of several queries: its brackets mean something only around ORDER BY and LIMIT."""
        inside = text[1:-1]
        return text if re.search(r" (?:order by|limit) ", inside) else inside

    def _term(self) -> str:
        if self._peek() != "(":
            return self._select()
        self._take("(")
        inside = self._query()
        self._take(")")
        plain = re.search(r" (?:union|except|intersect|order by|limit) ", inside) is None
        return inside if plain else f"({inside})"

    def _with(self) -> list[str]:
        if self._peek() != "with":
            return []
        words = [self._take()]
        words += [self._take()] if self._peek() == "recursive" else []
        while True:
            name = self._named()
            columns = f" ({self._list()})" if self._peek() == "(" else ""
            self._take("as")
            self._take("(")
            words.append(f"{name}{columns} as ({self._query()})")
            self._take(")")
            if self._peek() != ",":
                return words
            self._take(",")
            words[-1] += ","

    def _select(self) -> str:
        names, self._names = self._names, []
        words = [self._take("select")]
        while self._peek() in _MODIFIERS:
            words.append(self._take())
        columns = self._columns(names)
        words.append(",".join(f"{column} AS {name}" if name else column for column, name in columns))
        if self._peek() == "from":
            words += [self._take(), self._tables()]
        if self._peek() == "where":
            words += [self._take(), bare(truth(self._expression(0)))]
        if self._peek() == "group":
            words += [self._take(), self._take("by"), self._keys(columns)]
            words += [self._take(), self._take("rollup")] if self._peek() == "with" else []
        if self._peek() == "having":
            words += [self._take(), bare(truth(self._meant(columns, self._expression(0))))]
        return " ".join([*words, *self._orders(columns), *self._limit()])

    def _columns(self, names: list[str]) -> list[tuple[str, str]]:
        """Expressions and what they are called."""
        found: list[tuple[str, str]] = []
        while True:
            text, name = bare(self._expression(0)), ""
            if self._peek() == "as":
                self._take("as")
                name = self._named()
            found.append((text, names.pop(0) if names else name))
            if self._peek() != ",":
                return found
            self._take(",")

    def _named(self) -> str:
        if self._kind() not in ("name", "word"):
            raise Unknown
        kind, text = self._tokens[self._at]
        self._at += 1
        return text if kind == "name" else f"`{text}`"

    def _tables(self) -> str:
        """Tables and joins: `a join b` in brackets of its own, so that the order of joins shows."""
        left = self._joined()
        while self._peek() == ",":
            self._take(",")
            left = f"({left} join {self._joined()})"
        return left

    def _joined(self) -> str:
        left = self._table()
        while self._peek() in _JOINS:
            words = [self._take()]
            if words[0] in ("left", "right", "inner", "cross"):
                if self._peek() == "outer":
                    self._take()
                words.append(self._take("join"))
            word = " ".join(words).removeprefix("inner ").removeprefix("cross ")
            right = self._table()
            on = ""
            if self._peek() == "on":
                self._take("on")
                on = f" on ({bare(truth(self._expression(0)))})"
            left = f"({left} {word} {right}{on})"
        return left

    def _table(self) -> str:
        if self._peek() == "(":
            self._take("(")
            query = self._peek() in ("select", "with") or (self._peek() == "(" and self._is_query())
            text = f"({self._query()})" if query else self._tables()
            self._take(")")
            if not query:
                return text
        else:
            text = self._named()
            while self._peek() == ".":
                self._take(".")
                text += f".{self._named()}"
        if self._peek() == "as":
            self._take("as")
        if self._kind() == "name":
            text += f" {self._named()}"
        return text + self._hints()

    def _is_query(self) -> bool:
        ahead = 0
        while self._peek(ahead) == "(":
            ahead += 1
        return self._peek(ahead) in ("select", "with")

    def _hints(self) -> str:
        text = ""
        while self._peek() in ("force", "use", "ignore") and self._peek(1) in ("index", "key"):
            text += f" {self._take()} {self._take()} ({self._list()})"
        return text

    def _keys(self, columns: Sequence[tuple[str, str]]) -> str:
        found = []
        while True:
            key = self._meant(columns, bare(self._expression(0)))
            if self._peek() in ("asc", "desc"):
                key += " desc" if self._take() == "desc" else ""
            found.append(key)
            if self._peek() != ",":
                return ",".join(found)
            self._take(",")

    @staticmethod
    def _meant(columns: Sequence[tuple[str, str]], text: str) -> str:
        """An alias or a place among the columns as the column's own expression, which MySQL 8 and MariaDB print."""
        if _PLACE.match(text) and int(text) <= len(columns):
            return columns[int(text) - 1][0]
        return next((column for column, name in columns if name == text), text)

    def _orders(self, columns: Sequence[tuple[str, str]]) -> list[str]:
        if self._peek() != "order":
            return []
        return [self._take(), self._take("by"), self._keys(columns)]

    def _limit(self) -> list[str]:
        if self._peek() != "limit":
            return []
        words = [self._take(), self._take()]
        while self._peek() in (",", "offset"):
            words += [self._take(), self._take()]
        return words

    def _call(self, function: str) -> str:
        text = super()._call(function)
        if self._peek() != "over":
            return text
        self._take("over")
        if self._kind() == "name":
            return f"{text} over {self._named()}"
        self._take("(")
        words: list[str] = []
        while self._peek() in ("partition", "order"):
            words += [self._take(), self._take("by"), self._keys(())]
        while self._peek() != ")":
            words.append(self._take())
        self._take(")")
        return f"{text} over ({' '.join(words)})"
