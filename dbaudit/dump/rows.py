"""The rows of one table of a dump, as values.

It decodes literals as mysqldump, mariadb-dump and mydumper write them; an expression is given as its text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import BinaryIO

from dbaudit.dump import inserts
from dbaudit.dump.entries import DatabaseEntry, DumpIndex, TableEntry
from dbaudit.dump.source import CHUNK, DamagedArchive
from dbaudit.dump.statements import Comment, Depth, Kind, Reader, Statement
from dbaudit.dump.tokens import IDENT, bare_name, text, unwrap
from dbaudit.errors import DbauditError

Value = bytes | str | int | float | None

# One value: an optional introducer and a string, or whatever is no string up to the comma or paren that ends it;
# calls may be nested once.
_STRING = rb"'(?:[^'\\]++|\\.|'')*+'|\"(?:[^\"\\]++|\\.|\"\")*+\""
_PAREN = rb"\((?:[^()'\"]++|" + _STRING + rb"|\((?:[^()'\"]++|" + _STRING + rb")*+\))*+\)"
_VALUE = re.compile(
    rb"\s*+(?:(?P<intro>_\w+\s*+|[xXbBnN])?(?P<text>" + _STRING + rb")"
    rb"|(?P<bare>(?:[^'\"(),]++|" + _PAREN + rb")++))\s*+",
    re.S,
)
# A value as dumps mostly write it: a string without an introducer, a number, or NULL.
_PLAIN = rb"'(?:[^'\\]++|\\.|'')*+'|[0-9A-Za-z.+-]++"
_ESCAPE = re.compile(rb"\\(.)|''", re.S)
_DOUBLED = re.compile(rb"\\(.)|\"\"", re.S)
# \% and \_ keep their backslash: they are patterns for LIKE.
_MEANING = {b"0": b"\0", b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"Z": b"\x1a", b"%": b"\\%", b"_": b"\\_"}
_BETWEEN = re.compile(rb"\s*+,?\s*+")
_INTEGER = re.compile(rb"[+-]?\d+\Z")
_FLOAT = re.compile(rb"[+-]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?\Z")
_HEX = re.compile(rb"0[xX]([0-9A-Fa-f]+)\Z")
_COLUMN = re.compile(
    rb"^\s*(`(?:[^`]|``)+`|\"[^\"]+\"|(?!(?:PRIMARY|KEY|UNIQUE|CONSTRAINT|INDEX|FULLTEXT|SPATIAL|FOREIGN|CHECK|CREATE|"
    rb"PERIOD)\b)[0-9A-Za-z_$\x80-\xff]+)\s+\w",
    re.I,
)
_GENERATED = re.compile(rb"\bGENERATED\s+ALWAYS\b|\bAS\s*\(.*\)\s*(?:VIRTUAL|STORED|PERSISTENT)", re.I)


def read_rows(index: DumpIndex, database: DatabaseEntry, table: TableEntry) -> Iterator[dict[str, Value]]:
    """Each row of the table by column name.

    Strings are str (bytes that are not UTF-8 survive as surrogates), hex and `_binary` literals bytes, numbers int
    or float, NULL None. Raises DbauditError when a statement cannot be read.
    """
    for statement, at, names in _inserts(index, database, table):
        for values in _rows(statement, at, (True,) * len(names), table):
            yield dict(zip(names, values, strict=True))


def read_values(
    index: DumpIndex, database: DatabaseEntry, table: TableEntry, columns: Sequence[str]
) -> Iterator[tuple[Value, ...]]:
    """The values of these columns in each row, None for one that is not there; as `read_rows` gives them."""
    wanted = frozenset(columns)
    for statement, at, names in _inserts(index, database, table):
        places = {name: place for place, name in enumerate(name for name in names if name in wanted)}
        order = [places.get(name, len(places)) for name in columns]
        for values in _rows(statement, at, tuple(name in wanted for name in names), table):
            values.append(None)
            yield tuple([values[place] for place in order])


def _inserts(
    index: DumpIndex, database: DatabaseEntry, table: TableEntry
) -> Iterator[tuple[Statement, int, list[str]]]:
    """The INSERT statements of the table, where their head ends, and the columns that they fill."""
    columns = columns_of(table)
    try:
        for statement in _data(index, table):
            head = inserts.HEAD.match(statement.text)
            if head is None or bare_name(head[2]) != table.name or not _in(head[1], database):
                continue
            names = [bare_name(name.strip()) for name in re.findall(IDENT, head[3])] if head[3] else columns
            yield statement, head.end(), names
    except DamagedArchive as error:
        raise DbauditError(f"{index.dump.name}: {error}, in the rows of table {table.name}") from None


def columns_of(table: TableEntry) -> list[str]:
    """The columns of a CREATE TABLE in order, generated ones left out, as an INSERT without a list has them."""
    lines = unwrap(table.create.encode("utf-8", "surrogateescape")).split(b"\n")
    found = ((line, _COLUMN.match(line)) for line in lines)
    return [bare_name(match[1]) for line, match in found if match and not _GENERATED.search(line)]


def _in(schema: bytes | None, database: DatabaseEntry) -> bool:
    return schema is None or bare_name(schema) == database.name


def _data(index: DumpIndex, table: TableEntry) -> Iterator[Statement]:
    """The INSERT statements between the table's start and its end."""
    ends = (*index.starts[1:], index.size)
    for part, start, end in zip(index.dump.parts, index.starts, ends, strict=True):
        if end <= table.start or start >= table.end:
            continue
        with part.open() as stream:
            skip = max(0, table.start - start)
            _skip(stream, skip)
            for item in Reader(stream, Depth.TEXT, start + skip).read():
                if item.start >= table.end:
                    break
                if not isinstance(item, Comment) and item.kind is Kind.DATA:
                    yield item


