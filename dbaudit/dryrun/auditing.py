"""`dbaudit audit`: every check on any database, live or in a dump, and what several databases say of each other.

Reads only. Hazards of pending steps are looked for up to a release, by default the last that the catalogue knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from dbaudit.audit import audit, split
from dbaudit.check import Audited, Stage
from dbaudit.comparison.live import LiveData
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.comparison.side import Side
from dbaudit.dryrun.inspection import Inspection, inspect_one
from dbaudit.dryrun.rows import reader, reading
from dbaudit.dump.restore import restore
from dbaudit.errors import UsageError
from dbaudit.finding import Finding, Skipped, verdict
from dbaudit.migration.catalogue import load_catalogue
from dbaudit.migration.structure import stages
from dbaudit.release import Release
from dbaudit.result import DatabaseResult, Result
from dbaudit.schema.model import Schema
from dbaudit.schema.text import name as quoted
from dbaudit.server.choose import start
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
from dbaudit.server.server import Server


@dataclass(frozen=True, slots=True)
class AuditWish:
    """Which operands, up to which release hazards are looked for, and where dumps are restored."""

    operands: Sequence[str]
    databases: Sequence[str | None]
    reading: Reading
    places: Places
    to: Release | None = None
    server: str = "auto"
    server_binary: Path | None = None


@dataclass(frozen=True)
class Opened:
    """A database that can be audited, and what reports say of it; `skipped` is what could not be looked at."""

    audited: Audited
    shown: DatabaseResult
    skipped: tuple[Skipped, ...] = field(default=())


def audit_all(wish: AuditWish) -> Result:
    """Audit every operand. Raises UsageError or DbauditError where one cannot be read."""
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    with _opened(wish) as opened:
        beside = {each.audited.service: each.audited for each in opened if each.audited.service}
        for each in opened:
            others = {name: other for name, other in beside.items() if other is not each.audited}
            found, not_made = _audit(each, others)
            name = each.shown.name if len(opened) > 1 else None
            findings += [replace(finding, database=name) for finding in found]
            skipped += [*each.skipped, *not_made]
    told = tuple(findings)
    return Result(
        command="audit",
        verdict=verdict(told),
        target=None,
        databases=tuple(each.shown for each in opened),
        findings=told,
        skipped=tuple(dict.fromkeys(skipped)),
    )


def _audit(opened: Opened, beside: Mapping[str, Audited]) -> tuple[tuple[Finding, ...], tuple[Skipped, ...]]:
    if not opened.audited.service:
        return (), (Skipped("audit.service", f"{opened.shown.operand}: these are the tables of no known service"),)
    found, skipped = split(audit(replace(opened.audited, beside=beside)))
    if opened.audited.release is None:
        said = f"{opened.shown.operand} stands at no known release: checks of releases were not made"
        skipped = (*skipped, Skipped("audit.release", said))
    return found, skipped


@contextmanager
def _opened(wish: AuditWish) -> Iterator[list[Opened]]:
    readings = [replace(wish.reading, database=name) for name in wish.databases]
    live = {
        number: side for number, operand in enumerate(wish.operands)
        if (side := _live_side(operand, readings[number])) is not None
    }  # fmt: skip
    dumps = {
        number: inspect_one(operand, wish.reading.spool, database=wish.databases[number], watch=wish.reading.watch)
        for number, operand in enumerate(wish.operands) if number not in live
    }  # fmt: skip
    with ExitStack() as stack:
        server = stack.enter_context(_server(wish, list(dumps.values()))) if dumps else None
        opened: list[Opened] = []
        for number in range(len(wish.operands)):
            if number in live:
                opened.append(stack.enter_context(_live(live[number], wish.to)))
            else:
                assert server is not None
                opened.append(stack.enter_context(_restored(dumps[number], server, number, wish)))
        yield opened


def _live_side(operand: str, reading_: Reading) -> Side | None:
    """The side of a live database, None for a dump. Raises UsageError for what has no rows."""
    path = Path(operand)
    if "://" not in operand and (operand == "-" or path.is_dir() or _is_dump(path)):
        return None
    side = read_operand(operand, reading_)
    if not isinstance(side.data, LiveData):
        if side.what == "reference":
            raise UsageError(f"{operand} is a reference and has no rows", "name a dump, a URL or a configuration file")
        return None
    return side


def _is_dump(path: Path) -> bool:
    return path.suffix in (".sql", ".gz", ".xz", ".bz2", ".zst", ".dump")


@contextmanager
def _live(side: Side, to: Release | None) -> Iterator[Opened]:
    assert isinstance(side.data, LiveData)
    data, name = side.data, side.schema.name or ""
    with data.connected() as connection, reading(data.connect) as query:
        counts: dict[str, int] = {}
        with connection.cursor() as cursor:
            for table in side.schema.tables:
                cursor.execute(f"SELECT COUNT(*) FROM {quoted(table)}")
                counts[table] = int((cursor.fetchone() or (0,))[0])
        audited = _audited(side.service, side.schema, side.release, dict(side.versions.numbers), to)
        shown = DatabaseResult(
            name=name,
            operand=side.operand,
            service=side.service,
            release=side.release.name if side.release else None,
            version=dict(side.versions.numbers) or _heads(side),
            server=side.server,
            tables=len(counts),
            rows=sum(counts.values()),
        )
        faults = tuple(Skipped("audit.unread", fault.message) for fault in side.faults)
        yield Opened(replace(audited, query=query, row_counts=counts), shown, faults)


def _heads(side: Side) -> dict[str, int | str]:
    return {side.service or "alembic": ", ".join(side.versions.revisions)} if side.versions.revisions else {}


@contextmanager
def _server(wish: AuditWish, dumps: Sequence[Inspection]) -> Iterator[Server]:
    size = sum(each.index.size for each in dumps)
    largest = max((table.end - table.start for each in dumps for table in each.entry.tables), default=0)
    with start(
        wish.server, places=wish.places, needs=Needs(size, largest), binary=wish.server_binary,
        watch=wish.reading.watch,
    ) as server:  # fmt: skip
        yield server


@contextmanager
def _restored(found: Inspection, server: Server, number: int, wish: AuditWish) -> Iterator[Opened]:
    name = f"audit_{number}"
    restore(found.index, server, {found.entry.name: name}, watch=wish.reading.watch)
    standing = found.standing
    audited = _audited(standing.service, found.schema, standing.release, dict(standing.numbers), wish.to)
    with reader(server, server.restricted([name]), name) as query:
        shown = replace(found.result, name=found.entry.name or found.operand)
        faults = tuple(Skipped("audit.unread", fault.message) for fault in found.faults)
        yield Opened(replace(audited, query=query, row_counts=found.rows), shown, faults)


def _audited(
    service: str | None, schema: Schema, at: Release | None, numbers: Mapping[str, int], to: Release | None
) -> Audited:
    catalogue = load_catalogue(service) if service else None
    target = to
    pending: tuple[Stage, ...] = ()
    if catalogue is not None and numbers and catalogue.covers(numbers):
        target = min(to, catalogue.last) if to else catalogue.last
        pending = stages(schema, catalogue.pending(numbers, target))
    return Audited(service or "", schema, at, target, None, pending)
