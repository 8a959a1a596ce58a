"""Look into a dump without a server: what it holds, whether it is whole, and where the database stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dbaudit.comparison.dumped import schema_of
from dbaudit.comparison.side import Fault
from dbaudit.dryrun.scratch import scratch
from dbaudit.dump.entries import DatabaseEntry, DumpIndex
from dbaudit.dump.index import read_counts, require_complete
from dbaudit.dump.rows import read_rows
from dbaudit.dump.source import open_dump
from dbaudit.errors import DbauditError
from dbaudit.finding import Effect, Finding, Severity, Skipped, verdict
from dbaudit.migration.standing import Standing, find_standing
from dbaudit.progress import Watch, silent
from dbaudit.result import DatabaseResult, Result
from dbaudit.schema.model import Schema
from dbaudit.server.place import Places

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
    faults: tuple[Fault, ...] = ()

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each table that the dump tells."""
        return {table.name: table.rows for table in self.entry.tables if table.rows is not None}

    @property
    def _bytes(self) -> int:
        """Bytes of the dump that are this database's; all of them where it is the only one."""
        if len(self.index.databases) == 1:
            return self.index.size
        return sum(table.end - table.start for table in self.entry.tables)

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
            bytes=self._bytes,
        )


def inspect(operand: str, places: Places, *, database: str | None = None, watch: Watch = silent) -> list[Inspection]:
    """Look at one database of a dump, or at each of them.

    Raises DbauditError for what is no dump; one that was cut is told by `complete`.
    """
    with scratch(places) as spool:
        index = read_counts(open_dump(operand, spool), watch)
        entries = [index.database(database)] if database or len(index.databases) == 1 else list(index.databases)
        return [_look(operand, index, entry) for entry in entries or [index.database(None)]]


def inspect_one(operand: str, spool: Path, *, database: str | None, watch: Watch) -> Inspection:
    """As `inspect`, for what needs one whole database: raises DbauditError for several, or for a dump that was cut."""
    index = read_counts(open_dump(operand, spool), watch)
    require_complete(index)
    entry = index.database(database)
    if not any(table.create for table in entry.tables):
        raise DbauditError(
            f"{operand} holds rows but no CREATE TABLE: it cannot be restored by itself",
            "dump again without --no-create-info, or put the schema's dump before it: cat schema.sql data.sql | ... -",
        )
    return _look(operand, index, entry)


def _look(operand: str, index: DumpIndex, entry: DatabaseEntry) -> Inspection:
    schema, faults = schema_of(index, entry, (entry.charset, entry.collation))
    books = {}
    for name in BOOKS:
        table = entry.table(name)
        books[name] = list(read_rows(index, entry, table)) if table and table.create else []
    standing = find_standing(schema, books["migrate_version"], books["alembic_version"])
    return Inspection(operand, index, entry, schema, standing, faults)


def report(found: list[Inspection]) -> Result:
    """What `dbaudit inspect` says."""
    findings = tuple(finding for each in found for finding in (*incomplete_finding(each), *standing_findings(each)))
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
        skipped=(*skipped, *(skip for each in found for skip in unread(each))),
        notes=tuple(note for each in found for note in notes(each)),
        extra={"contents": [_tables(each) for each in found]},
    )


def standing_findings(inspection: Inspection) -> Iterator[Finding]:
    """What is odd about where the database stands: number against schema, a step done in part, no number."""
    standing = inspection.standing
    half = standing.half_applied
    for warning in standing.warnings:
        yield Finding(
            check="schema.standing",
            severity=Severity.WARNING,
            effect=Effect.DRIFT,
            object=BOOKS[0],
            message=warning,
            facts={"half_applied": half.step.id} if half and warning == half.sentence else {},
            remedy="Find out how the database came to where it is before you upgrade it: was a migration stopped, "
            "a change backported, a number set by hand?",
        )


def incomplete_finding(inspection: Inspection) -> Iterator[Finding]:
    """A dump that was cut."""
    index = inspection.index
    if not index.complete:
        yield Finding(
            check="dump.incomplete",
            severity=Severity.ERROR,
            effect=Effect.ADVICE,
            object=inspection.operand,
            message=f"the dump is not complete: {index.defect}; last whole table: {index.last_whole_table or 'none'}",
            remedy="Dump again, and look at the exit code and messages of the command that writes it.",
        )


def unread(inspection: Inspection) -> Iterator[Skipped]:
    """Definitions of the dump that could not be read: nothing is said of these objects."""
    for fault in inspection.faults:
        if fault.hides:
            where = f" ({fault.place})" if fault.place else ""
            yield Skipped(f"schema.{fault.id}", f"{fault.message}{where}")


def notes(inspection: Inspection) -> Iterator[str]:
    """Sentences about the dump that are neither good nor bad."""
    index, entry = inspection.index, inspection.entry
    if index.tool:
        yield f"{inspection.operand} was written by {index.tool} {index.client_version or ''}".rstrip()
    others = [
        plural_of(len(getattr(entry, kind)), kind) for kind in ("views", "triggers", "routines", "events")
        if getattr(entry, kind)
    ]  # fmt: skip
    if others:
        yield f"besides tables it holds {', '.join(others)}"
    if entry.tables and not sum(inspection.rows.values()):
        yield "it holds no rows: what depends on rows cannot be seen in it"


def plural_of(count: int, kind: str) -> str:
    """`1 view`, `2 views`."""
    return f"{count} {kind if count != 1 else kind[:-1]}"


def _tables(inspection: Inspection) -> dict[str, object]:
    """Tables as the JSON report has them, in the dump's order."""
    return {
        "database": inspection.entry.name,
        "tables": [
            {"name": t.name, "rows": t.rows, "bytes": t.end - t.start, "start": t.start, "end": t.end}
            for t in inspection.entry.tables
        ],
    }
