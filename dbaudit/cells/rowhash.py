"""The hash of a row as a server computes it, the same on both sides whatever their types and charsets are.

A row is written as one text that can be read in one way only: first what has no comma in it (numbers, times), then
every text behind its length. NULL is the word N, of a text in the place of its length. Texts are compared as bytes.

The hash is the product of the CRC32s of that text and of its hex digits, 64 bits. The bytes backwards, or another
seed, would be as linear as CRC32 itself is, and then two rows that swap a value may have the sum that they had; hex
digits are not, nor is a product. Two rows that are not equal have one hash with a chance of about 2 ** -59.
"""

from __future__ import annotations

from collections.abc import Sequence

from dbaudit.proof.value import Kind, canonical, kind_of
from dbaudit.schema.model import Column, Table
from dbaudit.schema.text import name as quoted

# What these hold may be more than a text may be long on a server (max_allowed_packet; CONCAT_WS gives NULL then), so
# that two checksums stand for it. All other columns of a row have 65,535 bytes at most.
_LONG = ("text", "mediumtext", "longtext", "json", "blob", "mediumblob", "longblob", "geometry")


def hashes(tables: Sequence[Table], columns: Sequence[str]) -> tuple[str, ...]:
    """The expression of each of these tables; equal rows have equal hashes. Statements take it with parameters."""
    plain = [_plain(tables, name) for name in columns if not _is_text(tables, name)]
    texts = [_text(tables, name) for name in columns if _is_text(tables, name)]
    sides = range(len(tables))
    return tuple(_hash([each[side] for each in plain], [each[side] for each in texts]) for side in sides)


def _hash(plain: Sequence[str], texts: Sequence[tuple[str, str]]) -> str:
    """The hash of a row: `plain` are words without a comma, `texts` what says a text's length, and the text.

    Where one text is bytes the whole is, in whatever charsets the others are, and each that is cast costs time. The
    variable spares the second CRC32 to write the row again: factors are evaluated from left to right.
    """
    words = [*plain]
    for number, (length, text) in enumerate(texts):
        words += [length, text if number else f"CAST({text} AS BINARY)"]
    row = f"@dbaudit_row := CONCAT_WS(X'2C', {', '.join(words)})"
    return f"(CRC32({row}) * CRC32(HEX(@dbaudit_row)))".replace("%", "%%")  # statements have parameters


def _plain(tables: Sequence[Table], name: str) -> list[str]:
    """What stands in a row's text for a number, a time, or a value that may be long, on each side."""
    never = not any(column.null for column in _named(tables, name))
    found = []
    for value in _values(tables, name):
        octets = f"CAST({value} AS BINARY)"
        words = [f"CRC32({octets})", f"CRC32(REVERSE({octets}))"] if _is_long(tables, name) else [value]
        found.append(", ".join(words if never else [f"IFNULL({word}, 'N')" for word in words]))
    return found


def _text(tables: Sequence[Table], name: str) -> list[tuple[str, str]]:
    """A text's length and the text, on each side; CONCAT_WS leaves out what is NULL."""
    never = not any(column.null for column in _named(tables, name))
    return [
        (f"LENGTH({value})" if never else f"IFNULL(LENGTH({value}), 'N')", value) for value in _values(tables, name)
    ]


def _values(tables: Sequence[Table], name: str) -> list[str]:
    """A column as all sides shall write it: as it is where types are the same, else in one canonical form."""
    found = _named(tables, name)
    types = {column.type for column in found}
    charsets = {column.charset or table.charset for column, table in zip(found, tables, strict=True)}
    (first, *_) = found
    has_charset = kind_of(first.type) in (Kind.TEXT, Kind.CHOICE)
    unlike = len(types) > 1 or first.type.startswith(("float", "double", "real", "bit", "json"))
    return [canonical(each) if unlike or (has_charset and len(charsets) > 1) else quoted(name) for each in found]


def _named(tables: Sequence[Table], name: str) -> list[Column]:
    found = [table.column(name) for table in tables]
    return [column for column in found if column is not None]


def _is_text(tables: Sequence[Table], name: str) -> bool:
    """Whether any character may be in a value: not in numbers, in times, nor in the checksums of what is long."""
    kinds = {kind_of(each.type) for each in _named(tables, name)}
    return bool(kinds - {Kind.NUMBER, Kind.TIME}) and not _is_long(tables, name)


def _is_long(tables: Sequence[Table], name: str) -> bool:
    return any(each.type.split("(")[0].split()[0] in _LONG for each in _named(tables, name))
