"""A side from a dump, a mydumper directory or a folder of SQL files: definitions in one pass, no server.

The pass is that of `dump.index`, and listens for what an index has no place for: statements that change a table after
its CREATE TABLE. They are not carried out here; such a table is named, and never called equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dbaudit.comparison.lenient import Lenient
from dbaudit.comparison.side import Fault, Place, Side
from dbaudit.dump.catalog import Catalog
from dbaudit.dump.entries import DatabaseEntry, Definition, DumpIndex
from dbaudit.dump.index import instant
from dbaudit.dump.rows import read_rows
from dbaudit.dump.source import DamagedArchive, Dump, make_part
from dbaudit.dump.statements import Comment, Depth, Kind, Reader, Statement
from dbaudit.dump.tokens import IDENT, bare_name, unwrap
from dbaudit.errors import DbauditError
from dbaudit.migration.standing import Versions, versions_of
from dbaudit.progress import Watch, silent
from dbaudit.schema.model import Schema
from dbaudit.schema.read import LiveText

_CHANGE = re.compile(
    rb"(?:ALTER\s+(?:IGNORE\s+)?TABLE\s+(?:IF\s+EXISTS\s+)?|CREATE\s+(?:UNIQUE\s+|FULLTEXT\s+|SPATIAL\s+)?INDEX\s+"
    + IDENT + rb"\s+(?:USING\s+\w+\s+)?ON\s+|DROP\s+INDEX\s+" + IDENT + rb"\s+ON\s+|RENAME\s+TABLE\s+)"
    rb"(?:" + IDENT + rb"\s*\.\s*)?(?P<table>" + IDENT + rb")(?P<rest>.{0,80})",
    re.I | re.S,
)  # fmt: skip
# The first words of such statements, and of those that define a table: the rest need no closer look.
_WORTH_A_LOOK = re.compile(
    rb"\s*(?:/\*M?!\d*\s*)?(?:ALTER|RENAME|DROP\s+INDEX|CREATE\s+(?:TABLE|INDEX|UNIQUE|FULLTEXT|SPATIAL))\b", re.I
)
# What changes no definition: mysqldump brackets rows with the first, others set the counter.
_IDLE = re.compile(rb"\s*(?:(?:DISABLE|ENABLE)\s+KEYS|AUTO_INCREMENT\s*=?\s*\d+|DISCARD\s|IMPORT\s)\s*;?\s*\Z", re.I)
_CHARSET = re.compile(rb"-- default character set of the database: (\w+)(?: COLLATE (\w+))?")
_BOOKS = ("migrate_version", "alembic_version")


_CREATE = re.compile(rb"CREATE\s+TABLE\s+(?:" + IDENT + rb"\s*\.\s*)?(?P<table>" + IDENT + rb")", re.I)


@dataclass(frozen=True, slots=True)
class _Later:
    """A statement that changes a table after its definition, or defines it a second time."""

    table: str
    start: int
    text: str


class _Pass:
    """One pass over a dump; positions as in `dump.index`."""

    def __init__(self, dump: Dump) -> None:
        self.dump = dump
        self.catalog = Catalog()
        self.starts: list[int] = []
        self.size = 0
        self.defect = ""
        self.later: list[_Later] = []
        self.charset: tuple[str | None, str | None] = (None, None)
        self._is_folder = len(dump.parts) > 1 and not dump.mydumper
        self._created: set[str] = set()

    def run(self, watch: Watch) -> DumpIndex:
        """The index at depth layout."""
        done = 0
        for part in self.dump.parts:
            self.starts.append(self.size)
            self.catalog.enter(part.database)
            with part.open(watch, done, self.dump.size) as stream:
                reader = Reader(stream, Depth.LAYOUT, self.size)
                try:
                    self._read(reader)
                except DamagedArchive as error:
                    self.defect = str(error)
                self.size = reader.position
            done += part.size
        header, metadata = self.catalog.header, self.dump.metadata
        if metadata is not None and not metadata.finished:
            self.defect = self.defect or "its metadata does not say `Finished dump at`"
        defect = self.defect or ("" if metadata or len(self.dump.parts) > 1 else header.defect)
        return DumpIndex(
            self.dump, "mydumper" if metadata else header.tool, header.client, header.server, header.charset, None,
            not defect, self.catalog.last_whole, self.size, self.catalog.entries(False), defect, tuple(self.starts),
            *instant(metadata, header),
        )  # fmt: skip

    def _read(self, reader: Reader) -> None:
        last = None
        for item in reader.read():
            if isinstance(item, Comment):
                self._comment(item)
                continue
            self.catalog.statement(item)
            last = item
            if item.kind is Kind.OTHER:
                self._listen(item)
        if last is not None and not last.closed:
            # A file of one definition may do without its semicolon; a dump that stops inside of one was cut.
            whole = last.text.rstrip().endswith(b")") or len(self.dump.parts) > 1
            self.defect = "" if whole else f"it ends inside a statement that begins at byte {last.start}"

    def _comment(self, item: Comment) -> None:
        self.catalog.comment(item)
        if match := _CHARSET.match(item.text):
            self.charset = match[1].decode(), match[2].decode() if match[2] else None

    def _listen(self, item: Statement) -> None:
        if not _WORTH_A_LOOK.match(item.text) or (not self._is_folder and item.text[:12].upper() == b"CREATE TABLE"):
            return
        sql = unwrap(item.text[:4096])
        if created := _CREATE.match(sql) if self._is_folder else None:
            name = bare_name(created["table"])
            if name in self._created:
                self.later.append(_Later(name, item.start, "a second CREATE TABLE, in another file"))
            self._created.add(name)
        match = _CHANGE.match(sql)
        if match and not _IDLE.match(match["rest"]):
            text = " ".join(match[0].decode("utf-8", "replace").split())
            self.later.append(_Later(bare_name(match["table"]), item.start, text[:60]))


def read_dump(dump: Dump, operand: str, what: str, database: str | None, watch: Watch = silent) -> Side:
    """The side of a dump. Raises UsageError for several databases and no name, DbauditError for no dump."""
    found = _Pass(dump)
    index = found.run(watch)
    if not found.catalog.understood:
        raise DbauditError(f"{operand} is not SQL: no statement of a dump is in it", "see `dbaudit diff --help`")
    entry = index.database(database)
    charset = (entry.charset, entry.collation) if entry.charset else found.charset
    schema, unread = schema_of(index, entry, charset)
    faults = [*unread, *_incomplete(operand, index)]
    for later in found.later:
        if later.table in schema.tables:
            why = f"changed after its CREATE TABLE: {later.text}"
            table = replace(schema.tables[later.table], unsupported=why)
            schema = replace(schema, tables={**schema.tables, later.table: table})
            place = _place(index, later.start)
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
            return _place(self.index, table.start + len(table.create[:at].encode("utf-8", "surrogateescape")))
        others: tuple[Definition, ...] = getattr(self.entry, f"{kind}s")
        found = next((each for each in others if name in (each.name, _routine_key(each))), None)
        return _place(self.index, found.start) if found else None


def _place(index: DumpIndex, offset: int) -> Place:
    """The file, the offset in it, and the line: that is counted by reading the file up to there."""
    number = max(n for n, start in enumerate(index.starts) if start <= offset)
    part, left = index.dump.parts[number], offset - index.starts[number]
    line = 1
    with part.open() as stream:
        rest = left
        while rest > 0 and (data := stream.read(min(rest, 1 << 20))):
            line += data.count(b"\n")
            rest -= len(data)
    return Place(index.dump.name if len(index.dump.parts) == 1 else part.path.name, left, line)


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
            for row in read_rows(self.index, self.entry, found):
                yield tuple(row.get(column) for column in columns)
