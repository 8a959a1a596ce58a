"""The profile of one table: sums over every value by the server, and tokens of the rows that are kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pymysql

from dbaudit.proof.manifest import Checksum, ColumnProfile, Reference, Rows, SoftDeleted, TableProfile
from dbaudit.proof.survivors import Survivors
from dbaudit.proof.token import Token, digest, token
from dbaudit.proof.value import Kind, canonical, kind_of
from dbaudit.schema.model import Column, IndexKind, Table
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# Columns whose values are not shown as names of rows, whatever the table.
_SECRET = re.compile(r"secret|token|passw|hash|blob|cred|private|auth|salt|data$|extra$|value$", re.IGNORECASE)
# Columns that name a row where nothing is declared and the key is a counter, and how many of them are shown.
_NATURAL = re.compile(r"(^|_)(uuid|id|name|key|host|resource|address)$")
_PARTS = 3
# Characters of a part of a row's name.
_NAME = 64


@dataclass(frozen=True, slots=True)
class Reading:
    """How a table is read: the key of hashes, what is declared of it, the profile that it shall be compared with."""

    key: bytes
    survivors: Survivors
    like: TableProfile | None
    rows_kept: int


def table_profile(connection: Connection, table: Table, counter: int | None, reading: Reading) -> TableProfile:
    """The profile of a table. Sums are bound to the row's identity, so that values that change places are seen."""
    identity = identity_of(table, reading.like)
    values = iter(_sums(connection, table, identity, reading.key))
    count, total, mixed = int(next(values) or 0), next(values) or "0", next(values) or "0"
    columns = tuple(_column(table, column, values) for column in table.columns)
    soft = _soft(values) if table.column("deleted") else None
    return TableProfile(
        name=table.name,
        count=count,
        checksum=Checksum(total, mixed),
        columns=columns,
        auto_increment=counter if any(column.auto_increment for column in table.columns) else None,
        soft=soft,
        references=tuple(
            Reference(key.columns, key.referred_table, key.referred_columns, (key.on_delete or "") == "CASCADE")
            for key in table.foreign_keys
        ),
        indexed=tuple(dict.fromkeys(index.columns[0] for index in table.indexes if index.columns)),
        uniques=tuple(index.columns for index in table.indexes if index.unique and index.columns),
        rows=_rows(connection, table, identity, reading) if count <= reading.rows_kept else None,
    )


def identity_of(table: Table, like: TableProfile | None) -> tuple[str, ...]:
    """The columns by which a row is known again: those of the manifest to compare with, where they are still there."""
    if like is not None and like.rows is not None and all(table.column(name) for name in like.rows.identity):
        return like.rows.identity
    if table.primary_key is not None and table.primary_key.columns:
        return table.primary_key.columns
    for index in table.indexes:
        found = [table.column(name) for name in index.columns]
        if index.kind is IndexKind.UNIQUE and found and all(column and not column.null for column in found):
            return index.columns
    return tuple(column.name for column in table.columns)


def _sums(connection: Connection, table: Table, identity: Sequence[str], key: bytes) -> list[str | None]:
    """One SELECT over the table: its sums, then those of each column, as text."""
    bound = [canonical(column) for name in identity if (column := table.column(name))]
    row = "CONCAT_WS('.', " + ", ".join(f"IFNULL(HEX({each}), 'N')" for each in bound) + ")"
    secret = f"'{key.hex()}'"
    whole = ", ".join(f"IFNULL({_hash(canonical(column))}, 'N')" for column in table.columns)
    wanted = ["COUNT(*)", *_halves(f"CONCAT({secret}, CONCAT_WS(',', {whole}))")]
    for column in table.columns:
        value = f"CAST({canonical(column)} AS BINARY)"
        wanted.append(f"SUM({quoted(column.name)} IS NULL)")
        wanted += _halves(f"CONCAT({secret}, {row}, ':', {value})")
        wanted += _extremes(column)
    if table.column("deleted"):
        deleted = f"CAST({canonical(_known(table, 'deleted'))} AS BINARY)"
        wanted += [f"SUM({deleted} IN ('0', ''))", f"SUM({deleted} NOT IN ('0', ''))", f"SUM({deleted} IS NULL)"]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(f'CAST({each} AS CHAR)' for each in wanted)} FROM {quoted(table.name)}")
        return [_text(value) for value in cursor.fetchone() or ()]


def _hash(value: str) -> str:
    """SQL of a hash. Not MD5: MySQL from 9.6 on has none."""
    return f"SHA2({value}, 256)"


def _halves(value: str) -> list[str]:
    first, second = (f"CAST(CONV({side}({_hash(value)}, 16), 16, 10) AS UNSIGNED)" for side in ("LEFT", "RIGHT"))
    return [f"SUM({first})", f"BIT_XOR({second})"]


