"""The small pieces of SQL text that every reader of definitions needs: quotes, comments, brackets.

Not a parser of statements: those are in `definition` (tables) and `routines` (views, triggers and the rest).
"""

from __future__ import annotations

import re

STRING = r"'(?:[^'\\]|''|\\.)*'"
IDENTIFIER = r"`(?:[^`]|``)+`"

# A versioned comment (`/*!50100 ... */`, MariaDB's `/*M!100301 ... */`) is code for the servers that it
# names; its marks are blanks here and its content is read. Strings and plain comments pass untouched, so
# that a mark inside of them is not taken for one.
_MARKS = re.compile(
    rf"(?P<keep>{STRING}|{IDENTIFIER}|\"(?:[^\"\\]|\"\"|\\.)*\"|--[ \t][^\n]*|/\*(?!M?!).*?\*/)"
    r"|/\*M?!\d*[ ]?|[ ]?\*/",
    re.DOTALL,
)
_ESCAPES = {"0": "\0", "n": "\n", "r": "\r", "t": "\t", "b": "\b", "Z": "\x1a"}
_ESCAPED = re.compile(r"''|\\(.)", re.DOTALL)
_TOKEN = re.compile(rf"{STRING}|{IDENTIFIER}|[^'`()\s,]+|[(),]|\s+", re.DOTALL)


def without_marks(sql: str) -> str:
    """`sql` with the content of its versioned comments, without the comment marks."""
    if "/*" not in sql:
        return sql
    return _MARKS.sub(lambda match: match["keep"] or " ", sql)


_QUOTED = re.compile(rf"(?P<keep>{STRING}|{IDENTIFIER})|\"(?P<name>(?:[^\"]|\"\")*)\"", re.DOTALL)


def in_backticks(sql: str) -> str:
    """`sql` of a server in sql_mode ANSI_QUOTES, names in double quotes, with its names in backticks."""
    return _QUOTED.sub(lambda match: match["keep"] or name(match["name"].replace('""', '"')), sql)


def unquote(literal: str) -> str:
    """The text of a quoted string or identifier."""
    quote, inner = literal[0], literal[1:-1]
    if quote == "`":
        return inner.replace("``", "`")
    if quote == '"':
        return inner.replace('""', '"')
    if "\\" not in inner and "''" not in inner:
        return inner
    return _ESCAPED.sub(lambda match: _ESCAPES.get(match[1], match[1]) if match[1] else "'", inner)


def quote(text: str) -> str:
    """`text` as a string literal, in the one spelling that this project writes."""
    text = text.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n").replace("\r", "\\r")
    return "'" + text.replace("\0", "\\0") + "'"


def name(identifier: str) -> str:
    """An identifier in backticks."""
    return "`" + identifier.replace("`", "``") + "`"


def balanced(sql: str, start: int) -> int:
    """The position after the bracket that closes the one at `start`; -1 where none does."""
    depth = 0
    for match in _TOKEN.finditer(sql, start):
        mark = match.group()
        if mark == "(":
            depth += 1
        elif mark == ")":
            depth -= 1
            if depth == 0:
                return match.end()
    return -1


def split(sql: str) -> list[str]:
    """The parts of `sql` between the commas that are outside of brackets and quotes, stripped."""
    parts, depth, begin = [], 0, 0
    for match in _TOKEN.finditer(sql):
        mark = match.group()
        if mark == "(":
            depth += 1
        elif mark == ")":
            depth -= 1
        elif mark == "," and depth == 0:
            parts.append(sql[begin : match.start()].strip())
            begin = match.end()
    parts.append(sql[begin:].strip())
    return parts
