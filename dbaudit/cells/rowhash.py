"""The hash of a row as a server computes it, the same on both sides whatever their types and charsets are.

A row's text has the length of every text before it, so that no separator inside of one can fool it; NULL is told from
every value; texts are compared as bytes. A row's hash is two CRC32s of 32 bits, of the text and of the text backwards:
one CRC with two seeds would be no more than one, since CRC is linear.
"""

from __future__ import annotations

from collections.abc import Sequence

from dbaudit.proof.value import Kind, canonical, kind_of
from dbaudit.schema.model import Column, Table
from dbaudit.schema.text import name as quoted


def hashes(tables: Sequence[Table], columns: Sequence[str]) -> tuple[str, ...]:
    """The expression of each of these tables; equal rows have equal hashes. Statements take it with parameters."""
    parts = [_parts(tables, column) for column in columns]
    return tuple(_hash([part for each in cells for part in each]) for cells in zip(*parts, strict=True))


def _hash(parts: Sequence[str]) -> str:
    row = f"@dbaudit_row := CAST(CONCAT({', '.join(parts)}) AS BINARY)"
    return f"((CRC32({row}) << 32) | CRC32(REVERSE(@dbaudit_row)))".replace("%", "%%")  # statements have parameters


def _parts(tables: Sequence[Table], name: str) -> list[list[str]]:
    """What stands in a row's text for a column, on each side; what can be no NULL on any needs no word for it."""
    never = not any(column.null for column in _named(tables, name))
    found = []
    for text in _texts(tables, name):
        if not _is_free(tables, name):
            found.append([text if never else f"COALESCE({text}, 'N')", "','"])
            continue
        own = quoted(name)
        length = f"LENGTH({own if text == _bytes(name) else text})"
        found.append([length, "':'", text] if never else [f"COALESCE({length}, 'N')", "':'", f"COALESCE({text}, '')"])
    return found


def _bytes(name: str) -> str:
    return f"CAST({quoted(name)} AS BINARY)"


def _texts(tables: Sequence[Table], name: str) -> tuple[str, ...]:
    """A column as all sides shall write it: as it is where types are the same, else in one canonical form."""
    found = _named(tables, name)
    types = {column.type for column in found}
    charsets = {column.charset or table.charset for column, table in zip(found, tables, strict=True)}
    (first, *_) = found
    kind = kind_of(first.type)
    if len(types) > 1 or first.type.startswith(("float", "double", "real", "bit", "json")):
        return tuple(map(canonical, found))
    if kind not in (Kind.TEXT, Kind.CHOICE):
        return (quoted(name),) * len(found)
    return tuple(map(canonical, found)) if len(charsets) > 1 else (_bytes(name),) * len(found)


def _named(tables: Sequence[Table], name: str) -> list[Column]:
    found = [table.column(name) for table in tables]
    return [column for column in found if column is not None]


def _is_free(tables: Sequence[Table], name: str) -> bool:
    """Whether any character may be in a value: not in numbers and times."""
    return any(kind_of(each.type) not in (Kind.NUMBER, Kind.TIME) for each in _named(tables, name))
