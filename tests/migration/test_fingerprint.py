"""Steps that stopped on the way: each prefix of each step's work, on schemas as they are found at sites."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache

import pytest

from dbaudit.migration import delta
from dbaudit.migration.catalogue import Catalogue, load_catalogue, reference_at
from dbaudit.migration.standing import Standing, Versions, stand
from dbaudit.migration.steps import IndexAdded, IndexDropped, StepFacts, Work
from dbaudit.schema.diff import diff
from dbaudit.schema.model import Column, Index, IndexKind, IndexPart, Schema, Table
from dbaudit.schema.render import render
from dbaudit.schema.script import read_script

SERVICES = ("keystone", "cinder", "nova", "glance")
# The last drop of nova 186 cuts an index, which the work has no line for.
UNSEEN = {("nova:186", 20)}
# Stands nearest to 55, far from the number itself: a number that is not said cannot be told there.
UNTOLD = {("keystone:61", 1), ("nova:186", 20)}


def loaded(service: str) -> Catalogue:
    catalogue = load_catalogue(service)
    assert catalogue is not None
    return catalogue


def is_done(works: tuple[Work, ...], actions: str, whats: str, table: str, name: str = "") -> bool:
    return any(
        work.action in actions.split() and work.what in whats.split("/") and work.table == table
        and (work.name or "") in (name, "") for work in works
    )  # fmt: skip


def cut(step: StepFacts, works: tuple[Work, ...]) -> StepFacts:
    """The step with the facts of these lines of its work alone."""

    def by_index(fact: IndexAdded | IndexDropped, actions: str) -> bool:
        primary = fact.index.kind is IndexKind.PRIMARY
        whats = "primary key" if primary else "index/unique"
        return is_done(works, actions, whats, fact.table, "" if primary else fact.index.name)

    def by_key(table: str, name: str, columns: tuple[str, ...], actions: str) -> bool:
        lines = tuple(work for work in works if work.what == "foreign key")
        return any(
            work.action in actions.split() and work.table == table and (work.name == name or work.columns == columns)
            for work in lines
        )

    new, gone = "add create", "drop"
    return replace(
        step,
        tables_added=tuple(e for e in step.tables_added if is_done(works, new, "table", e.table.name)),
        tables_dropped=tuple(e for e in step.tables_dropped if is_done(works, gone, "table", e)),
        columns_added=tuple(e for e in step.columns_added if is_done(works, new, "column", e.table, e.column.name)),
        columns_dropped=tuple(
            e for e in step.columns_dropped if is_done(works, gone, "column", e.table, e.column.name)
        ),
        columns_changed=tuple(
            e for e in step.columns_changed if is_done(works, "change", "column", e.table, e.after.name)
        ),
        columns_moved=tuple(e for e in step.columns_moved if is_done(works, new, "column", e.table, e.column)),
        indexes_added=tuple(e for e in step.indexes_added if by_index(e, new)),
        indexes_dropped=tuple(e for e in step.indexes_dropped if by_index(e, gone)),
        keys_added=tuple(e for e in step.keys_added if by_key(e.table, e.key.name, e.key.columns, new)),
        keys_dropped=tuple(e for e in step.keys_dropped if by_key(e.table, e.key.name, e.key.columns, gone)),
    )


Prefix = tuple[StepFacts, int, Mapping[str, int], Schema, bool]


@cache
def prefixes(service: str) -> tuple[Prefix, ...]:
    return tuple(_prefixes(service))


def _prefixes(service: str) -> Iterator[Prefix]:
    """Step, lines done, numbers before it, the schema then, and whether it is the step's whole result.

    Only those that differ from the schema before the step.
    """
    catalogue = loaded(service)
    numbers = dict(catalogue.releases[catalogue.first])
    for step in catalogue.steps:
        pristine = reference_at(service, numbers)
        assert pristine is not None
        whole = delta.apply(pristine, step)
        for length in range(1, len(step.work) + 1):
            works = step.work[:length]
            schema = delta.apply(pristine, cut(step, works))
            if works[-1].action != "rows" and (step.id, length) not in UNSEEN and diff(schema, pristine):
                yield step, length, dict(numbers), schema, not diff(schema, whole)
        numbers[step.repository] = step.number


def as_it_is(schema: Schema) -> Schema:
    return schema


def in_latin1(schema: Schema) -> Schema:
    tables = {
        name: replace(table, charset="latin1", collation=None, columns=tuple(map(inherited, table.columns)))
        for name, table in schema.tables.items()
    }
    return replace(schema, charset="latin1", collation="latin1_swedish_ci", tables=tables)


def inherited(column: Column) -> Column:
    return replace(column, charset=None, collation=None)


def with_a_sites_own(schema: Schema) -> Schema:
    own = Column("site_x", "int(11)")
    index = Index("site_i", IndexKind.PLAIN, (IndexPart("site_x"),))
    tables = {
        name: replace(table, columns=(*table.columns, own), indexes=(*table.indexes, index), comment="ours")
        for name, table in schema.tables.items()
    }
    return replace(schema, tables={**tables, "site_t": Table("site_t", (Column("id", "int(11)"),), engine="InnoDB")})


def as_a_newer_server_writes_it(schema: Schema) -> Schema:
    text = render(schema).replace("CHARSET=utf8\n", "CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci\n")
    return read_script(text.replace("int(11)", "int"))


@pytest.mark.no_cover  # the same lines, thousands of times
@pytest.mark.parametrize("found_as", [as_it_is, in_latin1, with_a_sites_own, as_a_newer_server_writes_it])
@pytest.mark.parametrize("service", SERVICES)
def test_each_prefix_of_each_steps_work_is_half_applied(service: str, found_as: Callable[[Schema], Schema]) -> None:
    """All of them as upstream has it, a draw of each other kind."""
    drawn = prefixes(service)
    if found_as is not as_it_is:
        drawn = tuple(random.Random(service).sample(drawn, min(25, len(drawn))))
    assert len(drawn) >= 20
    for step, length, numbers, schema, whole in drawn:
        half = stand(found_as(schema), Versions(numbers)).half_applied
        assert half is not None and half.step is step, (step.id, length)
        assert half.complete == whole, (step.id, length)
        assert half.number == numbers.get(step.repository, 0)
        works = step.work[:length]
        assert all(work in works for work in half.done) and not any(work in works for work in half.left)


@pytest.mark.no_cover  # the same lines, thousands of times
@pytest.mark.parametrize("service", SERVICES)
def test_a_half_applied_step_of_a_database_that_says_no_number(service: str) -> None:
    """The schema alone says it; what is a whole number's schema is called nothing else."""
    seen = 0
    for step, length, _numbers, schema, whole in prefixes(service):
        if step.repository != service or (step.id, length) in UNTOLD:
            continue
        standing = stand(schema, Versions())
        assert standing.service == service
        half = standing.half_applied
        assert half is None if whole else half is not None and half.step is step, (step.id, length)
        seen += 1
    assert seen > 15


