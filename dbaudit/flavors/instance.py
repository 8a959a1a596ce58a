"""What is wrong with one instance's flavor: in its own database, and between top and cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dbaudit.flavors.embedded import FIELDS, PREFIXES, Copy
from dbaudit.flavors.flavor import Definitions, number_text
from dbaudit.flavors.gather import SIZES, Instance

Found = tuple[str, dict[str, Any]]  # the kind of a fault, and its facts


def judge(
    instance: Instance, definitions: Definitions, absent: frozenset[str], known: str | None = None
) -> Iterator[Found]:
    """Faults of a live instance by its own database alone.

    `absent` are flavorids that only other databases have, `known` is its flavorid there, if it embeds none here.
    """
    yield from embedded_faults(instance)
    for prefix in PREFIXES:
        copy = instance.embedded.copies.get(prefix)
        if copy is not None and (lost := list(_lost(copy, definitions))):
            yield "flavors.embedded-unreadable", {"values": dict.fromkeys(lost), **_which(prefix)}
    yield from _pointer(instance, definitions, absent, known)


def judge_pair(top: Instance, cell: Instance, tops: Definitions, cells: Definitions) -> Iterator[Found]:
    """Faults that only show between an instance at the top and the same one in its cell; both are live."""
    mine, theirs = top.embedded.current, cell.embedded.current
    if mine and theirs and mine.whole and theirs.whole:
        differing = {
            name: [mine.number(name), theirs.number(name)]
            for name in FIELDS
            if name != "id" and mine.number(name) != theirs.number(name)
        }
        if differing:
            yield "flavors.embedded-differs", {"top, cell": differing}
    here, there = tops.flavorid(top.type_id), cells.flavorid(cell.type_id)
    if here is not None and there is not None and here != there:
        at_top, in_cell = tops.by_id[int(top.type_id or 0)], cells.by_id[int(cell.type_id or 0)]
        yield (
            "flavors.points-elsewhere",
            {"instance_type_id": cell.type_id, "means": in_cell.flavorid, "is": at_top.flavorid, "top": top.type_id},
        )


def flavorid_of(instance: Instance, definitions: Definitions) -> str | None:
    """The flavor of an instance: what it embeds, else what its integer means."""
    current = instance.embedded.current
    embedded = current.values.get("flavorid") if current else None
    return embedded if embedded is not None else definitions.flavorid(instance.type_id)


def _places(instance: Instance) -> Iterator[Found]:
    embedded = instance.embedded
    keys = embedded.metadata.get("")
    if embedded.broken:
        yield "flavors.embedded-unreadable", {"why": embedded.broken}
    elif embedded.extra is None and keys is None:
        yield "flavors.embedded-missing", {}
    if embedded.extra is not None and keys is not None:
        yield "flavors.embedded-both", {}


def embedded_faults(instance: Instance) -> Iterator[Found]:
    """Faults of what an instance embeds, whatever definitions say."""
    yield from _places(instance)
    for prefix in PREFIXES:
        copy = instance.embedded.copies.get(prefix)
        if copy is not None:
            yield from _copy(prefix, copy)
    yield from _resize(instance)
    current = instance.embedded.current
    if current is not None and not instance.embedded.broken:
        yield from _sizes(instance, current)


def _copy(prefix: str, copy: Copy) -> Iterator[Found]:
    which = _which(prefix)
    if copy.missing:
        yield "flavors.embedded-partial", {"missing": list(copy.missing), **which}
    if copy.twice:
        yield "flavors.embedded-duplicate", {"keys": list(copy.twice), **which}
    if copy.unreadable:
        yield "flavors.embedded-unreadable", {"values": {name: copy.values[name] for name in copy.unreadable}, **which}


def _which(prefix: str) -> dict[str, str]:
    return {"which": prefix.rstrip("_")} if prefix else {}


def _lost(copy: Copy, definitions: Definitions) -> Iterator[str]:
    """Fields without a value although the flavor's definition has one."""
    flavor = definitions.by_id.get(int(copy.values.get("id") or 0)) if not copy.unreadable else None
    if flavor is None or flavor.flavorid != copy.values.get("flavorid"):
        return
    for name in FIELDS:
        if copy.values.get(name, "") is None and flavor.values.get(name) is not None:
            yield name


def _resize(instance: Instance) -> Iterator[Found]:
    waiting = instance.vm_state == "resized"
    copies = instance.embedded.copies
    old = copies.get("old_")
    if waiting and old is None and instance.embedded.current is not None:
        yield "flavors.resize-incomplete", {"missing": "the flavor before it"}
    going = waiting or (instance.task_state or "").startswith("resize_")
    if not going and (old is not None or "new_" in copies):
        yield "flavors.resize-leftover", {}


def _sizes(instance: Instance, copy: Copy) -> Iterator[Found]:
    """The instance's own columns against its copy; no value counts as 0, as nova boots it."""
    if copy.twice or copy.unreadable or (instance.task_state or "").startswith("resize_"):
        return
    differing = {
        name: [number_text(own), copy.number(name)]
        for name, own in zip(SIZES, instance.sizes, strict=True)
        if name in copy.values and (number_text(own) or "0") != (copy.number(name) or "0")
    }
    if differing:
        yield "flavors.embedded-disagrees", {"instance, flavor": differing}


def _pointer(
    instance: Instance, definitions: Definitions, absent: frozenset[str], known: str | None
) -> Iterator[Found]:
    if not definitions.known:
        return
    current = instance.embedded.current
    embedded = current.values.get("flavorid") if current and "flavorid" not in current.twice else None
    means = definitions.flavorid(instance.type_id)
    if (embedded or known) in absent:
        return  # a fault of the definitions, which names the flavor
    if means is None:
        yield "flavors.points-nowhere", {"instance_type_id": instance.type_id, "is": embedded}
    elif embedded is not None and means != embedded:
        facts = {"instance_type_id": instance.type_id, "means": means, "is": embedded}
        yield "flavors.points-elsewhere", facts
    elif embedded is not None and current is not None and not current.unreadable and "id" not in current.twice:
        inner = current.values.get("id")
        if "id" in current.values and definitions.flavorid(inner) != embedded:
            yield "flavors.embedded-id", {"id": inner, "means": definitions.flavorid(inner), "is": embedded}
