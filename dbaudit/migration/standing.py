"""Where a database stands: whose it is, at which release, and whether what it says agrees with what it is.

Numbers come from migrate_version and alembic_version, as rows; how they are read (from a dump, from a
server) is the caller's. The schema is the second witness: see `fingerprint`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dbaudit import packs
from dbaudit.migration.catalogue import load_catalogue, repository
from dbaudit.migration.fingerprint import HalfApplied, Nearest, half_applied, half_applied_near, nearest
from dbaudit.migration.lineage import load_lineage
from dbaudit.release import Release
from dbaudit.schema.model import Schema

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Versions:
    """What a database says of itself: numbers by repository as step ids name it, Alembic revisions, code
    paths.

    `paths` are those of the code that took the database under control first.
    """

    numbers: Mapping[str, int] = field(default_factory=dict)
    revisions: tuple[str, ...] = ()
    paths: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a database stands.

    `release` is the last one that was reached whole, by number or revision, or by the schema where nothing
    is said; `exact` is False between two releases. `warnings` are sentences.
    """

    service: str | None
    said: Versions
    release: Release | None = None
    exact: bool = False
    nearest: Nearest | None = None
    half_applied: HalfApplied | None = None
    warnings: tuple[str, ...] = ()

    @property
    def numbers(self) -> Mapping[str, int]:
        """Migration numbers by repository."""
        return self.said.numbers

    @property
    def versions(self) -> Mapping[str, int | str]:
        """What reports show: a number for each repository, or the service's revisions as one text."""
        if self.said.revisions:
            return {self.service or "alembic": ", ".join(self.said.revisions)}
        return dict(self.said.numbers)


def find_standing(schema: Schema, migrate: Iterable[Row] = (), alembic: Iterable[Row] = ()) -> Standing:
    """Where the database with this schema stands, with the rows of its migrate_version and
    alembic_version.
    """
    return stand(schema, versions_of(migrate, alembic))


def versions_of(migrate: Iterable[Row] = (), alembic: Iterable[Row] = ()) -> Versions:
    """What the rows of migrate_version and alembic_version say. Numbers may come as text, text as bytes."""
    numbers: dict[str, int] = {}
    paths: dict[str, str] = {}
    for row in migrate:
        name = repository(_text(row["repository_id"]))
        if row["version"] is not None:  # the column allows it; then the repository says no version
            numbers[name] = int(_text(row["version"]))
        if row.get("repository_path") is not None:
            paths[name] = _text(row["repository_path"])
    return Versions(numbers, tuple(sorted(_text(row["version_num"]) for row in alembic)), paths)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def service_of(schema: Schema, versions: Versions | None = None) -> str | None:
    """The service whose database this is: by the repositories that it names, else by its tables; None if
    neither.
    """
    for name in versions.numbers if versions else ():
        if name in packs.services() and load_catalogue(name) is not None:
            return name
    tables = {name.lower() for name in schema.tables}
    found: list[tuple[float, str]] = []
    for service in packs.services():
        lineage = load_lineage(service)
        if lineage is not None and (common := len(lineage.tables & tables)) >= lineage.enough:
            found.append((common / len(lineage.tables), service))
    return max(found)[1] if found else None


def release_of(service: str, versions: Versions) -> tuple[Release | None, bool]:
    """The release that numbers or revisions name, and whether exactly; revisions count where both are
    there.
    """
    lineage = load_lineage(service)
    if lineage is None:
        return None, False
    if versions.revisions:
        at = lineage.by_revisions(versions.revisions)
        return at, at is not None
    return lineage.by_numbers(versions.numbers)


def stand(schema: Schema, versions: Versions) -> Standing:
    """Where the database with this schema stands that says these versions of itself."""
    service = service_of(schema, versions)
    if service is None:
        return Standing(None, versions)
    release, exact = release_of(service, versions)
    near = half = None
    if not versions.revisions:
        near = nearest(service, schema, versions.numbers)
        half = half_applied(service, schema, versions.numbers)
        if half is None and near is not None and service not in versions.numbers:
            half = half_applied_near(near, schema)
    if release is None and near is not None and not versions.numbers:
        release, exact = near.release, near.whole
    warnings = tuple(_warnings(service, versions, release, near, half))
    return Standing(service, versions, release, exact, near, half, warnings)


def _warnings(
    service: str, versions: Versions, release: Release | None, near: Nearest | None, half: HalfApplied | None
) -> Iterable[str]:
    if not versions.numbers and not versions.revisions:
        yield f"nothing in this {service} database says its version" + (
            f"; its schema is nearest to {near.release}" if near else ""
        )
    elif release is None:
        known = ", ".join(versions.revisions) or ", ".join(f"{k} {v}" for k, v in versions.numbers.items())
        yield f"no release of {service} that dbaudit knows stands at {known}"
    explained = near is not None and half is not None and near.first <= half.step.number <= near.last
    if near is not None and near.disagrees and not explained:
        yield (
            f"the schema is nearer to {near.name} ({_count(near.distance)}) than to {near.claimed_name}"
            f" ({_count(near.claimed_distance or 0)}), at which the database says it is"
        )
    if half is not None:
        yield half.sentence


def _count(number: int) -> str:
    return "1 difference" if number == 1 else f"{number} differences"
