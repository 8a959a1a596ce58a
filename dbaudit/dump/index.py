"""The index of a dump: one pass over the file, at the depth that the caller needs.

`read_layout` tells where everything is, near the speed of memory; `read_counts` also counts rows. Both walk the same
statements, so they agree. No regular expression ever sees more than a bounded block.
"""

from __future__ import annotations

from dbaudit.dump.catalog import Catalog
from dbaudit.dump.entries import DatabaseEntry, Definition, DumpIndex, TableEntry, require_complete
from dbaudit.dump.headers import Header
from dbaudit.dump.source import DamagedArchive, Dump, Metadata, Part, what_dumps_are
from dbaudit.dump.statements import Comment, Depth, Reader, Statement
from dbaudit.errors import DbauditError
from dbaudit.progress import Watch, silent

__all__ = [
    "DatabaseEntry",
    "Definition",
    "DumpIndex",
    "TableEntry",
    "read_counts",
    "read_layout",
    "require_complete",
]


def read_layout(dump: Dump, watch: Watch = silent) -> DumpIndex:
    """Databases, tables and their byte ranges; `rows` of every table is None. Raises DbauditError for no dump."""
    return _Pass(dump, Depth.LAYOUT).run(watch)


def read_counts(dump: Dump, watch: Watch = silent) -> DumpIndex:
    """As `read_layout`, with rows. Raises DbauditError for no dump."""
    return _Pass(dump, Depth.COUNTS).run(watch)


class _Pass:
    """One pass over a dump."""

    def __init__(self, dump: Dump, depth: Depth) -> None:
        self._dump, self._depth = dump, depth
        self._catalog = Catalog()
        self._starts: list[int] = []
        self._size = 0
        self._defect = ""
        self._damaged = False

    def run(self, watch: Watch) -> DumpIndex:
        """The index."""
        done = 0
        for part in self._dump.parts:
            self._starts.append(self._size)
            self._catalog.enter(part.database)
            self._read(part, watch, done)
            done += part.size
        if not self._catalog.understood and not self._damaged and self._catalog.header.tool is None:
            raise DbauditError(f"{self._dump.name} is not an SQL dump: no statement of one is in it", what_dumps_are())
        return self._index()

    def _read(self, part: Part, watch: Watch, done: int) -> None:
        catalog, last = self._catalog, None
        with part.open(watch, done, self._dump.size) as stream:
            reader = Reader(stream, self._depth, self._size, part.delimiter)
            try:
                for item in reader.read():
                    if isinstance(item, Comment):
                        catalog.comment(item)
                    else:
                        catalog.statement(item)
                        last = item
            except DamagedArchive as error:
                self._defect, self._damaged = str(error), True
            self._size = reader.position
        self._look_at_end(part, last)

    def _look_at_end(self, part: Part, last: Statement | None) -> None:
        if last is not None and not last.closed and not self._defect:
            where = f"{part.path.name} " if self._dump.mydumper else "the file "
            self._defect = f"{where}ends inside a statement that begins at byte {last.start}"

    def _index(self) -> DumpIndex:
        catalog, header = self._catalog, self._catalog.header
        databases = catalog.entries(self._depth is Depth.COUNTS)
        metadata = self._dump.metadata
        defect = self._defect or (_unlike(databases, metadata) if metadata else header.defect)
        if not defect and catalog.open_table:
            catalog.last_whole = catalog.open_table
        return DumpIndex(
            self._dump, "mydumper" if metadata else header.tool, header.client, header.server, header.charset,
            metadata.gtid if metadata else header.gtid, not defect, catalog.last_whole, self._size, databases, defect,
            tuple(self._starts), *instant(metadata, header),
        )  # fmt: skip


def instant(metadata: Metadata | None, header: Header) -> tuple[str | None, bool]:
    """When a dump was taken, and whether it tells that this was one instant."""
    if metadata is not None:
        return metadata.started, True  # mydumper's threads share one snapshot
    return header.at, header.positioned or header.gtid is not None


def _unlike(databases: tuple[DatabaseEntry, ...], metadata: Metadata) -> str:
    """Why a mydumper directory is not complete; empty when it is."""
    if not metadata.finished:
        return "its metadata does not say `Finished dump at`"
    for database in databases:
        for table in database.tables:
            told = metadata.rows.get((database.name or "", table.name), table.rows)
            if table.rows is not None and told != table.rows:
                return f"table {table.name} has {table.rows} rows, its metadata says {told}"
    return ""
