"""A side from a dump, a mydumper directory or a folder of SQL files: definitions in one pass, no server.

Statements that change a table after its CREATE TABLE are not carried out here; such a table is named, and never called
equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dbaudit.comparison.definitions import Pass
from dbaudit.comparison.lenient import Lenient
from dbaudit.comparison.side import Fault, Place, Side
from dbaudit.dump.entries import DatabaseEntry, Definition, DumpIndex
from dbaudit.dump.rows import read_rows, read_values
from dbaudit.dump.source import Dump, make_part
from dbaudit.errors import DbauditError
from dbaudit.migration.standing import Versions, versions_of
from dbaudit.progress import Watch, silent
from dbaudit.schema.model import Schema
from dbaudit.schema.read import LiveText

_BOOKS = ("migrate_version", "alembic_version")


def read_dump(dump: Dump, operand: str, what: str, database: str | None, watch: Watch = silent) -> Side:
    """The side of a dump. Raises UsageError for several databases and no name, DbauditError for no dump."""
    found = Pass(dump)
    index = found.run(watch)
    if not found.catalog.understood:
        raise DbauditError(f"{operand} is not SQL: no statement of a dump is in it", "see `dbaudit diff --help`")
    entry = index.database(database)
    charset = (entry.charset, entry.collation) if entry.charset else found.charset
    schema, unread = schema_of(index, entry, charset)
    faults = [
        *unread,
        *_without_options(operand, schema),
        *_incomplete(operand, index),
        *_not_sql(operand, index, found.unread),
    ]
    for later in found.later:
        if later.table in schema.tables:
            why = f"changed after its CREATE TABLE: {later.text}"
            table = replace(schema.tables[later.table], unsupported=why)
            schema = replace(schema, tables={**schema.tables, later.table: table})
            place = place_of(index, later.start)
            faults.append(Fault("changed-later", later.table, f"table `{later.table}` is {why}", place))
    return Side(
        operand, what, schema, versions=_versions(index, entry), server=index.server_version,
        complete=index.complete if what != "folder" else None, bytes=index.size, faults=tuple(faults),
        data=DumpData(index, entry),
    )  # fmt: skip


def schema_of(
    index: DumpIndex, entry: DatabaseEntry, charset: tuple[str | None, str | None]
) -> tuple[Schema, tuple[Fault, ...]]:
    """The schema of a database of a dump, with this charset and collation, and what of it could not be read."""
    lenient = Lenient(_Locator(index, entry))
    schema = lenient.read(entry.name, replace(_text(entry), charset=charset[0], collation=charset[1]))
    return schema, tuple(lenient.faults)


def open_folder(path: Path) -> Dump:
    """The SQL files of a folder as one dump. Raises DbauditError where there are none."""
    files = sorted(file for file in path.iterdir() if file.is_file() and ".sql" in file.suffixes)
    if not files:
        raise DbauditError(f"the folder {path} holds no .sql files", "name a folder of CREATE statements, or a dump")
    parts = tuple(part for part in map(make_part, files) if part.size)
    return Dump(str(path), path, sum(part.size for part in parts), None, False, parts)


def _text(entry: DatabaseEntry) -> LiveText:
    def by_name(definitions: tuple[Definition, ...]) -> dict[str, str | None]:
        return {each.name: each.sql for each in definitions}

    routines: dict[str, str | None] = {_routine_key(each): each.sql for each in entry.routines}
    return LiveText(
        None, None, {table.name: table.create for table in entry.tables}, by_name(entry.views),
        by_name(entry.triggers), routines, by_name(entry.events),
    )  # fmt: skip


_ROUTINE = re.compile(r"\b(PROCEDURE|FUNCTION|PACKAGE\s+BODY|PACKAGE|SEQUENCE)\b", re.I)


def _routine_key(definition: Definition) -> str:
    match = _ROUTINE.search(definition.sql)
    kind = " ".join(match[1].upper().split()) if match else "ROUTINE"
    return f"{kind} {definition.name}"


def _versions(index: DumpIndex, entry: DatabaseEntry) -> Versions:
    rows = []
    for name in _BOOKS:
        table = entry.table(name)
        rows.append(list(read_rows(index, entry, table)) if table and table.create else [])
    try:
        return versions_of(*rows)
    except (KeyError, ValueError):
        return Versions()  # a table of that name that is not the tool's


def _incomplete(operand: str, index: DumpIndex) -> Iterator[Fault]:
    if not index.complete:
        last = index.last_whole_table or "none"
        yield Fault("incomplete", operand, f"{operand} is not complete: {index.defect}; last whole table: {last}")


def _without_options(operand: str, schema: Schema) -> Iterator[Fault]:
    bare = [table.name for table in schema.tables.values() if table.engine is None and not table.unsupported]
    if bare:
        why = "were dumped without engine, charset and other options (--compatible, --skip-create-options)"
        message = f"{len(bare)} tables of {operand} {why}, such as `{bare[0]}`: those are not compared"
        yield Fault("without-options", operand, message, hides=False)


def _not_sql(operand: str, index: DumpIndex, unread: list[tuple[int, str]]) -> Iterator[Fault]:
    for at, text in unread[:20]:
        why = f"a statement cannot be read, and what it defines is not compared: {text!r}"
        yield Fault("unread-statement", operand, why, place_of(index, at))


@dataclass(frozen=True, slots=True)
class _Locator:
    """Finds where the definition of an object stands."""

    index: DumpIndex
    entry: DatabaseEntry

    def __call__(self, kind: str, name: str, at: int) -> Place | None:
        if kind == "table":
            table = self.entry.table(name)
            if table is None:
                return None
            return place_of(self.index, table.start + len(table.create[:at].encode("utf-8", "surrogateescape")))
        others: tuple[Definition, ...] = getattr(self.entry, f"{kind}s")
        found = next((each for each in others if name in (each.name, _routine_key(each))), None)
        return place_of(self.index, found.start) if found else None


def place_of(index: DumpIndex, offset: int) -> Place:
    """The file, the offset in it, and the line: that is counted by reading the file up to there."""
    number = max(n for n, start in enumerate(index.starts) if start <= offset)
    part, left = index.dump.parts[number], offset - index.starts[number]
    line = 1
    with part.open() as stream:
        rest = left
        while rest > 0 and (data := stream.read(min(rest, 1 << 20))):
            line += data.count(b"\n")
            rest -= len(data)
    return Place(index.dump.name if part.path == index.dump.path else part.path.name, left, line)


@dataclass(frozen=True, slots=True)
class DumpData:
    """The rows of a dump."""

    index: DumpIndex
    entry: DatabaseEntry

    def size(self, table: str) -> int | None:
        """Bytes of the table's INSERT statements; None where it has none."""
        found = self.entry.table(table)
        return (found.data_bytes or None) if found and found.create else None

    def values(self, table: str, columns: tuple[str, ...]) -> Iterator[tuple[object, ...]]:
        """The values of these columns, row by row."""
        found = self.entry.table(table)
        if found is not None:
            yield from read_values(self.index, self.entry, found, columns)
