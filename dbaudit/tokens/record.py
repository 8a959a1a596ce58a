"""A deleted row as a line of an archive: JSON, or an INSERT that brings it back. Both ways.

Values are text as the server writes it, bytes where the column is binary, None for NULL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dbaudit.errors import DbauditError
from dbaudit.schema.text import IDENTIFIER, STRING, quote, unquote
from dbaudit.schema.text import name as quoted
from dbaudit.tokens.chunk import Rows

# What a session must be for the INSERTs to give back the very rows: once in each chunk, so that any part can be used.
SQL_HEAD = "SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES';\n"
_JSON_OPENING = '{"table":"'
_INSERT = re.compile(
    rf"INSERT INTO (?P<table>{IDENTIFIER}) \((?P<columns>[^()]*)\) VALUES \((?P<values>.*)\); ?", re.DOTALL
)
_VALUE = re.compile(rf"NULL|x'[0-9a-f]*'|{STRING}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an archive."""

    table: str
    columns: tuple[str, ...]
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """A form of archive: what a chunk begins with, how a row is written, how a line is read back.

    `opening` is what stands first in every archive of this form, `begun` whether a line may be a row's beginning.
    """

    head: str
    opening: str
    begun: Callable[[str], bool]
    write: Callable[[str, Sequence[str], Sequence[Any]], str]
    read: Callable[[str], Row]

    def text(self, found: Sequence[Rows]) -> str:
        """The lines of a chunk."""
        lines = [self.write(rows.table, rows.columns, values) for rows in found for values in rows.values]
        return self.head + "".join(f"{line}\n" for line in lines)

    def rows(self, text: str) -> Iterator[Row]:
        """The rows of a chunk. Raises DbauditError where it is none."""
        for line in text.removeprefix(self.head).split("\n"):
            if line.strip():
                yield self.read(line)


def _json(table: str, columns: Sequence[str], values: Sequence[Any]) -> str:
    plain = ({"hex": each.hex()} if isinstance(each, bytes) else each for each in values)
    row = dict(zip(columns, plain, strict=True))
    return json.dumps({"table": table, "row": row}, ensure_ascii=False, separators=(",", ":"))


def _from_json(line: str) -> Row:
    try:
        read = json.loads(line)
        row = read["row"]
        values = tuple(bytes.fromhex(each["hex"]) if isinstance(each, dict) else each for each in row.values())
        return Row(read["table"], tuple(row), values)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _foreign() from None


def _begun_json(line: str) -> bool:
    """Whether a line that was cut short may be one of ours; `line` may be whole."""
    rest = line[len(_JSON_OPENING) :]
    at = rest.find('"')
    return _fits(line, _JSON_OPENING) and (at < 0 or _fits(rest[at:], '","row":{'))


def _begun_sql(line: str) -> bool:
    return _fits(line, "INSERT INTO ")


def _fits(text: str, opening: str) -> bool:
    return opening.startswith(text[: len(opening)])


def _sql(table: str, columns: Sequence[str], values: Sequence[Any]) -> str:
    names = ", ".join(map(quoted, columns))
    return f"INSERT INTO {quoted(table)} ({names}) VALUES ({', '.join(map(_literal, values))});"


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return f"x'{value.hex()}'" if isinstance(value, bytes) else quote(str(value))


def _from_sql(line: str) -> Row:
    found = _INSERT.fullmatch(line)
    if not found:
        raise _foreign()
    columns = tuple(unquote(each) for each in re.findall(IDENTIFIER, found["columns"]))
    values = tuple(_read_literal(each) for each in _VALUE.findall(found["values"]))
    if len(values) != len(columns):
        raise _foreign()
    return Row(unquote(found["table"]), columns, values)


def _read_literal(text: str) -> Any:
    if text == "NULL":
        return None
    return bytes.fromhex(text[2:-1]) if text.startswith("x'") else unquote(text)


def _foreign() -> DbauditError:
    return DbauditError("the end of the archive is not what dbaudit writes", "name another file with --archive")


JSON = Form("", _JSON_OPENING, _begun_json, _json, _from_json)
SQL = Form(SQL_HEAD, SQL_HEAD, _begun_sql, _sql, _from_sql)
