"""One instance at the top and in its cell: the columns, block devices and metadata that are not the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dbaudit.cells.fault import Fault
from dbaudit.cells.instant import newest
from dbaudit.cells.mirrored import DEVICE, METADATA, SYSTEM, Mirror

_ABSENT = "\0"  # no value that a row can hold


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """A live block device of a volume, ordered by its age."""

    id: int
    uuid: str
    device: str
    newest: str | None


def uses(uuid: str, found: Mirror) -> Iterator[tuple[str, Use]]:
    """The volumes of an instance."""
    for key, row in found.devices.items():
        if row.get("volume_id"):
            yield str(row["volume_id"]), Use(found.ids[key], uuid, key, newest(found.newest, found.times[key]))


def with_volumes(volumes: Mapping[str, Sequence[Use]], faults: Sequence[Fault], label: str) -> Iterator[Fault]:
    """`faults` and those of volumes that several instances have in the cell, and not at the top.

    Of such a volume the later block devices are told with it, not once more as devices that only the cell has.
    """
    only = {
        (fault.key, device)
        for fault in faults
        if fault.kind == "cells.device-only-in-cell"
        for device in fault.facts["devices"]
    }
    twice = {
        volume: sorted(where)
        for volume, where in volumes.items()
        if len({use.uuid for use in where}) > 1 and any((use.uuid, use.device) in only for use in where)
    }
    later = {(use.uuid, use.device) for where in twice.values() for use in where[1:]}
    for fault in faults:
        told = fault.kind == "cells.device-only-in-cell" and all(
            (fault.key, device) in later for device in fault.facts["devices"]
        )
        if not told:
            yield fault
    for volume, where in twice.items():
        shown = ", ".join(f"{use.uuid} as {use.device}" for use in where)
        facts = {"shown": shown, "count": len(where), "uuids": {use.uuid: use.device for use in where}}
        yield Fault("cells.volume-twice", label, volume, newest(*(use.newest for use in where)), facts=facts)


@dataclass(frozen=True, slots=True)
class Pair:
    """An instance, the labels of the two databases, and when its rows last changed in either."""

    uuid: str
    top: str
    cell: str
    newest: str | None

    def fault(self, kind: str, group: str = "", times: Iterable[str | None] = (), **facts: object) -> Fault:
        """A fault of this instance; `times` are of further rows that it is about."""
        latest = newest(self.newest, *times)
        return Fault(kind, self.cell, self.uuid, latest, group, {"reference": self.top, **facts})


def judge_pair(uuid: str, above: Mirror | None, below: Mirror, top: str, cell: str) -> Iterator[Fault]:
    """The faults of one instance that the cell has; `above` is None where the top has it not."""
    pair = Pair(uuid, top, cell, newest(below.newest, above.newest if above else None))
    if above is None or above.state != "live":
        if below.state == "live":
            yield pair.fault("cells.only-in-cell" if above is None else "cells.deleted-at-top")
        return
    if below.state != "live":
        yield pair.fault("cells.deleted-in-cell")
        return
    for column, value in above.columns.items():
        if value != below.columns[column]:
            yield pair.fault("cells.differs", column, top=_short(value), cell=_short(below.columns[column]))
    yield from _devices(above, below, pair)
    for kind, mark, mine, theirs in (
        ("cells.metadata-differs", METADATA, above.metadata, below.metadata),
        ("cells.system-metadata-differs", SYSTEM, above.system, below.system),
    ):
        keys = sorted(
            key for key in {*mine, *theirs} if (key in mine, mine.get(key)) != (key in theirs, theirs.get(key))
        )
        if keys:
            times = [side.times.get(key) for side in (above, below) for key in keys]
            yield pair.fault(kind, times=[*times, *_gone(mark, above, below)], keys=keys)


def _gone(mark: int, above: Mirror, below: Mirror) -> Iterator[str | None]:
    """When rows of such parts were last deleted on either side: what only one side has may be what the other lost."""
    return (side.gone.get(mark) for side in (above, below))


def _devices(above: Mirror, below: Mirror, pair: Pair) -> Iterator[Fault]:
    for kind, mine, theirs in (
        ("cells.device-only-at-top", above, below),
        ("cells.device-only-in-cell", below, above),
    ):
        only = sorted(set(mine.devices) - set(theirs.devices))
        if only:
            times = [mine.times[key] for key in only]
            yield pair.fault(kind, times=[*times, *_gone(DEVICE, above, below)], devices=only)
    differing: dict[str, list[str]] = {}
    for key in sorted(set(above.devices) & set(below.devices)):
        for column, value in above.devices[key].items():
            if not _same(value, below.devices[key][column]):
                differing.setdefault(column, []).append(key)
    for column, keys in differing.items():
        times = [side.times[key] for side in (above, below) for key in keys]
        yield pair.fault("cells.device-differs", column, times, devices=keys)


def _same(one: str | None, other: str | None) -> bool:
    """Whether two values are equal, JSON as parsed."""
    if one == other or one is None or other is None or one[:1] not in "{[":
        return one == other
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


def _short(value: str | None) -> str | None:
    return value if value is None or len(value) <= 60 else f"{value[:57]}..."
