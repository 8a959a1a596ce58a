"""One pass over a dump: its index, and what an index has no place for.

That is statements that change a table after its CREATE TABLE, and statements that are none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dbaudit.dump.catalog import Catalog
from dbaudit.dump.entries import DumpIndex
from dbaudit.dump.index import instant
from dbaudit.dump.source import DamagedArchive, Dump
from dbaudit.dump.statements import Comment, Depth, Kind, Reader, Statement
from dbaudit.dump.tokens import IDENT, bare_name, unwrap
from dbaudit.progress import Watch

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
# How every statement begins that a server knows and that defines nothing, or whose definition is read.
_OBJECT = rb"(?:`(?:[^`]|``)+`|\"[^\"]+\"|[\w$\x80-\xff])"
_DEFINES = (
    rb"CREATE\s[^;]*?\b(?:(?:TABLE|VIEW|TRIGGER|FUNCTION|PROCEDURE|EVENT|DATABASE|SCHEMA|SEQUENCE|INDEX|BODY|PACKAGE|"
    rb"TABLESPACE|ROLE|GROUP)\s+(?:IF\s+NOT\s+EXISTS\s+)?" + _OBJECT + rb"|(?:USER|SERVER|REFERENCE)\b)"
)  # fmt: skip
_KNOWN = re.compile(
    rb"\s*(?:" + _DEFINES + rb"|(?:ALTER|DROP|USE|SET|LOCK|UNLOCK|INSERT|REPLACE|DELETE|UPDATE|TRUNCATE|COMMIT|START|"
    rb"BEGIN|ROLLBACK|RENAME|GRANT|REVOKE|FLUSH|CALL|DO|SELECT|ANALYZE|OPTIMIZE|REPAIR|CHECK|CHANGE|STOP|RESET|SAVEPOINT|"
    rb"RELEASE|LOAD|XA|PREPARE|EXECUTE|DEALLOCATE|WITH|SHOW|EXPLAIN|DESCRIBE|HANDLER|INSTALL|UNINSTALL|KILL|SHUTDOWN|"
    rb"PURGE|CACHE|VALUES|TABLE|HELP|SIGNAL|BINLOG)\b)",
    re.I | re.S,
)  # fmt: skip
_CREATE = re.compile(rb"CREATE\s+TABLE\s+(?:" + IDENT + rb"\s*\.\s*)?(?P<table>" + IDENT + rb")", re.I)


@dataclass(frozen=True, slots=True)
class Later:
    """A statement that changes a table after its definition, or defines it a second time."""

    table: str
    start: int
    text: str


class Pass:
    """One pass over a dump; positions as in `dump.index`."""

    def __init__(self, dump: Dump) -> None:
        self.dump = dump
        self.catalog = Catalog()
        self.starts: list[int] = []
        self.size = 0
        self.defect = ""
        self.later: list[Later] = []
        self.charset: tuple[str | None, str | None] = (None, None)
        self.unread: list[tuple[int, str]] = []
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
        if not _KNOWN.match(item.text) and (sql := unwrap(item.text[:4096])) and not _KNOWN.match(sql):
            self.unread.append((item.start, " ".join(sql[:300].decode("utf-8", "replace").split())[:80]))
        if not _WORTH_A_LOOK.match(item.text) or (not self._is_folder and item.text[:12].upper() == b"CREATE TABLE"):
            return
        sql = unwrap(item.text[:4096])
        if created := _CREATE.match(sql) if self._is_folder else None:
            name = bare_name(created["table"])
            if name in self._created:
                self.later.append(Later(name, item.start, "a second CREATE TABLE, in another file"))
            self._created.add(name)
        match = _CHANGE.match(sql)
        if match and not _IDLE.match(match["rest"]):
            text = " ".join(match[0].decode("utf-8", "replace").split())
            self.later.append(Later(bare_name(match["table"]), item.start, text[:60]))
