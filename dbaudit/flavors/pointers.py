"""What instances say of their flavor by its id: the id that is proven right by the flavor that they embed.

An id is changed only where the embedded flavor (flavorid, vcpus, memory_mb, root_gb) proves which one it is: in cells
v1 an instance's id was copied from the top at boot, so it must not follow a cell's definitions as they are renumbered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dbaudit.cells.source import Source
from dbaudit.cells.store import Part
from dbaudit.flavors.embedded import ALL_PARTS, KEYS, PLACES, Copy, Embedded, is_part, read_embedded
from dbaudit.flavors.flavor import Definitions, Flavor
from dbaudit.flavors.gather import SIZES
from dbaudit.flavors.raw import SHADOWS
from dbaudit.repair.edits import Edit

PROVING = ("vcpus", "memory_mb", "root_gb")
_OWN, _METADATA, _EXTRA = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Carrier:
    """An instance with the ids of the rows that carry a flavor's id; `shadow` is the prefix of its tables."""

    uuid: str
    shadow: str
    id: int
    live: bool
    type_id: str | None
    sizes: Mapping[str, str | None]
    vm_state: str | None
    task_state: str | None
    embedded: Embedded
    metadata: Mapping[str, tuple[tuple[int, str | None], ...]]  # rows of each prefix's id key: id, value
    extra: tuple[tuple[int, str], ...]

    @property
    def resizing(self) -> bool:
        """Whether a resize is open: its ids are about to be used."""
        return self.live and (self.vm_state == "resized" or (self.task_state or "").startswith("resize_"))


def parts(source: Source) -> Iterator[tuple[str, Part]]:
    """Every row that carries a flavor's id, archived ones too: the uuid, and a mark with the rest."""
    for shadow in SHADOWS:
        columns = ("uuid", "id", "deleted", "instance_type_id", "vm_state", "task_state", *SIZES)
        for uuid, *rest in source.rows(f"{shadow}instances", columns):
            if uuid is not None:
                yield uuid, [_OWN, shadow, *rest]
        keys = ("instance_uuid", "key", "value", "deleted", "id")
        for uuid, key, value, deleted, id_ in source.rows(f"{shadow}instance_system_metadata", keys, like=ALL_PARTS):
            if uuid is not None and is_part(key):
                yield uuid, [_METADATA, shadow, key, value, deleted == "0", int(id_ or 0)]
        copies = ("instance_uuid", "flavor", "deleted", "id")
        for uuid, flavor, deleted, id_ in source.rows(f"{shadow}instance_extra", copies):
            if uuid is not None and flavor is not None:
                yield uuid, [_EXTRA, shadow, flavor, deleted == "0", int(id_ or 0)]


def carriers(uuid: str, found: list[Part]) -> Iterator[Carrier]:
    """The instances of a uuid: one, or with an archived row two."""
    for own in (part for part in found if part[0] == _OWN):
        _, shadow, id_, deleted, type_id, vm_state, task_state, *sizes = own
        mine = [part for part in found if part[1] == shadow]
        rows = sorted((part for part in mine if part[0] == _METADATA), key=lambda part: int(part[5]))
        # What is live counts; of an instance whose metadata is all deleted, that.
        live = [part for part in rows if part[4]] or rows
        texts: dict[str, list[str | None]] = {}
        ids: dict[str, list[tuple[int, str | None]]] = {}
        for part in live:
            texts.setdefault(part[2], []).append(part[3])
        for part in rows:
            if KEYS.get(part[2], ("", ""))[1] == "id":
                ids.setdefault(KEYS[part[2]][0], []).append((part[5], part[3]))
        extra = [part for part in mine if part[0] == _EXTRA]
        chosen = [part[2] for part in extra if part[3]] or [part[2] for part in extra]
        yield Carrier(
            uuid, shadow, int(id_ or 0), deleted == "0" and not shadow, type_id, dict(zip(SIZES, sizes, strict=True)),
            vm_state, task_state, read_embedded(texts, chosen), {key: tuple(each) for key, each in ids.items()},
            tuple((part[4], part[2]) for part in extra),
        )  # fmt: skip


