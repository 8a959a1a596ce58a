"""What a check needs of one database, in a file of its own: instances by uuid with what they embed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from dbaudit.cells.instant import Instant, newest
from dbaudit.cells.source import Only, Source, opened
from dbaudit.cells.store import Part, keep, things
from dbaudit.comparison.side import Side
from dbaudit.flavors.embedded import LIVE_PARTS, Embedded, is_part, read_embedded
from dbaudit.flavors.flavor import TIMES, Definitions, read_definitions

SIZES = ("vcpus", "memory_mb", "root_gb", "ephemeral_gb")
_COLUMNS = ("uuid", "id", "deleted", "instance_type_id", *SIZES, "vm_state", "task_state", "cell_name", *TIMES)
_OWN, _METADATA, _EXTRA = 0, 1, 2  # marks of what a part is


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance that is not reclaimed. `live` is False for one that is only marked, as Liberty's script counts it."""

    uuid: str
    number: int  # its id
    live: bool
    type_id: str | None
    sizes: tuple[str | None, ...]
    vm_state: str | None
    task_state: str | None
    newest: str | None
    embedded: Embedded


@dataclass(frozen=True, slots=True)
class Gathered:
    """One database, ready to be judged."""

    label: str
    path: Path
    instant: Instant
    definitions: Definitions
    kilo: bool  # instance_extra.flavor exists
    version: int | None  # nova's migration number


def gather(
    side: Side, label: str, path: Path, uuids: frozenset[str] | None = None, zone: tzinfo | None = None
) -> Gathered:
    """Read a database into the file `path`; only the instances of `uuids` where that is given."""
    with opened(side, zone) as source:
        keep(path, _parts(source, uuids))
        kilo = "flavor" in source.tables.get("instance_extra", ())
        number = side.versions.numbers.get("nova")
        definitions = read_definitions(source)
        return Gathered(label, path, source.instant, definitions, kilo, number)


def instances(path: Path) -> Iterator[Instance]:
    """The instances of a gathered database, by uuid."""
    for uuid, parts in things(path):
        if (found := instance(uuid, parts)) is not None:
            yield found


def _parts(source: Source, uuids: frozenset[str] | None) -> Iterator[tuple[str, Part]]:
    """Every row that tells something of an instance: its uuid, and a mark with the rest."""
    by_uuid = Only("uuid", uuids) if uuids is not None else None
    others = Only("instance_uuid", uuids) if uuids is not None else None
    for uuid, id_, deleted, *rest in source.rows("instances", _COLUMNS, by_uuid):
        if uuid is not None and deleted is not None and deleted != id_:
            yield uuid, [_OWN, int(id_ or 0), deleted == "0", *rest]
    columns = ("instance_uuid", "key", "value", "deleted", "id", *TIMES)
    for uuid, key, value, deleted, id_, *times in source.rows("instance_system_metadata", columns, others, LIVE_PARTS):
        if uuid is not None and is_part(key) and deleted == "0":
            yield uuid, [_METADATA, int(id_ or 0), key, value, newest(*times)]
    copies = ("instance_uuid", "flavor", "deleted", *TIMES)
    for uuid, flavor, deleted, *times in source.rows("instance_extra", copies, others, {"deleted": "0"}):
        if uuid is not None and deleted == "0" and flavor is not None:
            yield uuid, [_EXTRA, flavor, newest(*times)]


def instance(uuid: str, parts: list[Part]) -> Instance | None:
    """An instance from its parts; None where its own row is not among them."""
    own = next((part for part in parts if part[0] == _OWN), None)
    if own is None:
        return None
    metadata: dict[str, list[str | None]] = {}
    for part in sorted((part for part in parts if part[0] == _METADATA), key=lambda part: int(part[1])):
        metadata.setdefault(part[2], []).append(part[3])
    extra = [part[1] for part in parts if part[0] == _EXTRA]
    latest = newest(*own[-3:], *(part[-1] for part in parts if part[0] != _OWN))
    _, number, live, type_id, *rest = own
    sizes, (vm_state, task_state) = tuple(rest[: len(SIZES)]), rest[len(SIZES) : len(SIZES) + 2]
    return Instance(
        uuid, number, live, type_id, sizes, vm_state, task_state, latest, read_embedded(metadata, extra)
    )  # fmt: skip