def _skip(stream: BinaryIO, count: int) -> None:
    if stream.seekable():
        stream.seek(count)
        return
    while count > 0 and (data := stream.read(min(count, CHUNK))):
        count -= len(data)


def _rows(statement: Statement, at: int, picked: tuple[bool, ...], table: TableEntry) -> Iterator[list[Value]]:
    """The values of each row in the columns that are picked."""
    data = statement.text
    values = inserts.VALUES.match(data, at)
    where = f"table {table.name}, byte {statement.start}"
    if values is None or not statement.whole:
        raise DbauditError(f"{where}: the rows of this INSERT cannot be read")
    at, plain = values.end(), _plain_row(picked)
    while data[at : at + 1] == b"(":
        if row := plain.match(data, at):
            yield [_known(value) if len(value) <= _SHORT else _read(value) for value in row.groups()]
            at = row.end()
            continue
        matches = []
        at += 1
        while match := _VALUE.match(data, at):
            matches.append(match)
            at = match.end() + 1
            if data[at - 1 : at] != b",":
                break
        if len(matches) != len(picked):
            raise DbauditError(f"{where}: a row has {len(matches)} values for {len(picked)} columns")
        yield [_decode(match) for match, pick in zip(matches, picked, strict=True) if pick]
        between = _BETWEEN.match(data, at)
        at = between.end() if between else at


@lru_cache(maxsize=64)
def _plain_row(picked: tuple[bool, ...]) -> re.Pattern[bytes]:
    """A row of plain values, up to the next one: its groups are what is picked."""
    values = (rb"(%s)" if pick else rb"(?:%s)" for pick in picked)
    return re.compile(rb"\(" + rb",".join(value % _PLAIN for value in values) + rb"\)" + _BETWEEN.pattern, re.S)


def _read(written: bytes) -> Value:
    """A plain value."""
    return text(_content(written)) if written.startswith(b"'") else _plain(written)


# Most values stand in many rows: keys, dates, uuids of instances. Bytes of those that are remembered, and how many.
_SHORT, _MANY = 64, 8_192
_known = lru_cache(maxsize=_MANY)(_read)


def _decode(match: re.Match[bytes]) -> Value:
    introducer, written, bare = match.groups()
    if bare is not None:
        return _plain(bare.strip())
    content = _content(written)
    if introducer is None:
        return text(content)
    intro = introducer.strip().lower()
    if intro == b"x":
        return bytes.fromhex(content.decode("ascii"))
    if intro == b"b":
        return int(content, 2).to_bytes((len(content) + 7) // 8, "big")
    return content if intro == b"_binary" else text(content)


def _content(written: bytes) -> bytes:
    """What a string holds."""
    quote, content = written[:1], written[1:-1]
    if b"\\" in content or quote in content:
        return (_ESCAPE if quote == b"'" else _DOUBLED).sub(lambda found: _unescape(found, quote), content)
    return content


def _unescape(found: re.Match[bytes], quote: bytes) -> bytes:
    return quote if found[1] is None else _MEANING.get(found[1], found[1])


def _plain(bare: bytes) -> Value:
    if bare.isdigit():
        return int(bare)
    if bare.upper() in (b"NULL", b"\\N"):
        return None
    if _INTEGER.match(bare):
        return int(bare)
    if _FLOAT.match(bare):
        return float(bare)
    if match := _HEX.match(bare):
        return bytes.fromhex(text(match[1]).zfill(len(match[1]) + len(match[1]) % 2))
    if bare.lower().startswith(b"_binary"):
        rest = bare[7:].strip()
        return _plain(rest)
    return text(bare)