def proven(copy: Copy | None, final: Definitions, ids: Mapping[int, int]) -> int | None:
    """The id that a copy proves, among the definitions as they will be; None where it proves none.

    `ids` maps old to new ids: of several rows that fit, the one that the copy's own id becomes counts, else the live.
    """
    if copy is None or "flavorid" in copy.twice or any(name in copy.twice for name in PROVING):
        return None
    flavorid = copy.values.get("flavorid")
    if flavorid is None or any(name not in copy.values or name in copy.unreadable for name in PROVING):
        return None
    fitting = [each for each in final.of(flavorid) if _fits(copy, each)]
    if len(fitting) < 2:
        return fitting[0].id if fitting else None
    own = copy.values.get("id") or ""
    became = ids.get(int(own), int(own)) if own.isdigit() else None
    return next((each.id for each in fitting if each.id == became), _live(fitting))


def _live(fitting: list[Flavor]) -> int | None:
    live = [each.id for each in fitting if each.live]
    return live[0] if len(live) == 1 else None


def _fits(copy: Copy, flavor: Flavor) -> bool:
    return all((copy.number(name) or "0") == (flavor.values[name] or "0") for name in PROVING)


def edits(carrier: Carrier, final: Definitions, ids: Mapping[int, int], twin: Copy | None = None) -> Iterator[Edit]:
    """What becomes of the ids that an instance carries.

    `twin` is what the same instance embeds in another database; it counts where this one embeds nothing.
    """
    current = carrier.embedded.current or (None if twin is None else _without_id(twin))
    target = proven(current, final, ids) if current and _agrees(carrier, current) else None
    if target is not None and carrier.type_id != str(target):
        change = {"instance_type_id": str(target)}
        yield Edit(f"{carrier.shadow}instances", carrier.id, {"instance_type_id": carrier.type_id}, change)
    for prefix, rows in carrier.metadata.items():
        right = proven(carrier.embedded.metadata.get(prefix), final, ids)
        for id_, value in rows if right is not None else ():
            if value != str(right):
                yield Edit(
                    f"{carrier.shadow}instance_system_metadata", id_, {"value": value}, {"value": str(right)}
                )  # fmt: skip
    for id_, text in carrier.extra:
        changed = _json(text, final, ids)
        if changed != text:
            yield Edit(f"{carrier.shadow}instance_extra", id_, {"flavor": text}, {"flavor": changed})


def _agrees(carrier: Carrier, copy: Copy) -> bool:
    """Whether the instance has the sizes of the flavor that it embeds."""
    own = Copy(carrier.sizes)
    return all((own.number(name) or "0") == (copy.number(name) or "0") for name in PROVING)


def _json(text: str, final: Definitions, ids: Mapping[int, int]) -> str:
    """The document with the ids that its copies prove; the text itself where nothing changes."""
    try:
        document: dict[str, Any] = json.loads(text)
        copies = read_embedded({}, [text]).extra or {}
        before = json.dumps(document)
        for prefix, place in PLACES.items():
            right = proven(copies.get(prefix), final, ids)
            if right is not None:
                document[place]["nova_object.data"]["id"] = right
    except (ValueError, TypeError, KeyError):
        return text
    return text if json.dumps(document) == before else json.dumps(document)


def _without_id(copy: Copy) -> Copy:
    """A copy of another database, whose ids are others."""
    return replace(copy, values={name: value for name, value in copy.values.items() if name != "id"})


def lost(carrier: Carrier, before: Definitions, final: Definitions) -> tuple[str | None, str | None] | None:
    """The flavorids that the id of an instance meant and means afterwards, where that is not its flavor."""
    current = carrier.embedded.current
    flavorid = current.values.get("flavorid") if current and "flavorid" not in current.twice else None
    then, now = before.flavorid(carrier.type_id), final.flavorid(carrier.type_id)
    return None if now == (flavorid or then) else (then, now)
