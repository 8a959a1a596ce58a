"""The hash of a row as a server computes it, the same on both sides whatever their types and charsets are.

A row is written as words with 0xFF between them, which is in no number, no time and no text of UTF-8; other texts
stand behind their length. NULL is the word N; before a text a word says whether it is NULL, but for a last text, which
is simply not there. So one row alone has these words. Texts are compared as bytes.

The hash is the product of two CRC32s, 64 bits: of these words, and of the bare values the other way round. One CRC32,
or two side by side, are linear: two rows that swap a value may have the sum that they had; a product is not. Two unlike
rows have one hash with a chance of 2 ** -58, of 2 ** -32 where they differ only in which of their columns is NULL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dbaudit.proof.value import Kind, canonical, kind_of
from dbaudit.schema.canon import canonical_table
from dbaudit.schema.model import Column, Table
from dbaudit.schema.text import name as quoted

# What these hold may be more than a text may be long on a server (max_allowed_packet; CONCAT_WS gives NULL then), so
# that two checksums stand for it. All other columns of a row have 65,535 bytes at most.
_LONG = ("text", "mediumtext", "longtext", "json", "blob", "mediumblob", "longblob", "geometry")
# Charsets in which no character has the byte 0xFF.
_WITHOUT_FF = ("utf8", "utf8mb4", "ascii")
# That it has a collation makes bytes of all words, in whatever charsets they are.
_BETWEEN = "X'FF' COLLATE `binary`"


@dataclass(frozen=True, slots=True)
class _Word:
    """A value: `told` stands before it or, for what has no text, instead of it; `value` may be NULL.

    `optional` is what is told of a text that needs no word for NULL where it is the last one.
    """

    value: str
    told: str = ""
    text: bool = False
    optional: bool = False


def hashes(tables: Sequence[Table], columns: Sequence[str]) -> tuple[str, ...]:
    """The expression of each of these tables; equal rows have equal hashes. Statements take it with parameters."""
    same = [canonical_table(table) for table in tables]
    sides = zip(*(_words(same, name) for name in columns), strict=True)
    rows = ([word for words in side for word in words] for side in sides)
    return tuple(_hash(sorted(row, key=lambda word: word.text)) for row in rows)


def _hash(words: Sequence[_Word]) -> str:
    """The hash of a row, texts last; a factor is odd, so that it is never 0."""
    said: list[str] = []
    for number, word in enumerate(words, 1):
        if word.told and not (word.optional and number == len(words) and said):
            said.append(word.told)
        said += [word.value] if word.text or not word.told else []
    one = f"CRC32(CONCAT_WS({_BETWEEN}, {', '.join(said)}))"
    other = f"CRC32(CONCAT_WS({_BETWEEN}, {', '.join(word.value for word in reversed(words))}))"
    return f"({one} * ({other} | 1))".replace("%", "%%")  # statements have parameters


def _words(tables: Sequence[Table], name: str) -> list[list[_Word]]:
    """What is written of a column, on each side."""
    found = [column for table in tables if (column := table.column(name)) is not None]
    values, never = _values(tables, found), not any(column.null for column in found)
    kinds = {kind_of(each.type) for each in found}
    if any(each.type.split("(")[0].split()[0] in _LONG for each in found):
        octets = [f"CAST({value} AS BINARY)" for value in values]
        return [[_plain(f"CRC32({each})", never), _plain(f"CRC32(REVERSE({each}))", never)] for each in octets]
    if not kinds - {Kind.NUMBER, Kind.TIME}:
        return [[_plain(value, never)] for value in values]
    if not kinds - {Kind.TEXT, Kind.CHOICE} and all(map(_is_without_ff, tables, found, values)):
        return [[_Word(value, "" if never else f"ISNULL({value})", True, True)] for value in values]
    length = "LENGTH({})" if never else "IFNULL(LENGTH({}), 'N')"
    return [[_Word(value, length.format(value), True)] for value in values]


def _plain(value: str, never: bool) -> _Word:
    return _Word(value, "" if never else f"IFNULL({value}, 'N')")


def _values(tables: Sequence[Table], found: Sequence[Column]) -> list[str]:
    """A column as all sides shall write it: as it is where types are the same, else in one canonical form."""
    types = {column.type for column in found}
    charsets = {collation(table, column.name)[0] for table, column in zip(tables, found, strict=True)}
    (first, *_) = found
    has_charset = kind_of(first.type) in (Kind.TEXT, Kind.CHOICE)
    unlike = len(types) > 1 or first.type.startswith(("float", "double", "real", "bit", "json"))
    return [canonical(each) if unlike or (has_charset and len(charsets) > 1) else quoted(each.name) for each in found]


def collation(table: Table, name: str) -> tuple[str | None, str | None]:
    """A column's charset and collation, spelled alike on all servers; no collation is the charset's own."""
    one = canonical_table(table)
    column = one.column(name)
    if column is None or (column.charset is None and column.collation is None):
        return one.charset, one.collation
    return column.charset, column.collation


def _is_without_ff(table: Table, column: Column, value: str) -> bool:
    """Whether no value has the separator in it: in UTF-8, as which a canonical value is written too."""
    return value != quoted(column.name) or collation(table, column.name)[0] in _WITHOUT_FF
