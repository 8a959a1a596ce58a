"""`flavors check`: one top database and its cells, read side by side, and everything that they do not agree on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from dbaudit.cells import instant
from dbaudit.cells.blind import blind
from dbaudit.cells.fault import Fault
from dbaudit.cells.findings import findings
from dbaudit.cells.looking import Looking, confirmed, database_of, demand
from dbaudit.cells.parallel import each
from dbaudit.cells.source import labels
from dbaudit.cells.store import Lookup
from dbaudit.comparison.side import Side
from dbaudit.flavors import kilo, modern
from dbaudit.flavors.definitions import Member, absent, compare
from dbaudit.flavors.fault import KINDS, NEEDED
from dbaudit.flavors.gather import Gathered, Instance, gather, instance, instances
from dbaudit.flavors.instance import Found, flavorid_of, judge, judge_pair
from dbaudit.result import Result


@dataclass(frozen=True, slots=True)
class Judged:
    """What one database's instances say."""

    faults: tuple[Fault, ...]
    used: Counter[str]
    pointed: Counter[int]


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at all databases saw."""

    gathered: tuple[Gathered, ...]
    judged: tuple[Judged, ...]
    faults: tuple[Fault, ...]


def check(sides: Sequence[Side], looking: Looking) -> Result:
    """The result of comparing the top (the first side) with its cells."""
    if modern.is_modern(sides):
        return modern.check(sides, looking)
    demand(sides)
    first = look(sides, looking)
    unseen = blind(sides, labels(sides), NEEDED)
    faults = confirmed(
        unseen.seen(first.faults), sides, looking, lambda uuids: look(sides, looking, uuids, first).faults
    )
    instants = [one.instant for one in first.gathered]
    found = findings(faults, instant.horizon(instants), KINDS)
    said = instant.notes([one.label for one in first.gathered], instants)
    taken = {one.label: instant.shown(one.instant) for one in first.gathered}
    return Result(
        "flavors check", unseen.verdict(found), databases=tuple(map(database_of, sides)), findings=found,
        skipped=unseen.skipped, notes=said, extra={"as_of": taken},
    )  # fmt: skip


def look(
    sides: Sequence[Side], looking: Looking, uuids: frozenset[str] | None = None, before: Look | None = None
) -> Look:
    """Everything that is wrong at this instant; of the instances `uuids` alone after a look `before`."""
    files = [looking.folder / f"{'second' if before else 'first'}-{number}.sqlite" for number in range(len(sides))]
    named = zip(sides, labels(sides), files, strict=True)
    tasks = [(side, name, file, uuids, looking.zone) for side, name, file in named]
    gathered = tuple(each(gather, tasks, looking.jobs, "read", looking.watch))
    missing = absent([one.definitions for one in gathered])
    pairs = [(one, None if number == 0 else gathered[0], missing[number]) for number, one in enumerate(gathered)]
    judged = tuple(each(judge_database, pairs, looking.jobs, "compare", looking.watch))
    counts = before.judged if before else judged
    members = [
        Member(one.label, one.definitions, found.used, found.pointed)
        for one, found in zip(gathered, counts, strict=True)
    ]
    faults = (*compare(members[0], members[1:]), *(fault for found in judged for fault in found.faults))
    for file in files:
        file.unlink()
    return Look(gathered, judged, faults)


def judge_database(own: Gathered, top: Gathered | None, missing: frozenset[str]) -> Judged:
    """The faults of one database's instances: alone, and against the top where it is a cell."""
    faults: list[Fault] = []
    used: Counter[str] = Counter()
    pointed: Counter[int] = Counter()
    migration = kilo.Migration(own.definitions) if own.kilo else None
    with closing(Lookup(top.path if top else own.path)) as lookup:
        for each_one in instances(own.path):
            other = instance(each_one.uuid, lookup.find(each_one.uuid)) if top else None
            twin = other if other is not None and other.live and each_one.live else None
            if migration is not None:
                faults += _told(own, each_one, None, migration.faults(each_one))
            if not each_one.live:
                continue
            known = flavorid_of(twin, top.definitions) if top and twin else None
            faults += _told(own, each_one, None, judge(each_one, own.definitions, missing, known))
            if top and twin:
                pair = judge_pair(twin, each_one, top.definitions, own.definitions)
                faults += _told(own, each_one, twin, pair, top.label)
            if (flavorid := flavorid_of(each_one, own.definitions)) is not None:
                used[flavorid] += 1
            if each_one.type_id is not None:
                pointed[int(each_one.type_id)] += 1
    return Judged(tuple(faults), used, pointed)


def _told(
    own: Gathered, instance: Instance, twin: Instance | None, found: Iterable[Found], reference: str = ""
) -> Iterator[Fault]:
    latest = instant.newest(instance.newest, twin.newest if twin else None)
    for kind, facts in found:
        cause = str(facts.pop("cause", ""))
        told = {**facts, "reference": reference} if reference else facts
        yield Fault(kind, own.label, instance.uuid, latest, cause, told)