def standing_at(service: str, number: int, said: Mapping[str, int]) -> Standing:
    schema = reference_at(service, {service: number})
    assert schema is not None
    return stand(schema, Versions(said))


def test_an_index_that_a_site_dropped_is_no_half_applied_step_of_a_silent_database() -> None:
    schema = reference_at("nova", {"nova": 216})
    assert schema is not None
    table = schema.tables["instances"]
    tables = {**schema.tables, "instances": replace(table, indexes=table.indexes[:-1])}
    assert stand(replace(schema, tables=tables), Versions()).half_applied is None


@pytest.mark.parametrize(
    ("service", "real", "said"), [("nova", 186, 161), ("cinder", 21, 41), ("glance", 22, 35), ("keystone", 44, 23)]
)
def test_a_number_that_lies_is_told_with_the_one_that_is_nearer(service: str, real: int, said: int) -> None:
    standing = standing_at(service, real, {service: said})
    assert standing.nearest is not None and standing.nearest.disagrees
    assert standing.nearest.first <= real <= standing.nearest.last
    assert any(f"than to {service} {said}" in warning for warning in standing.warnings)


def test_an_extension_that_stopped_on_its_way_with_and_without_its_row() -> None:
    schema, consumer = (reference_at("keystone", {"keystone": 44, "oauth1": number}) for number in (0, 4))
    assert schema is not None and consumer is not None
    half = replace(schema, tables={**schema.tables, "consumer": consumer.tables["consumer"]})
    for said in ({"keystone": 44}, {"keystone": 44, "oauth1": 0}):
        found = stand(half, Versions(said)).half_applied
        assert found is not None and (found.step.id, found.complete) == ("oauth1:1", False)
