"""The step catalogue: what every migration step of a service does, and which schema that makes.

Steps are data, in `checks/<service>/steps.json`:

    {"format": 1, "service": "cinder", "provenance": "...",
     "releases": {"grizzly": {"cinder": 9}, ...},     highest number of each repository that db sync reaches
     "steps": [{"step": "cinder:10", "file": "010_add_transfers_table.py", "release": "havana", ...}]}

in the order in which db sync runs them. A step's other keys are those of `steps.StepFacts`; a key that is absent
means nothing of the kind. Definitions are SQL, read by the reader that reads dumps: `add_tables` [{sql, origins}],
`add_columns` [{table, sql, after}], `drop_columns` [{table, sql}], `rename_columns` [{table, old, new}],
`change_columns` [{table, before, after}], `move_columns` [{table, column, after}], `add_indexes` and `drop_indexes`
[{table, sql, origins}], `add_keys` and `drop_keys` [{table, sql, origins}], `drop_tables` [name], `by_name`
[{kind, table, name, required}], `looked_up` [{kind, table, name, how}], `work` [line], `rows` {writes, why, changed,
one_by_one}; `change_options`, `add_checks`, `drop_checks`, `add_objects` and `drop_objects` are those of
`others`. A table of `add_tables` without DEFAULT CHARSET gets the database's.

Running steps is not done here, see `runner`; reading versions out of a database is in `standing`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from dbaudit import packs
from dbaudit.errors import DbauditError
from dbaudit.migration import delta
from dbaudit.migration.facts import read_facts
from dbaudit.migration.steps import StepFacts
from dbaudit.release import Release, release
from dbaudit.schema.model import Schema
from dbaudit.schema.script import read_script

# repository_id as it stands in migrate_version, where the name in step ids is another one.
_REPOSITORIES = {"Glance Migrations": "glance"}


def repository(row_id: str) -> str:
    """The name in step ids of what stands in migrate_version as repository_id."""
    return _REPOSITORIES.get(row_id, row_id)


def repository_id(name: str) -> str:
    """What stands in migrate_version for the name that a repository has in step ids."""
    return next((each for each, other in _REPOSITORIES.items() if other == name), name)


@dataclass(frozen=True)
class Catalogue:
    """The steps of one service in the order of db sync, and the numbers at each release.

    `outside` is work that db sync does besides the scripts: it has no row in migrate_version and is no step.
    """

    service: str
    steps: tuple[StepFacts, ...]
    outside: tuple[StepFacts, ...]
    releases: Mapping[Release, Mapping[str, int]]

    @property
    def first(self) -> Release:
        """The release whose schema the steps start from."""
        return min(self.releases)

    @property
    def last(self) -> Release:
        """The newest release that the catalogue knows."""
        return max(self.releases)

    def covers(self, versions: Mapping[str, int]) -> bool:
        """Whether the catalogue knows the way from these numbers on: none is before its first or after its last."""
        first, last = self.releases[self.first], self.releases[self.last]
        known = {*first, *last, *self._repositories()}
        versions = {name: number for name, number in normal(versions).items() if name in known}
        return all(versions.get(name, -1) >= number for name, number in first.items()) and all(
            number <= last.get(name, 0) for name, number in versions.items()
        )

    def step(self, wanted: str) -> StepFacts | None:
        """The step with this id, `cinder:11`."""
        return next((step for step in self.steps if step.id == wanted), None)

    def pending(self, versions: Mapping[str, int], target: Release) -> tuple[StepFacts, ...]:
        """The steps that a db sync to `target`, release by release, runs on a database with these numbers.

        A repository without a row has run none of its steps beyond those of the first release.
        """
        versions = {**dict.fromkeys(self._repositories(), 0), **self.releases[self.first], **normal(versions)}
        return tuple(step for step in self.steps if step.release <= target and step.number > versions[step.repository])

    def _repositories(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(step.repository for step in self.steps))

    def done(self, versions: Mapping[str, int]) -> tuple[StepFacts, ...]:
        """The steps between the first release and these numbers, in order, work outside of steps included."""
        versions = normal(versions)
        done = []
        for step in self.steps:
            if step.number <= versions.get(step.repository, 0):
                done.append(step)
                done.extend(
                    work for work in self.outside if (work.repository, work.number) == (step.repository, step.number)
                )
        return tuple(done)

    def apply(self, schema: Schema, step: StepFacts) -> Schema:
        """The schema after one step. What is there already is kept, what is absent needs no drop."""
        return delta.apply(schema, step)


def normal(versions: Mapping[str, int]) -> dict[str, int]:
    """Numbers by the names of repositories that step ids use."""
    return {repository(name): number for name, number in versions.items()}


@cache
def load_catalogue(service: str) -> Catalogue | None:
    """The catalogue of a service, None where none is shipped. Raises DbauditError for a file that is broken."""
    path = packs.find(service, "steps.json")
    return _load(service, path) if path is not None else None


def _load(service: str, path: Path) -> Catalogue:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        facts = tuple(read_facts(entry) for entry in content["steps"])
        releases = {release(name): dict(numbers) for name, numbers in content["releases"].items()}
    except (ValueError, KeyError, TypeError) as error:
        raise DbauditError(f"{path}: not a step catalogue: {error!r}", "see dbaudit/migration/catalogue.py") from error
    return Catalogue(
        service=service,
        steps=tuple(step for step in facts if not step.outside),
        outside=tuple(step for step in facts if step.outside),
        releases=releases,
    )


@cache
def reference(service: str, at: Release) -> Schema | None:
    """The schema that upstream makes at a release, None where none is shipped."""
    path = packs.find(service, f"schema/{at}.sql")
    if path is None:
        return None
    # The services ask for their tables by these names, in this case.
    return replace(read_script(path.read_text(encoding="utf-8")), name=service, lower_case_table_names=0)


def reference_at(service: str, versions: Mapping[str, int]) -> Schema | None:
    """The schema that upstream makes at these migration numbers: the first reference and all deltas up to them.

    None where nothing is shipped, or for numbers that the catalogue does not cover.
    """
    catalogue = load_catalogue(service)
    if catalogue is None or not catalogue.covers(versions):
        return None
    return _at(service, tuple(sorted(normal(versions).items())))


@cache
def _at(service: str, versions: tuple[tuple[str, int], ...]) -> Schema | None:
    catalogue = load_catalogue(service)
    schema = reference(service, catalogue.first) if catalogue else None
    if catalogue is None or schema is None:
        return None
    for step in catalogue.done(dict(versions)):
        schema = catalogue.apply(schema, step)
    return schema
