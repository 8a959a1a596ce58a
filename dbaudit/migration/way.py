"""The schemas of a service on its way through its migration numbers, each as what is other than before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from dbaudit.migration.catalogue import Catalogue, load_catalogue, reference
from dbaudit.migration.steps import StepFacts
from dbaudit.schema.canon import canonical_table
from dbaudit.schema.model import Table


@lru_cache(maxsize=64)
def way(
    service: str, extensions: tuple[tuple[str, int], ...], *, silent: bool
) -> tuple[tuple[int, Mapping[str, Table | None]], ...]:
    """Each number of the main repository with the canonical tables that are others there, None for one that is gone.

    The first has all of them. Extensions stand at these numbers; of a database that is `silent` about its numbers their
    steps are on the way too.
    """
    catalogue = load_catalogue(service)
    at = reference(service, catalogue.first) if catalogue else None
    if catalogue is None or at is None:
        return ()
    main, said = catalogue.service, dict(extensions)
    for step in catalogue.steps:
        if step.repository != main and step.number <= said.get(step.repository, 0):
            at = catalogue.apply(at, step)
    number = catalogue.releases[catalogue.first][main]
    found: list[tuple[int, Mapping[str, Table | None]]] = [(number, _touched({}, at.tables))]
    for step in _chain(catalogue, silent=silent):
        before, at = at, catalogue.apply(at, step)
        number = step.number if step.repository == main else number
        found.append((number, _touched(before.tables, at.tables)))
    return tuple(found)


def _touched(before: Mapping[str, Table], after: Mapping[str, Table]) -> dict[str, Table | None]:
    touched: dict[str, Table | None] = dict.fromkeys(before.keys() - after.keys())
    for name, table in after.items():
        if before.get(name) is not table:
            touched[name] = canonical_table(table)
    return touched


def _chain(catalogue: Catalogue, *, silent: bool) -> Iterator[StepFacts]:
    """The steps of the main repository, of all repositories where the database says nothing, and work outside."""
    for step in catalogue.steps:
        if step.repository == catalogue.service or silent:
            yield step
            yield from (work for work in catalogue.outside if work.id == step.id)
