"""What cells v1 keeps both at the top and in a cell, by which key the rows belong together, and what may differ.

The facts are those of nova's cells messaging: instances go up by uuid, block devices by device name or volume, user
metadata goes down only. Faults are left out (they are a history, inserted once), and so are quotas, keys and security
groups (at the top alone). What instances say of their flavor is the business of `flavors check`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dbaudit.cells.instant import newest
from dbaudit.cells.source import Only, Source
from dbaudit.cells.store import Part

TIMES = ("created_at", "updated_at", "deleted_at")
# Columns of instances that each database has for itself. instance_type_id is an id of the database's own flavors.
OWN = frozenset(
    {"id", "internal_id", "uuid", "deleted", "cell_name", "name", "instance_type_id", "security_groups", *TIMES}
)
# The columns that are compared of instances, and of block devices.
Compared = tuple[tuple[str, ...], tuple[str, ...]]
INSTANCE, DEVICE, METADATA, SYSTEM, GONE = 0, 1, 2, 3, 4  # marks of what a part is
_DEVICE_OWN = frozenset({"id", "instance_uuid", "deleted", "device_name", *TIMES})


@dataclass(frozen=True, slots=True)
class Mirror:
    """One instance in one database: its columns, live block devices by key, metadata by key."""

    state: str  # live, deleted or neither (`deleted` is NULL)
    cell: str | None
    columns: Mapping[str, str | None]
    newest: str | None
    devices: Mapping[str, Mapping[str, str | None]]
    metadata: Mapping[str, str | None]
    system: Mapping[str, str | None]
    times: Mapping[str, str | None]  # of a part, by its key
    ids: Mapping[str, int]  # of a block device, by its key
    gone: Mapping[int, str | None]  # when a row of a kind of part was last deleted, by its mark


def shared(sources: Sequence[Mapping[str, frozenset[str]]], table: str, own: frozenset[str]) -> tuple[str, ...]:
    """The columns of a table that all databases have and that must be the same."""
    every = [tables.get(table, frozenset()) for tables in sources]
    return tuple(sorted(frozenset.intersection(*every) - own)) if every else ()


def columns_of(sources: Sequence[Mapping[str, frozenset[str]]]) -> Compared:
    """What is compared of instances and of block devices."""
    return shared(sources, "instances", OWN), shared(sources, "block_device_mapping", _DEVICE_OWN)


def parts(source: Source, compared: Compared, uuids: frozenset[str] | None) -> Iterator[tuple[str, Part]]:
    """Every row that tells something of an instance: its uuid, and a mark with the rest."""
    by_uuid = Only("uuid", uuids) if uuids is not None else None
    others = Only("instance_uuid", uuids) if uuids is not None else None
    instances, devices = compared
    for uuid, deleted, cell, *rest in source.rows(
        "instances", ("uuid", "deleted", "cell_name", *TIMES, *instances), by_uuid
    ):
        if uuid is not None:
            yield uuid, [INSTANCE, _state(deleted), cell, newest(*rest[:3]), *rest[3:]]
    for uuid, id_, deleted, device, *rest in source.rows(
        "block_device_mapping", ("instance_uuid", "id", "deleted", "device_name", *TIMES, *devices), others
    ):
        if uuid is not None and deleted == "0":
            yield uuid, [DEVICE, int(id_ or 0), device, newest(*rest[:3]), *rest[3:]]
        elif uuid is not None and rest[2] is not None:
            yield uuid, [GONE, DEVICE, rest[2]]
    for mark, table in ((METADATA, "instance_metadata"), (SYSTEM, "instance_system_metadata")):
        for uuid, key, value, deleted, id_, *times in source.rows(
            table, ("instance_uuid", "key", "value", "deleted", "id", *TIMES), others
        ):
            if uuid is None or key is None or "instance_type_" in key:
                continue
            if deleted == "0":
                yield uuid, [mark, int(id_ or 0), key, value, newest(*times)]
            elif times[2] is not None:
                yield uuid, [GONE, mark, times[2]]


def mirror(found: Sequence[Part], compared: Compared) -> Mirror | None:
    """The instance that parts of one uuid make; None where its own row is not among them."""
    own = next((part for part in found if part[0] == INSTANCE), None)
    if own is None:
        return None
    _, state, cell, latest, *values = own
    ordered = sorted((part for part in found if part[0] not in (INSTANCE, GONE)), key=lambda part: int(part[1]))
    gone: dict[int, str | None] = {}
    for _, mark, time in (part for part in found if part[0] == GONE):
        gone[mark] = newest(gone.get(mark), time)
    times: dict[str, str | None] = {}
    texts: dict[int, dict[str, str | None]] = {METADATA: {}, SYSTEM: {}}
    devices: dict[str, Mapping[str, str | None]] = {}
    ids: dict[str, int] = {}
    for part in ordered:
        if part[0] == DEVICE:
            row = dict(zip(compared[1], part[4:], strict=True))
            key = device_key(part[2], row)
            devices[key], times[key], ids[key] = row, part[3], part[1]
        else:
            texts[part[0]][part[2]] = part[3]
            times[part[2]] = newest(times.get(part[2]), part[4])
    columns = dict(zip(compared[0], values, strict=True))
    return Mirror(state, cell, columns, latest, devices, texts[METADATA], texts[SYSTEM], times, ids, gone)


def device_key(device: Any, row: Mapping[str, str | None]) -> str:
    """By what a block device is found on the other side: its name, else its volume."""
    if device:
        return str(device)
    return f"volume {row.get('volume_id')}" if row.get("volume_id") else f"{row.get('source_type') or 'no'} device"


def _state(deleted: str | None) -> str:
    return "neither" if deleted is None else "live" if deleted in ("0", "") else "deleted"
