"""A manifest of an operand, and an operand held against a manifest: the before and after of a real upgrade."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dbaudit.comparison.live import LiveData
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.dryrun.inspection import inspect_one
from dbaudit.dump.restore import restore
from dbaudit.errors import UsageError
from dbaudit.finding import Effect, Finding, Severity, Verdict, verdict
from dbaudit.proof.compare import compare
from dbaudit.proof.manifest import Manifest
from dbaudit.proof.measure import ROWS_KEPT, Place, measure
from dbaudit.proof.running import signs_of_life
from dbaudit.proof.survivors import load_survivors
from dbaudit.result import DatabaseResult, Result
from dbaudit.server.choose import start
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
from dbaudit.server.version import parse_version

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# The schema that a dump without a name is restored into.
UNNAMED = "manifest"
# Ends of the names of configuration files, which name a live database.
_CONFIGURATION = {".conf", ".ini", ".cfg"}


@dataclass(frozen=True, slots=True)
class Wish:
    """Which operand, how it is read, and where a dump is restored. `rows_kept`: see `measure.ROWS_KEPT`."""

    operand: str
    reading: Reading
    places: Places
    server: str = "auto"
    server_binary: Path | None = None
    rows_kept: int = ROWS_KEPT


def take(wish: Wish, like: Manifest | None = None) -> Manifest:
    """The manifest of an operand; with `like`, one to compare with that. Raises DbauditError or UsageError."""
    with _opened(wish) as (connection, database, place):
        survivors = load_survivors(like.service if like and like.service else place.service)
        return measure(
            connection, database, place, survivors, like=like, rows_kept=wish.rows_kept, watch=wish.reading.watch
        )


@contextmanager
def _opened(wish: Wish) -> Iterator[tuple[Connection, str, Place]]:
    if "://" in wish.operand or Path(wish.operand).suffix in _CONFIGURATION:
        yield from _live(wish)
    else:
        yield from _restored(wish)


def _live(wish: Wish) -> Iterator[tuple[Connection, str, Place]]:
    side = read_operand(wish.operand, wish.reading)
    database = side.schema.name
    if not isinstance(side.data, LiveData) or not database:
        raise UsageError(f"{wish.operand} is no database with rows", "name a dump, a URL or a configuration file")
    with side.data.connected() as connection:
        yield (
            connection,
            database,
            Place(
                operand=side.operand,
                service=side.service,
                release=side.release.name if side.release else None,
                versions=dict(side.versions.numbers) or _heads(side.service, side.versions.revisions),
                warnings=tuple(signs_of_life(connection, database)),
            ),
        )


def _heads(service: str | None, revisions: tuple[str, ...]) -> dict[str, int | str]:
    return {service or "alembic": ", ".join(revisions)} if revisions else {}


def _restored(wish: Wish) -> Iterator[tuple[Connection, str, Place]]:
    reading = wish.reading
    found = inspect_one(wish.operand, reading.spool, database=reading.database, watch=reading.watch)
    largest = max((table.end - table.start for table in found.entry.tables), default=0)
    origin = parse_version(found.index.server_version) if found.index.server_version else None
    with start(
        wish.server, places=wish.places, needs=Needs(found.index.size, largest), binary=wish.server_binary,
        dump_version=origin, watch=reading.watch,
    ) as server:  # fmt: skip
        database = found.entry.name or UNNAMED
        restore(found.index, server, {found.entry.name: database}, watch=reading.watch)
        with closing(server.connect(server.restricted([database]), database)) as connection:
            standing = found.standing
            yield (
                connection,
                database,
                Place(
                    operand=wish.operand,
                    at=_written(found.index.dump.path),
                    service=standing.service,
                    release=standing.release.name if standing.release else None,
                    versions=standing.versions,
                ),
            )


def _written(path: Path | None) -> str | None:
    """When a dump was written, by its file; None for one from standard input."""
    if path is None:
        return None
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def taken(manifest: Manifest, file: Path) -> Result:
    """What `dbaudit manifest` says."""
    findings = tuple(_running(manifest))
    return Result(
        command="manifest",
        verdict=verdict(findings),
        databases=(_database(manifest),),
        findings=findings,
        notes=(f"{file} stands for {manifest.at}", *_kept(manifest)),
        extra={"manifest": {"file": str(file), "at": manifest.at}},
    )


def verified(before: Manifest, after: Manifest) -> Result:
    """What `dbaudit verify` says."""
    found = compare(before, after)
    findings = (*found.findings, *_running(after))
    said = verdict(findings)
    if said is Verdict.CLEAN and found.skipped:
        said = Verdict.WARNINGS  # what was not compared is not proved
    return Result(
        command="verify",
        verdict=said,
        databases=(_database(after),),
        findings=findings,
        skipped=found.skipped,
        notes=(f"the manifest stands for {before.at}, what it is held against for {after.at}", *_kept(before)),
        extra={
            "manifest": {"at": before.at, "operand": before.operand, "server": before.server},
            "changed": [{"object": column, "count": count} for column, count in found.changed],
        },
    )


def _database(manifest: Manifest) -> DatabaseResult:
    return DatabaseResult(
        name=None,
        operand=manifest.operand,
        service=manifest.service,
        release=manifest.release,
        version=manifest.versions,
        server=manifest.server,
        tables=len(manifest.tables),
        rows=sum(table.count for table in manifest.tables.values()),
    )


def _running(manifest: Manifest) -> Iterator[Finding]:
    for sentence in manifest.warnings:
        yield Finding(
            check="proof.services-running",
            severity=Severity.WARNING,
            effect=Effect.ADVICE,
            object=manifest.operand,
            message=sentence,
            remedy="Stop the services, and take the manifest again right before the upgrade.",
        )


def _kept(manifest: Manifest) -> Iterator[str]:
    counted = ", ".join(f"{len(kept.items)} {name}" for name, kept in manifest.kept.items() if kept.items)
    if counted:
        yield f"followed by their keys: {counted}"
