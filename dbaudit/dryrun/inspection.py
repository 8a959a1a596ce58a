"""Look into a dump without a server: what it holds, whether it is whole, and where the database stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dbaudit.dump.entries import DatabaseEntry, DumpIndex
from dbaudit.dump.index import read_counts, require_complete
from dbaudit.dump.rows import read_rows
from dbaudit.dump.source import open_dump
from dbaudit.finding import Skipped, verdict
from dbaudit.migration.standing import Standing, find_standing
from dbaudit.progress import Watch, silent
from dbaudit.result import DatabaseResult, Result
from dbaudit.schema.model import Schema
from dbaudit.schema.read import Definitions, read_schema

# Tables in which the migration tools keep where a database stands.
BOOKS = ("migrate_version", "alembic_version")


@dataclass(frozen=True)
class Inspection:
    """A database of a dump: its index and entry, its schema as the dump has it, and where it stands."""

    operand: str
    index: DumpIndex
    entry: DatabaseEntry
    schema: Schema
    standing: Standing

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each table that the dump tells."""
        return {table.name: table.rows for table in self.entry.tables if table.rows is not None}

    @property
    def result(self) -> DatabaseResult:
        """What reports say of it."""
        return DatabaseResult(
            name=self.entry.name,
            operand=self.operand,
            service=self.standing.service,
            release=self.standing.release.name if self.standing.release else None,
            version=self.standing.versions,
            server=self.index.server_version,
            complete=self.index.complete,
            tables=len(self.entry.tables),
            rows=sum(self.rows.values()),
            bytes=self.index.size,
        )


def inspect(operand: str, spool: Path, *, database: str | None = None, watch: Watch = silent) -> list[Inspection]:
    """Look at one database of a dump, or at each of them. `spool` is a folder for what comes from standard input.

    Raises DbauditError for what is no dump; one that was cut is told by `complete`.
    """
    index = read_counts(open_dump(operand, spool), watch)
    entries = [index.database(database)] if database or len(index.databases) == 1 else list(index.databases)
    return [_look(operand, index, entry) for entry in entries or [index.database(None)]]


def inspect_one(operand: str, spool: Path, *, database: str | None, watch: Watch) -> Inspection:
    """As `inspect`, for what needs one whole database: raises DbauditError for several, or for a dump that was cut."""
    index = read_counts(open_dump(operand, spool), watch)
    require_complete(index)
    return _look(operand, index, index.database(database))


def _look(operand: str, index: DumpIndex, entry: DatabaseEntry) -> Inspection:
    schema = read_schema(
        entry.name,
        entry.charset,
        entry.collation,
        [table.create for table in entry.tables],
        Definitions(
            views=[each.sql for each in entry.views],
            triggers=[each.sql for each in entry.triggers],
            routines=[each.sql for each in entry.routines],
            events=[each.sql for each in entry.events],
        ),
    )
    books = {}
    for name in BOOKS:
        table = entry.table(name)
        books[name] = list(read_rows(index, entry, table)) if table else []
    return Inspection(operand, index, entry, schema, find_standing(schema, books["migrate_version"], books["alembic_version"]))


def report(found: list[Inspection]) -> Result:
    """What `dbaudit inspect` says."""
    findings = tuple(finding for each in found for finding in _findings(each))
    skipped = tuple(
        Skipped("inspect.service", f"{each.operand}: the tables are those of no service that dbaudit knows")
        for each in found
        if each.standing.service is None
    )
    return Result(
        command="inspect",
        verdict=verdict(findings),
        databases=tuple(each.result for each in found),
        findings=findings,
        skipped=skipped,
        notes=tuple(note for each in found for note in _notes(each)),
        extra={"tables": [_table(each) for each in found]},
    )
