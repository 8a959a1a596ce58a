"""`flavors check`: one top database and its cells, read side by side, and everything that they do not agree on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dbaudit.cells import instant
from dbaudit.cells.parallel import each
from dbaudit.cells.source import is_live, labels
from dbaudit.comparison.side import Side
from dbaudit.errors import UsageError
from dbaudit.finding import verdict
from dbaudit.flavors import kilo
from dbaudit.flavors.definitions import Member, absent, compare
from dbaudit.flavors.fault import Fault
from dbaudit.flavors.findings import findings
from dbaudit.flavors.gather import Gathered, Instance, Lookup, gather, instances
from dbaudit.flavors.instance import Found, flavorid_of, judge, judge_pair
from dbaudit.progress import Watch, silent
from dbaudit.result import DatabaseResult, Result


@dataclass(frozen=True, slots=True)
class Looking:
    """How to look: a folder for files, processes, seconds until the second look (0: none), who hears of progress."""

    folder: Path
    jobs: int = 1
    again: float = instant.SECOND_LOOK
    watch: Watch = silent
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Judged:
    """What one database's instances say."""

    faults: tuple[Fault, ...]
    used: Counter[str]
    pointed: Counter[int]


def check(sides: Sequence[Side], looking: Looking) -> Result:
    """The result of comparing the top (the first side) with its cells."""
    _demand(sides)
    gathered, faults = _look(sides, looking, None)
    live = any(map(is_live, sides))
    if live and faults and looking.again > 0:
        looking.sleep(looking.again)
        uuids = frozenset(fault.key for fault in faults)
        again = {fault.identity for fault in _look(sides, looking, uuids)[1]}
        faults = [fault for fault in faults if fault.identity in again]
    instants = [one.instant for one in gathered]
    found = findings(faults, instant.horizon(instants))
    said = instant.notes([one.label for one in gathered], instants)
    taken = {one.label: instant.shown(one.instant) for one in gathered}
    return Result(
        "flavors check", verdict(found), databases=tuple(map(database_of, sides)), findings=found, notes=said,
        extra={"as_of": taken},
    )  # fmt: skip


def database_of(side: Side) -> DatabaseResult:
    """A side as the envelope has it."""
    return DatabaseResult(
        side.schema.name, side.operand, side.service, None if side.release is None else side.release.name,
        side.versions.numbers, side.server, side.complete, len(side.schema.tables), None, side.bytes,
    )  # fmt: skip


def _demand(sides: Sequence[Side]) -> None:
    if len(sides) < 2:
        raise UsageError("one database alone has nothing to agree with", "name the top database, then its cells")
    for side in sides:
        if "instances" not in side.schema.tables and "flavors" not in side.schema.tables:
            raise UsageError(f"{side.label} is no nova database: it has no table instances", "name nova's databases")
    if len(set(labels(sides))) < len(sides):
        raise UsageError("a database is named twice", "name the top database, then each cell once")


def _look(sides: Sequence[Side], looking: Looking, uuids: frozenset[str] | None) -> tuple[list[Gathered], list[Fault]]:
    """Everything that is wrong at this instant, of the instances `uuids` alone where they are given."""
    look = "first" if uuids is None else "second"
    files = [looking.folder / f"{look}-{number}.sqlite" for number in range(len(sides))]
    tasks = [(side, name, file, uuids) for side, name, file in zip(sides, labels(sides), files, strict=True)]
    gathered = list(each(gather, tasks, looking.jobs, "read", looking.watch))
    missing = absent([one.definitions for one in gathered])
    pairs = [(one, None if number == 0 else gathered[0], missing[number]) for number, one in enumerate(gathered)]
    judged = list(each(judge_database, pairs, looking.jobs, "compare", looking.watch))
    members = [
        Member(one.label, one.definitions, found.used, found.pointed)
        for one, found in zip(gathered, judged, strict=True)
    ]
    faults = [*compare(members[0], members[1:]), *(fault for found in judged for fault in found.faults)]
    for file in files:
        file.unlink()
    return gathered, faults


def judge_database(own: Gathered, top: Gathered | None, missing: frozenset[str]) -> Judged:
    """The faults of one database's instances: alone, and against the top where it is a cell."""
    faults: list[Fault] = []
    used: Counter[str] = Counter()
    pointed: Counter[int] = Counter()
    migration = kilo.Migration(own.definitions) if own.kilo else None
    with closing(Lookup(top.path if top else own.path)) as lookup:
        for instance in instances(own.path):
            other = lookup.find(instance.uuid) if top else None
            twin = other if other is not None and other.live and instance.live else None
            if migration is not None:
                faults += _told(own, instance, None, migration.faults(instance))
            if not instance.live:
                continue
            known = flavorid_of(twin, top.definitions) if top and twin else None
            faults += _told(own, instance, None, judge(instance, own.definitions, missing, known))
            if top and twin:
                pair = judge_pair(twin, instance, top.definitions, own.definitions)
                faults += _told(own, instance, twin, pair, top.label)
            if (flavorid := flavorid_of(instance, own.definitions)) is not None:
                used[flavorid] += 1
            if instance.type_id is not None:
                pointed[int(instance.type_id)] += 1
    return Judged(tuple(faults), used, pointed)


def _told(
    own: Gathered, instance: Instance, twin: Instance | None, found: Iterable[Found], reference: str = ""
) -> Iterator[Fault]:
    latest = instant.newest(instance.newest, twin.newest if twin else None)
    for kind, facts in found:
        cause = str(facts.pop("cause", ""))
        told = {**facts, "reference": reference} if reference else facts
        yield Fault(kind, own.label, instance.uuid, latest, cause, told)
