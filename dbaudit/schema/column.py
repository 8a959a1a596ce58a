"""One column of a CREATE TABLE, as MySQL 5.1 to 9 and MariaDB 5 to 12 print it.

This replaces SQLAlchemy's own column reader, which is made for mapping types and is blind where two schemas
must be told apart: it drops INVISIBLE, SRID, COMPRESSED and column CHECKs, keeps ON UPDATE inside the
default, ends an expression default at its first bracket, runs a generated expression into the comment that
follows it, and skips what it does not know. Here every character is read, and what has no field in the
model is reported.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from dbaudit.schema.model import Column
from dbaudit.schema.text import IDENTIFIER, STRING, balanced, quote, unquote

_HEAD = re.compile(
    rf"\s*(?P<name>{IDENTIFIER}|\"(?:[^\"]|\"\")+\") +(?P<type>\w+(?:\((?:[^()']|{STRING})*\))?"
    r"(?: unsigned| signed)?(?: zerofill)?)",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(
    rf"""\s*(?:
      (?P<notnull>NOT\ NULL)\b | (?P<null>NULL)\b
    | DEFAULT\ (?P<default>{STRING}|NULL\b|(?:-?[\d.]+(?:e-?\d+)?|current_timestamp(?:\(\d*\))?)(?=[\s,]|$))
    | (?P<expression>DEFAULT)\ (?=\S)
    | (?P<increment>AUTO_INCREMENT)\b
    | (?:CHARACTER\ SET|CHARSET)\ (?P<charset>\w+)
    | COLLATE\ (?P<collation>\w+)
    | ON\ UPDATE\ (?P<on_update>\w+(?:\(\d*\))?)
    | COMMENT\ (?P<comment>{STRING})
    | (?:GENERATED\ ALWAYS\ )?AS\ (?P<generated>)(?=\()
    | (?P<stored>STORED|PERSISTENT)\b | (?P<virtual>VIRTUAL)\b
    | (?P<invisible>INVISIBLE)\b | (?P<visible>VISIBLE)\b
    | (?:SRID\ |REF_SYSTEM_ID=)(?P<srid>\d+)
    | (?:COLUMN_FORMAT\ )?(?P<compressed>COMPRESSED(?:=\w+|\ WITH\ COMPRESSION_DICTIONARY\ \S+)?)
    | CHECK\ (?P<check>)(?=\()
    | (?P<blank>/\*M?!\d*|\*/|/\*\ mariadb-5\.3\ \*/|,\s*$)
    )""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
# What may follow the bare expression of a default on MariaDB, which prints `DEFAULT concat('a',1)` without
# brackets.
_AFTER_DEFAULT = re.compile(
    rf"{STRING}|{IDENTIFIER}|(?P<open>\()|(?P<end>\s+(?:ON UPDATE|AUTO_INCREMENT|COMMENT|CHECK|INVISIBLE|"
    r"COLUMN_FORMAT|STORAGE|NOT NULL|CHARACTER SET|COLLATE)\b|\s*/\*|\s*,?\s*$)|[^'`(\s]+|\s",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class ColumnLine:
    """A column with the CHECKs written behind it, and what could not be read (None when all was)."""

    column: Column
    checks: tuple[str, ...] = ()
    unread: str | None = None


# Two sides of a comparison have most of their lines in common, and a release writes many of them in every table.
@functools.lru_cache(maxsize=8192)
def read_column(line: str) -> ColumnLine:
    """Reads the definition of one column, its name in backticks or double quotes; a comma at the end is
    allowed.
    """
    head = _HEAD.match(line)
    if head is None:
        return ColumnLine(Column(line.strip(), ""), unread=line.strip())
    fields: dict[str, Any] = {}
    checks: list[str] = []
    position = head.end()
    while position < len(line):
        match = _ATTRIBUTE.match(line, position)
        if match is None:
            break
        kind = match.lastgroup or ""
        position = _take(line, match, kind, fields, checks)
    column = Column(unquote(head["name"]), _type(head["type"]), **fields)
    return ColumnLine(column, tuple(checks), line[position:].strip() or None)


def _take(line: str, match: re.Match[str], kind: str, fields: dict[str, Any], checks: list[str]) -> int:
    """Stores one attribute and returns the position after it."""
    end = match.end()
    if kind in ("generated", "check"):
        end = balanced(line, end)
        if end < 0:
            end = len(line)
        inside = line[match.end() + 1 : end - 1]
        if kind == "check":
            checks.append(inside)
        else:
            fields["generated"] = inside
    elif kind == "expression":
        end = _expression_end(line, end)
        fields["default"] = line[match.end() : end].strip()
    elif kind == "default":
        fields["default"] = _literal(match[kind])
    elif kind in _VALUES:
        field, value = _VALUES[kind]
        fields[field] = value
    elif kind == "comment":
        fields["comment"] = unquote(match[kind])
    elif kind == "srid":
        fields["srid"] = int(match[kind])
    elif kind in ("charset", "collation", "on_update", "compressed"):
        fields[kind] = match[kind].lower()
    return end


_VALUES: dict[str, tuple[str, object]] = {
    "notnull": ("null", False), "null": ("null", True), "increment": ("auto_increment", True),
    "stored": ("stored", True), "virtual": ("stored", False),
    "invisible": ("invisible", True), "visible": ("invisible", False),
}  # fmt: skip


def _literal(text: str) -> str | None:
    if text[0] == "'":
        return quote(unquote(text))
    return None if text.upper() == "NULL" else text


def _type(text: str) -> str:
    """A type in lower case; the members of an enum or set keep theirs."""
    if "'" not in text:
        return text.lower().replace(" signed", "")
    word, bracket, members = text.partition("(")
    return word.lower() + bracket + members


def _expression_end(line: str, start: int) -> int:
    """Where the expression that begins at `start` ends."""
    position = start
    while position < len(line):
        match = _AFTER_DEFAULT.match(line, position)
        if match is None or match["end"] is not None:
            return position
        position = balanced(line, position) if match["open"] else match.end()
        if position < 0:
            return len(line)
    return position
