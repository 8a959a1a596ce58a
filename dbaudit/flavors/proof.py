"""The flavor of an instance proven from other places, where Kilo's migration aborts: or why it cannot be proven.

The places are the instance's own columns, the row of the flavor's table that it points at, and the same instance in
the other database. A value that two places tell differently proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dbaudit.flavors.embedded import FIELDS, NUMBERS, Copy
from dbaudit.flavors.flavor import Definitions, Flavor
from dbaudit.flavors.gather import SIZES, Instance

# Mig 161's rule: the text None was written where Python had no value.
_NONE = "None"
_NULLABLE = frozenset({"rxtx_factor", "vcpu_weight"})


class UnprovenError(Exception):
    """A value is missing or wrong, and no other place proves it; the text says which."""


def whole(instance: Instance, copy: Copy, prefix: str, definitions: Definitions, twin: Instance | None) -> Copy:
    """The copy with every field there and readable. Raises UnprovenError.

    The instance's own columns tell the sizes of its current flavor only.
    """
    if copy.twice:
        raise UnprovenError(f"{', '.join(copy.twice)} stand there more than once")
    values = dict(copy.values)
    for name, value in list(values.items()):
        if value == _NONE and name in NUMBERS:
            values[name] = None
    places = [own(instance)] if not prefix else []
    other = twin.embedded.copies.get(prefix) if twin else None
    if other is not None and other.whole:
        places.append({name: value for name, value in other.values.items() if name != "id"})
    row = _row(values, instance, prefix, definitions)
    if row is not None:
        places.append({**row.values, "id": str(row.id), "flavorid": row.flavorid})
    for name in FIELDS:
        if name not in values or (values[name] is None and name not in _NULLABLE) or _bad(name, values[name]):
            values[name] = _told(name, places)
    _agree(values, places[0] if not prefix else {})
    return replace(copy, values=values)


def own(instance: Instance) -> Mapping[str, str | None]:
    """The sizes in the instance's own columns."""
    return dict(zip(SIZES, instance.sizes, strict=True))


def _row(values: Mapping[str, str | None], instance: Instance, prefix: str, definitions: Definitions) -> Flavor | None:
    """The row of the flavor's table, by the copy's id or the instance's; it must not contradict what is there."""
    id_ = values.get("id") or (instance.type_id if not prefix else None)
    row = definitions.by_id.get(int(id_)) if id_ is not None and id_.isdigit() else None
    if row is None:
        return None
    there = Copy({**row.values, "flavorid": row.flavorid})
    mine = Copy(values)
    for name in ("flavorid", *row.values):
        if values.get(name) is not None and name in there.values and mine.number(name) != there.number(name):
            return None
    return row


def _told(name: str, places: list[Mapping[str, str | None]]) -> str | None:
    said = {Copy(place).number(name) for place in places if place.get(name) is not None}
    if len(said) == 1:
        return said.pop()
    if not said and name in _NULLABLE and any(name in place for place in places):
        return None
    raise UnprovenError(f"{name} is {'told differently by' if said else 'not known from'} the other places")


def _bad(name: str, value: str | None) -> bool:
    return name in Copy({name: value}).unreadable


def _agree(values: Mapping[str, str | None], columns: Mapping[str, str | None]) -> None:
    """The instance's own sizes must be those of the copy; no value counts as 0."""
    for name, value in columns.items():
        if (Copy({name: value}).number(name) or "0") != (Copy(values).number(name) or "0"):
            raise UnprovenError(f"{name} is {values[name]} in the flavor and {value} in the instance")
