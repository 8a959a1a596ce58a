"""The instances of one database with the rows that carry their flavor, read into a file for the Kilo migration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dbaudit.cells.source import Source, opened
from dbaudit.cells.store import Part, keep, things
from dbaudit.comparison.side import Side
from dbaudit.flavors.embedded import LIVE_PARTS, is_part, read_embedded
from dbaudit.flavors.flavor import Definitions, read_definitions
from dbaudit.flavors.gather import SIZES, Instance
from dbaudit.flavors.running import signs

_OWN, _METADATA, _EXTRA = 0, 1, 2  # marks of what a part is


@dataclass(frozen=True, slots=True)
class Seen:
    """One database, read into a file. `order` are uuids of live instances by id: Kilo's command takes them so."""

    label: str
    path: Path
    definitions: Definitions
    kilo: bool
    signs: tuple[str, ...]
    order: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """An instance with the rows that a migration changes."""

    instance: Instance
    metadata: tuple[tuple[int, str | None], ...]  # live rows of a flavor: id, value
    extra: tuple[tuple[int, str | None], ...]  # live rows: id, flavor


def see(side: Side, label: str, path: Path) -> Seen:
    """Read a database; its instances go into the file `path`."""
    with opened(side) as source:
        keep(path, _parts(source))
        definitions, living = read_definitions(source), tuple(signs(source))
        has = "flavor" in source.tables.get("instance_extra", ())
    found = sorted((rows.instance.number, uuid) for uuid, parts in things(path) if (rows := rows_of(uuid, parts)))
    return Seen(label, path, definitions, has, living, tuple(uuid for _, uuid in found))


def _parts(source: Source) -> Iterator[tuple[str, Part]]:
    columns = ("uuid", "id", "deleted", "instance_type_id", "vm_state", "task_state", *SIZES)
    for uuid, id_, deleted, *rest in source.rows("instances", columns):
        if uuid is not None and deleted == "0":
            yield uuid, [_OWN, int(id_ or 0), *rest]
    keys = ("instance_uuid", "key", "value", "deleted", "id")
    for uuid, key, value, deleted, id_ in source.rows("instance_system_metadata", keys, like=LIVE_PARTS):
        if uuid is not None and deleted == "0" and is_part(key):
            yield uuid, [_METADATA, int(id_ or 0), key, value]
    for uuid, flavor, deleted, id_ in source.rows("instance_extra", ("instance_uuid", "flavor", "deleted", "id")):
        if uuid is not None and deleted == "0":
            yield uuid, [_EXTRA, int(id_ or 0), flavor]


def rows_of(uuid: str, parts: Sequence[Part]) -> Rows | None:
    """The instance of a uuid with its rows; None where no live one is there."""
    own = next((part for part in parts if part[0] == _OWN), None)
    if own is None:
        return None
    _, number, type_id, vm_state, task_state, *sizes = own
    metadata = sorted((part for part in parts if part[0] == _METADATA), key=lambda part: int(part[1]))
    texts: dict[str, list[str | None]] = {}
    for part in metadata:
        texts.setdefault(part[2], []).append(part[3])
    extra = tuple((part[1], part[2]) for part in parts if part[0] == _EXTRA)
    embedded = read_embedded(texts, [flavor for _, flavor in extra if flavor is not None])
    instance = Instance(uuid, number, True, type_id, tuple(sizes), vm_state, task_state, None, embedded)
    return Rows(instance, tuple((part[1], part[3]) for part in metadata), extra)
