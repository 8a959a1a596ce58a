"""How a column's values are read so that the same value reads the same on every server, in every charset and type.

A canonical value is text (of binary columns: its hex digits) or NULL. Widening a type, adding decimals of zero,
converting a charset without loss and turning a timestamp into a datetime in UTC leave it as it is.
"""

from __future__ import annotations

import re
from enum import StrEnum

from dbaudit.schema.model import Column
from dbaudit.schema.text import name as quoted


class Kind(StrEnum):
    """What a type's values are, as far as their comparison goes."""

    TEXT = "text"
    BINARY = "binary"
    NUMBER = "number"
    TIME = "time"
    CHOICE = "choice"  # enum and set


_KINDS = (
    (re.compile(r"(tiny|small|medium|big)?int|integer|decimal|numeric|float|double|real|bit|year|bool"), Kind.NUMBER),
    (re.compile(r"datetime|timestamp|date|time"), Kind.TIME),
    (re.compile(r"enum|set"), Kind.CHOICE),
    (re.compile(r"(var)?char|(tiny|medium|long)?text|json|uuid|inet[46]"), Kind.TEXT),
)
# Characters (varchar, char) or bytes (text types) that a type holds.
_TEXT_BYTES = {"tinytext": 255, "text": 65_535, "mediumtext": 16_777_215, "longtext": 4_294_967_295}
_INT_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64}


def kind_of(type_: str) -> Kind:
    """The kind of a type as the server spells it; what is none of the others is binary."""
    return next((kind for pattern, kind in _KINDS if pattern.match(type_.lower())), Kind.BINARY)


def canonical(column: Column) -> str:
    """SQL of the canonical value of a column. It holds `%` as it is: run it without parameters."""
    name, type_ = quoted(column.name), column.type.lower()
    kind = kind_of(type_)
    if kind is Kind.TEXT or kind is Kind.CHOICE:
        return f"CONVERT({name} USING utf8mb4)"
    if kind is Kind.NUMBER:
        return _number(name, type_)
    if kind is Kind.TIME:
        if type_.startswith("time") and not type_.startswith("timestamp"):
            return f"TIME_FORMAT({name}, '%H:%i:%s.%f')"
        return f"DATE_FORMAT({name}, '%Y-%m-%d %H:%i:%s.%f')"
    return f"HEX({name})"


def _number(name: str, type_: str) -> str:
    if re.match(r"float|double|real", type_):
        return f"CAST({name} AS CHAR)"
    text = f"CAST({name} + 0 AS CHAR)"
    scale = re.match(r"(?:decimal|numeric)\(\d+,(\d+)\)", type_)
    if scale and int(scale[1]):
        return f"TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {text}))"
    return text


def text_limit(type_: str) -> tuple[int | None, int | None]:
    """The most characters and the most bytes that a text type holds; None where it does not limit them."""
    type_ = type_.lower()
    found = re.match(r"(?:var)?char\((\d+)\)", type_)
    if found:
        return int(found[1]), None
    return None, _TEXT_BYTES.get(type_.split("(")[0].split()[0])


def number_bounds(type_: str) -> tuple[int, int] | None:
    """The least and the greatest whole number that a type holds; None for types without such bounds."""
    type_ = type_.lower()
    word = re.split(r"[( ]", type_)[0]
    if word in _INT_BITS:
        bits = _INT_BITS[word]
        return (0, 2**bits - 1) if "unsigned" in type_ else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return None


def decimal_bound(type_: str) -> str | None:
    """The greatest value of a decimal type, as canonical text."""
    found = re.match(r"(?:decimal|numeric)\((\d+)(?:,(\d+))?\)", type_.lower())
    if not found:
        return None
    digits, scale = int(found[1]), int(found[2] or 0)
    whole = "9" * (digits - scale) or "0"
    return f"{whole}.{'9' * scale}" if scale else whole


def choices(type_: str) -> tuple[str, ...]:
    """The members of an enum or set, in order."""
    return tuple(text.replace("''", "'") for text in re.findall(r"'((?:[^']|'')*)'", type_))
