"""What a schema says about where it stands: the nearest migration number, and a step that was done in part.

DDL is not transactional in MySQL: a step that fails leaves what it did, and the number stays at the step
before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from dbaudit.migration.catalogue import Catalogue, load_catalogue, normal, reference_at
from dbaudit.migration.effects import State, states
from dbaudit.migration.steps import StepFacts, Work
from dbaudit.migration.way import way
from dbaudit.release import Release
from dbaudit.schema.canon import canonical
from dbaudit.schema.model import Schema, Table
from dbaudit.schema.table_diff import diff_tables


@dataclass(frozen=True, slots=True)
class Nearest:
    """The migration numbers whose schema is nearest, of the service's main repository.

    Steps that change nothing make a range, `first` to `last`. `distance` counts the differences that are no
    mere names or orders; `claimed` is the number that the database says, with its own distance, None where
    it says none or one that is not known. `release` is the last that `last` has reached.
    """

    repository: str
    first: int
    last: int
    distance: int
    release: Release
    claimed: int | None = None
    claimed_distance: int | None = None

    @property
    def whole(self) -> bool:
        """Whether the schema is exactly that of `release`."""
        catalogue = load_catalogue(self.repository)
        numbers = catalogue.releases[self.release] if catalogue else {}
        return self.distance == 0 and self.first <= numbers.get(self.repository, -1) <= self.last

    @property
    def disagrees(self) -> bool:
        """Whether another number fits the schema better than the claimed one."""
        return self.claimed_distance is not None and self.claimed_distance > self.distance

    @property
    def name(self) -> str:
        """The numbers for people, `cinder 10` or `nova 162 to 171`."""
        return f"{self.repository} {self.first}" + (f" to {self.last}" if self.last != self.first else "")

    @property
    def claimed_name(self) -> str:
        """The claimed number for people."""
        return f"{self.repository} {self.claimed}"


@dataclass(frozen=True, slots=True)
class HalfApplied:
    """A step whose number is not reached and whose objects are there, in part or (`complete`) all of them.

    `number` is where its repository stands. `done`, `left` and `unclear` hold its work in order; what is done to rows
    is always unclear.
    """

    step: StepFacts
    number: int
    done: tuple[Work, ...]
    left: tuple[Work, ...]
    unclear: tuple[Work, ...]

    @property
    def complete(self) -> bool:
        """Whether all of the structure is there: the step ran whole and was not counted, or somebody made
        it by hand.
        """
        return not self.left

    @property
    def stops(self) -> bool:
        """Whether all that is done comes before all that is left, as after a step that failed."""
        return not self.left or self.step.work.index(self.done[-1]) < self.step.work.index(self.left[0])

    @property
    def sentence(self) -> str:
        """What is the case, for people."""
        if self.complete:
            return f"all that step {self.step.id} makes is there already, though the version is {self.number}"
        done = "; ".join(work.text for work in self.done)
        left = "; ".join(work.text for work in self.left)
        return f"step {self.step.id} is half applied: done are {done}; not done are {left}"


def nearest(service: str, schema: Schema, versions: Mapping[str, int] | None = None) -> Nearest | None:
    """The numbers whose schema is nearest to this one, None for a service without a catalogue.

    Other repositories of the service (extensions) are taken to stand where `versions` says.
    """
    catalogue = load_catalogue(service)
    if catalogue is None:
        return None
    versions = normal(versions or {})
    distances: dict[int, int] = {}
    for number, distance in _distances(catalogue, canonical(schema), versions):
        distances[number] = min(distance, distances.get(number, distance))
    if not distances:
        return None
    best = min(distances.values())
    numbers = [number for number, distance in distances.items() if distance == best]
    claimed = versions.get(_main(catalogue))
    if claimed is not None and claimed not in distances:
        claimed = None
    numbers = _run_with(numbers, claimed if claimed in numbers else numbers[0], list(distances))
    reached = [at for at, each in catalogue.releases.items() if each[_main(catalogue)] <= numbers[-1]]
    return Nearest(
        repository=_main(catalogue),
        first=numbers[0],
        last=numbers[-1],
        distance=best,
        release=max(reached),
        claimed=claimed,
        claimed_distance=distances[claimed] if claimed is not None else None,
    )


def _run_with(numbers: list[int], wanted: int, order: list[int]) -> list[int]:
    """The numbers that stand together with `wanted` in `order`, without a gap."""
    run = [wanted]
    place = order.index(wanted)
    for number in order[place + 1 :]:
        if number not in numbers:
            break
        run.append(number)
    for number in reversed(order[:place]):
        if number not in numbers:
            break
        run.insert(0, number)
    return run


def _main(catalogue: Catalogue) -> str:
    return catalogue.service


def _distances(catalogue: Catalogue, schema: Schema, versions: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    """Each number of the main repository with the distance of its schema, in order.

    A number comes twice where db sync does other work after its step. Only the tables that a step touches are compared
    again.
    """
    extensions = tuple(sorted((name, at) for name, at in versions.items() if name != _main(catalogue)))
    far = dict.fromkeys(schema.tables, 1)
    for number, tables in way(catalogue.service, extensions, silent=not versions):
        for name, table in tables.items():
            far[name] = _distance(table, schema.tables.get(name))
        yield number, sum(far.values())


def _distance(table: Table | None, actual: Table | None) -> int:
    """How many differences there are; a whole table that is too much or too little counts as one."""
    if table is None or actual is None:
        return int(table is not actual)
    return _cached_distance(table, actual)


@lru_cache(maxsize=4096)
def _cached_distance(table: Table, actual: Table) -> int:
    if table == actual:
        return 0
    return sum(not difference.harmless for difference in diff_tables(table, actual))


def half_applied(service: str, schema: Schema, versions: Mapping[str, int]) -> HalfApplied | None:
    """The next step of any repository, where some of what it makes is there already; else None.

    What is there on an untouched database of these numbers too is no sign. None where the numbers are not
    known. A repository without a row has run nothing.
    """
    catalogue, pristine = load_catalogue(service), reference_at(service, versions)
    if catalogue is None or pristine is None:
        return None
    versions = normal(versions)
    plain, before = canonical(schema), canonical(pristine)
    for name in dict.fromkeys(step.repository for step in catalogue.steps):
        number = versions.get(name, 0)
        step = next((s for s in catalogue.steps if s.repository == name and s.number > number), None)
        found = _half(step, number, plain, before) if step is not None else None
        if found is not None:
            return found
    return None


def half_applied_near(near: Nearest, schema: Schema) -> HalfApplied | None:
    """A step that was done in part, in a database that does not say its number.

    Steps about the nearest numbers are looked at. Only one whose work stops at one place counts: what is missing in
    its midst is a site's own drift.
    """
    for number in range(near.last + 1, near.first - 2, -1):
        found = half_applied(near.repository, schema, {near.repository: number})
        if found is not None and not found.complete and found.stops:
            return found
    return None


def _half(step: StepFacts, number: int, schema: Schema, pristine: Schema) -> HalfApplied | None:
    before = states(step, pristine)
    now = states(step, schema)
    done, left, unclear = [], [], []
    for work, old, new in zip(step.work, before, now, strict=True):
        if new is State.DONE and old is not State.DONE:
            done.append(work)
        elif new is State.OPEN:
            left.append(work)
        else:
            unclear.append(work)
    return HalfApplied(step, number, tuple(done), tuple(left), tuple(unclear)) if done else None
