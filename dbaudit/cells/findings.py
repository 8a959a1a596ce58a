"""Faults as findings: one a thing, or one a database and group with many; what is in flight apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import groupby

from dbaudit.cells.fault import Fault, Kind
from dbaudit.cells.instant import Flight, Horizon
from dbaudit.finding import Effect, Finding, Severity, step

# Liberty's script that refuses to run while flavors stand in system metadata.
LIBERTY = 291


def findings(faults: Iterable[Fault], horizon: Horizon, kinds: Mapping[str, Kind]) -> tuple[Finding, ...]:
    """The findings, in the order of the kinds, then of the databases. `keys` are never cut."""
    order = {kind: number for number, kind in enumerate(kinds)}
    unique = {fault.identity: fault for fault in faults}

    def place(fault: Fault) -> tuple[object, ...]:
        return order[fault.kind], fault.database, *_part(fault, kinds)

    ordered = sorted(unique.values(), key=lambda fault: (*place(fault), fault.key))
    found: list[Finding] = []
    for _, group in groupby(ordered, key=place):
        same = list(group)
        for flight in Flight:
            if those := [fault for fault in same if horizon.judge(fault.newest) is flight]:
                found.append(_SAID[flight](_finding(those, kinds[those[0].kind])))
    return tuple(found)


def _part(fault: Fault, kinds: Mapping[str, Kind]) -> tuple[str, str]:
    """What else tells apart findings of a kind in a database: the cause for instances, the flavor otherwise."""
    return (fault.group, "") if kinds[fault.kind].many else (fault.key, fault.group)


def _finding(faults: list[Fault], kind: Kind) -> Finding:
    first = faults[0]
    facts = {"database": first.database, **(_instances(faults) if kind.many else first.facts)}
    keys = tuple(fault.key for fault in faults if fault.key)
    count = len(faults) if kind.many else int(first.facts.get("instances") or 1) if not keys else 1
    return Finding(
        first.kind, kind.severity, kind.effect, kind.object, _sentence(kind, first, len(faults)),
        step("nova", LIBERTY) if kind.effect is Effect.BLOCKS else None, count=count, keys=keys, facts=facts,
        remedy=kind.remedy,
    )  # fmt: skip


def _instances(faults: list[Fault]) -> dict[str, object]:
    found: dict[str, object] = {"instances": {fault.key: dict(fault.facts) for fault in faults if fault.facts}}
    return {**found, "cause": faults[0].group} if faults[0].group else found


def _sentence(kind: Kind, fault: Fault, count: int) -> str:
    own = {"database": fault.database, "key": fault.key, "group": fault.group}
    facts = {**own, **fault.facts} if not kind.many else {**fault.facts, **own, "count": f"{count:,}"}
    said = kind.sentence.format(**facts)
    if count == 1:
        said = said.replace("1 live instances ", "1 live instance ").replace("1 instances ", "1 instance ")
    return said


def _in_flight(finding: Finding) -> Finding:
    """The same, of what changed so lately that a message may be under way."""
    return Finding(
        finding.check, Severity.NOTE, Effect.ADVICE, finding.object,
        f"in flight, not drift: {finding.message}; the rows changed so shortly before one of the databases was read "
        "that the other may not have heard of it", count=finding.count, keys=finding.keys,
        facts={**finding.facts, "in_flight": True}, remedy="look again later",
    )  # fmt: skip


def _perhaps_in_flight(finding: Finding) -> Finding:
    """The same, of what is drift or in flight: the zone of a dump's date would tell."""
    return replace(
        finding, severity=Severity.NOTE if finding.severity is Severity.NOTE else Severity.WARNING, effect=Effect.DRIFT,
        step=None, facts={**finding.facts, "in_flight": "perhaps"},
        message=f"drift, or in flight: {finding.message}; a dump does not say in what zone its date is",
        remedy="say it with --dump-zone, or look at the live databases",
    )  # fmt: skip


_SAID: Mapping[Flight, Callable[[Finding], Finding]] = {
    Flight.NO: lambda finding: finding,
    Flight.PERHAPS: _perhaps_in_flight,
    Flight.YES: _in_flight,
}
