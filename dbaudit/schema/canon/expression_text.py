"""Expressions come back from the server with other brackets, introducers and blanks.

Those of CHECKs, generated columns and defaults.

``((`a` > 0) and (`b` <> _utf8mb4'x'))``: MySQL 8, which adds a charset before strings. ```a` > 0 and `b` <> 'x'``:
MariaDB, which drops the brackets that precedence makes superfluous. Made one: brackets, introducers, case of words
outside of quotes, blanks, `lcase` and `lower`, `NOT IN` and `NOT (... IN ...)`. An expression of a form that is not
known keeps its inner brackets; such a pair of servers shows a difference, which is the safe side.
"""

from __future__ import annotations

import re
from dataclasses import replace

from dbaudit.schema.canon._change import changed
from dbaudit.schema.canon._expression import bracketed
from dbaudit.schema.model import Column, Table
from dbaudit.schema.text import IDENTIFIER, STRING, balanced

_WORDS = re.compile(
    rf"(?P<keep>{STRING}|{IDENTIFIER})|_(?:utf8|utf8mb3|utf8mb4|latin1|ascii|binary)(?=\\?')|(?P<blank>\s+)"
    r"|(?P<word>\w+)",
    re.DOTALL,
)


def table(table: Table) -> Table:
    """Makes the text of expressions one."""
    columns = tuple(_column(column) for column in table.columns)
    checks = tuple(replace(check, expression=_plain(check.expression)) for check in table.checks)
    return changed(table, columns=columns, checks=checks)


def _column(column: Column) -> Column:
    default, generated = column.default, column.generated
    if default is not None and default[0] not in "'-0123456789" and "(" in default:
        return replace(column, default=_plain(default))
    return column if generated is None else replace(column, generated=_plain(generated))


def _plain(text: str) -> str:
    text = text.strip()
    while text.startswith("(") and balanced(text, 0) == len(text):
        text = text[1:-1].strip()
    text = _WORDS.sub(_word, text)
    return bracketed(text) or text


def _word(match: re.Match[str]) -> str:
    if match["keep"]:
        return match["keep"]
    if match["blank"]:
        return " "
    return (match["word"] or "").lower()
