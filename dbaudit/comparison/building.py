"""Build a step catalogue: run the steps on an empty database, one at a time, and compare the schema after each.

What is measured is structure, and rows that a step puts into a table or takes out of it. What steps do to the rows of
a site is not seen on an empty database, and the catalogue says so.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dbaudit.comparison.side import Side
from dbaudit.errors import DbauditError, UsageError
from dbaudit.migration.command_runner import Command, CommandRunner
from dbaudit.migration.measure import Entry, entry
from dbaudit.migration.runner import Runner, RunStep, Target, version_step
from dbaudit.migration.sql_runner import SqlRunner
from dbaudit.progress import Progress, Watch, silent
from dbaudit.release import Release, release
from dbaudit.result import Status
from dbaudit.schema.alter import alter
from dbaudit.schema.alter_script import MODE
from dbaudit.schema.canon import auto_increment_value
from dbaudit.schema.model import Schema
from dbaudit.schema.read import read_live
from dbaudit.server.server import Server, quoted

# Where a tool of sqlalchemy-migrate keeps the number; on an empty database its first step makes this too.
_BOOK = "migrate_version"


@dataclass(frozen=True, slots=True)
class Building:
    """What is to be built: the service, the highest number of each release, and the schema that the steps start from.

    `start` None is an empty database; its first step is then `begin`, which is above 1 where a tool's earliest steps
    were folded into one.
    """

    service: str
    releases: Mapping[Release, int]
    start: Side | None = None
    charset: str = "utf8"
    begin: int = 1

    @property
    def first(self) -> int:
        """The number at which the start stands."""
        return self.start.versions.numbers.get(self.service, 0) if self.start else self.begin - 1


def read_releases(words: Sequence[str]) -> dict[Release, int]:
    """`havana=21` and so on, in order. Raises UsageError for another form, and for numbers that go down."""
    found: dict[Release, int] = {}
    for word in words:
        name, _, number = word.partition("=")
        if not number.isdigit():
            raise UsageError(f"--release {word} is not of the form NAME=NUMBER", "such as havana=21")
        found[release(name)] = int(number)
    found = dict(sorted(found.items()))
    if not found:
        raise UsageError("no release is named", "--release NAME=NUMBER says up to which step a release goes")
    if list(found.values()) != sorted(found.values()):
        raise UsageError("a later release has a lower number than an earlier one", "see --release")
    return found


@contextlib.contextmanager
def target(server: Server, building: Building, directory: Path) -> Iterator[Target]:
    """A database on the throwaway server that stands where the steps start."""
    database = f"dbaudit_build_{building.service}"
    server.drop_database(database)
    server.create_database(database, building.charset)
    if building.start is not None:
        _load(server, database, building)
    try:
        yield Target(server, server.restricted([database]), database, building.service, directory)
    finally:
        server.drop_database(database)


def _load(server: Server, database: str, building: Building) -> None:
    assert building.start is not None
    empty = Schema(charset=building.charset)
    goal = replace(building.start.schema, charset=None, collation=None)
    with contextlib.closing(server.admin(database)) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = %s", (MODE,))
        for statement in alter(empty, goal):
            cursor.execute(statement.sql)
        if _BOOK in goal.tables:
            columns = "(repository_id, repository_path, version)"
            for name, number in building.start.versions.numbers.items():
                cursor.execute(f"INSERT INTO {_BOOK} {columns} VALUES (%s, '', %s)", (name, number))


def runner_for(spec: str, how: Command, on: Target) -> Runner:
    """The runner of `sql:DIR` or `command:TEMPLATE`, run as `how` says. Raises UsageError for another kind."""
    kind, _, rest = spec.partition(":")
    if kind == "sql" and rest:
        return SqlRunner(Path(rest), on, limit=how.surroundings.limit)
    if kind != "command" or not rest:
        raise UsageError(f"unknown runner {spec!r}", "runners: command:TEMPLATE and sql:DIR")
    if "{phase}" in rest:
        raise UsageError(
            "a catalogue is built from numbered versions, and the runner's command has {phase}",
            "write {version} where the number goes, such as 'cinder-manage --config-file {config} db sync {version}'",
        )
    return CommandRunner(replace(how, template=rest), on)


def build(runner: Runner, building: Building, on: Target, kept: Path, watch: Watch = silent) -> Mapping[str, Any]:
    """The catalogue, in the form of `migration.catalogue`. Raises DbauditError where a step fails.

    What that step printed is then in `kept`, which outlives the directory of the target.
    """
    last = max(building.releases.values())
    steps = _steps(runner, building, last)
    entries: list[Entry] = []
    before, rows = _schema(on), _rows(on)
    for number, step in enumerate(steps):
        watch(Progress("step", number, len(steps), "steps", str(step.step)))
        outcome = runner.run(step)
        if outcome.status is not Status.OK:
            kept.mkdir(mode=0o700, parents=True, exist_ok=True)
            output = shutil.copy(outcome.output, kept)
            raise DbauditError(f"step {step.step} failed: {outcome.error}", f"all that it printed is in {output}")
        after, left = _schema(on), _rows(on)
        at = _release_of(step, building).name
        entries.append(entry(step, at, before, after, outcome.seconds, _moved(rows, left)))
        before, rows = after, left
    watch(Progress("step", len(steps), len(steps), "steps"))
    first = [building.start.reference] if building.start and building.start.reference else []
    releases = {at.name: {building.service: building.first} for at in first}
    releases |= {at.name: {building.service: number} for at, number in building.releases.items()}
    return {
        "format": 1, "service": building.service, "provenance": _provenance(building, on.server),
        "releases": releases, "steps": entries,
    }  # fmt: skip


def _steps(runner: Runner, building: Building, last: int) -> Sequence[RunStep]:
    if isinstance(runner, SqlRunner):
        return runner.pending(building.first, last)
    return [version_step(building.service, number) for number in range(building.first + 1, last + 1)]


def _release_of(step: RunStep, building: Building) -> Release:
    return min(at for at, number in building.releases.items() if int(step.argument) <= number)


def _schema(on: Target) -> Schema:
    """The tables, without counters: on an empty database they stand where they began."""
    with contextlib.closing(on.server.admin(on.database)) as connection:
        schema = read_live(connection, on.database)
    return replace(schema, tables={name: auto_increment_value.table(each) for name, each in schema.tables.items()})


def _rows(on: Target) -> dict[str, int]:
    """How many rows each table has; the book of the tool itself counts for nothing."""
    with contextlib.closing(on.server.admin(on.database)) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'")
        names = [str(row[0]) for row in cursor.fetchall() if row[0] not in (_BOOK, "alembic_version")]
        counts = {}
        for name in names:
            cursor.execute(f"SELECT COUNT(*) FROM {quoted(name)}")
            counts[name] = int((cursor.fetchone() or (0,))[0])
    return counts


def _moved(before: Mapping[str, int], after: Mapping[str, int]) -> list[tuple[str, str]]:
    """Of tables that are there afterwards: into which rows came, and out of which they went."""
    changes = [(after[table] - before.get(table, 0), table) for table in sorted(after)]
    return [("insert" if change > 0 else "delete", table) for change, table in changes if change]


def _provenance(building: Building, server: Server) -> str:
    start = building.start.operand if building.start else "an empty database"
    return (
        f"measured by running one step at a time from {start} on {server.version.name}, database charset"
        f" {building.charset}; what steps do to rows was measured only where they put rows into empty tables or"
        " took them out again"
    )


def written(catalogue: Mapping[str, Any]) -> str:
    """The catalogue as JSON with a line for each key of a step, so that a change of one fact is one line."""
    head = {key: value for key, value in catalogue.items() if key != "steps"}
    lines = json.dumps(head, indent=1).rstrip("}").rstrip() + ',\n "steps": [\n'
    steps = [",\n   ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in each.items()) for each in catalogue["steps"]]
    return lines + ",\n".join(f"  {{{each}}}" for each in steps) + "\n ]\n}\n"