def _extremes(column: Column) -> list[str]:
    kind, name = kind_of(column.type), quoted(column.name)
    if kind in (Kind.NUMBER, Kind.TIME):
        return [f"MIN({name})" if "bit" not in column.type else f"MIN({name} + 0)", f"MAX({name} + 0)"
                if "bit" in column.type else f"MAX({name})"]  # fmt: skip
    size = f"LENGTH({name})" if kind is Kind.BINARY else f"CHAR_LENGTH({canonical(column)})"
    return [f"MIN({size})", f"MAX({size})"]


def _known(table: Table, name: str) -> Column:
    column = table.column(name)
    assert column is not None
    return column


def _column(table: Table, column: Column, values: Iterator[str | None]) -> ColumnProfile:
    nulls, total, mixed, low, high = (next(values) for _ in range(5))
    kind = kind_of(column.type)
    sized = kind not in (Kind.NUMBER, Kind.TIME)
    collation = column.collation or (table.collation if kind in (Kind.TEXT, Kind.CHOICE) else None)
    return ColumnProfile(
        name=column.name, type=column.type, kind=kind, collation=collation, default=column.default,
        nulls=int(nulls or 0), checksum=Checksum(total or "0", mixed or "0"),
        shortest=int(low) if sized and low is not None else None,
        longest=int(high) if sized and high is not None else None,
        low=None if sized else low, high=None if sized else high,
    )  # fmt: skip


def _soft(values: Iterator[str | None]) -> SoftDeleted:
    live, deleted, unknown = (int(next(values) or 0) for _ in range(3))
    return SoftDeleted(live, deleted, unknown)


def read_table(connection: Connection, table: str, columns: Sequence[Column]) -> Iterator[tuple[str | None, ...]]:
    """Every row's canonical values of these columns, a stretch at a time, in no order."""
    wanted = ", ".join(f"{canonical(column)}" for column in columns)
    with pymysql.cursors.SSCursor(connection) as cursor:
        cursor.execute(f"SELECT {wanted} FROM {quoted(table)}")
        for row in cursor:
            yield tuple([value if type(value) is str else _text(value) for value in row])


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _rows(connection: Connection, table: Table, identity: tuple[str, ...], reading: Reading) -> Rows:
    place = {column.name.lower(): number for number, column in enumerate(table.columns)}
    kinds = [kind_of(column.type) for column in table.columns]
    plain = [kind not in (Kind.TEXT, Kind.BINARY) for kind in kinds]  # most values are
    at = [place[name.lower()] for name in identity]
    named = _named(table, identity, reading.survivors)
    keys: dict[str, None] = {}
    names: list[str] = []
    tokens: list[list[Token]] = [[] for _ in table.columns]
    for row in read_table(connection, table.name, table.columns):
        own = _key([row[number] for number in at], keys, reading.key)
        keys[own] = None
        names.append(_name(row, named, place) if named else f"row {own[:8]}")
        for kept, value, as_it_is, kind in zip(tokens, row, plain, kinds, strict=True):
            kept.append(value if as_it_is or value is None else token(value, kind, reading.key))
    by_column = {column.name: tuple(kept) for column, kept in zip(table.columns, tokens, strict=True)}
    return Rows(identity, tuple(keys), tuple(names), by_column)


def row_key(values: Sequence[str | None], key: bytes) -> str:
    """The hash of a row's identity."""
    return digest(json.dumps(values), key)


def _key(values: Sequence[str | None], taken: dict[str, None], key: bytes) -> str:
    """The hash of a row's identity; a second row with the same gets a number."""
    own = row_key(values, key)
    found, number = own, 1
    while found in taken:
        number += 1
        found = f"{own}#{number}"
    return found


def _named(table: Table, identity: tuple[str, ...], survivors: Survivors) -> tuple[str, ...]:
    """The columns that name a row: the declared ones, else a natural primary or unique key, else references and id."""

    def shown(columns: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            name for name in columns
            if table.column(name) and f"{table.name}.{name}" not in survivors.secret and not _SECRET.search(name)
        )  # fmt: skip

    if table.name in survivors.secret:
        return ()
    if table.name in survivors.natural:
        return shown(survivors.natural[table.name])
    if len(identity) == len(table.columns) and table.primary_key is None:
        return ()
    numbers = {column.name for column in table.columns if column.auto_increment}
    if not numbers & set(identity):
        return shown(identity)
    for index in table.indexes:
        columns = tuple(name for name in index.columns if name not in ("deleted", "deleted_at"))
        if index.kind is IndexKind.UNIQUE and columns and not numbers & set(columns) and shown(columns) == columns:
            return columns
    others = [column.name for column in table.columns if _NATURAL.search(column.name) and column.name not in numbers]
    return (*shown(others)[:_PARTS], *shown(identity))


def _name(row: Sequence[str | None], named: Sequence[str], place: dict[str, int]) -> str:
    parts = [(row[place[name.lower()]] or "-")[:_NAME] for name in named]
    if named[-1] == "id" and parts[-1].isdigit():
        parts[-1] = f"id {parts[-1]}"
    return " ".join(parts)
