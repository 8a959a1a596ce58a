"""The copy of its flavor that an instance carries: ten keys of system metadata, from Kilo JSON in instance_extra.

System metadata has one set of keys for the current flavor and, while a resize is open, sets with the prefixes `old_`
and `new_`; the JSON has `cur`, `old` and `new` (11 keys each where it was migrated, 17 where nova wrote it).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dbaudit.flavors.flavor import number_text

FIELDS = (
    "id", "name", "memory_mb", "vcpus", "root_gb", "ephemeral_gb", "flavorid", "swap", "rxtx_factor", "vcpu_weight",
)  # fmt: skip
NUMBERS = frozenset(FIELDS) - {"name", "flavorid"}
PREFIXES = ("", "old_", "new_")
PLACES = {"": "cur", "old_": "old", "new_": "new"}
# Every key of system metadata that is a part of a flavor: its prefix and its field. From Juno on some extra specs
# stand there too, as `instance_type_extra_<spec>`.
KEYS: Mapping[str, tuple[str, str]] = {
    f"{prefix}instance_type_{name}": (prefix, name) for prefix in PREFIXES for name in FIELDS
}
# Rows of live keys that are parts of a flavor, and of all of them, as a server finds them: more than `is_part` says.
ALL_PARTS: Mapping[str, str] = {"key": "%instance_type_%"}
LIVE_PARTS: Mapping[str, str] = {**ALL_PARTS, "deleted": "0"}
_SPEC = re.compile(r"(old_|new_|)instance_type_extra_(.+)", re.S)


def is_part(key: str | None) -> bool:
    """Whether a key of system metadata is a part of a flavor."""
    return key is not None and (key in KEYS or _SPEC.fullmatch(key) is not None)


@dataclass(frozen=True, slots=True)
class Copy:
    """One flavor as an instance carries it. `values` are as written; of keys that stand twice (`twice`) the last wins,
    as nova reads them.

    `specs` is None where the place holds no extra specs.
    """

    values: Mapping[str, str | None] = field(default_factory=dict)
    twice: tuple[str, ...] = ()
    specs: Mapping[str, str | None] | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """Fields that should be there."""
        return tuple(name for name in FIELDS if name not in self.values)

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Fields that should be numbers and are text."""
        return tuple(name for name in FIELDS if name in NUMBERS and not _is_number(name, self.values.get(name)))

    @property
    def whole(self) -> bool:
        """Whether every field is there once and can be read."""
        return not (self.missing or self.twice or self.unreadable)

    def number(self, name: str) -> str | None:
        """A value in the spelling in which numbers are compared."""
        return number_text(self.values.get(name))


@dataclass(frozen=True, slots=True)
class Embedded:
    """All that an instance carries. `broken` says why its JSON cannot be read."""

    metadata: Mapping[str, Copy] = field(default_factory=dict)  # by prefix
    extra: Mapping[str, Copy] | None = None  # by prefix, None where there is no JSON
    broken: str = ""

    @property
    def copies(self) -> Mapping[str, Copy]:
        """The copies that count: Kilo's code takes the JSON where there is one."""
        return self.metadata if self.extra is None else self.extra

    @property
    def current(self) -> Copy | None:
        """The flavor it runs with."""
        return self.copies.get("")


def read_embedded(metadata: Mapping[str, Sequence[str | None]], extra: Sequence[str]) -> Embedded:
    """What the values of the metadata keys (see KEYS) and the texts of `instance_extra.flavor` hold."""
    sets: dict[str, dict[str, Sequence[str | None]]] = {}
    specs: dict[str, dict[str, str | None]] = {}
    for key, values in metadata.items():
        if match := _SPEC.fullmatch(key):
            specs.setdefault(match[1], {})[match[2]] = values[-1]
        else:
            prefix, name = KEYS[key]
            sets.setdefault(prefix, {})[name] = values
    copies = {prefix: _copy(each, specs.get(prefix)) for prefix, each in sets.items()}
    if not extra:
        return Embedded(copies)
    try:
        found = dict(_objects(json.loads(extra[0])))
        return Embedded(
            copies, found, _twice(extra) if "" in found else "instance_extra.flavor names no current flavor"
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return Embedded(copies, {}, f"the JSON in instance_extra.flavor cannot be read ({type(error).__name__})")


def _twice(extra: Sequence[str]) -> str:
    return "two live rows of instance_extra hold a flavor" if len(extra) > 1 else ""


def _copy(values: Mapping[str, Sequence[str | None]], specs: Mapping[str, str | None] | None) -> Copy:
    several = sum(map(len, values.values())) > len(values)
    twice = tuple(name for name in FIELDS if len(values.get(name, ())) > 1) if several else ()
    return Copy({name: each[-1] for name, each in values.items()}, twice, specs)


def _objects(document: Mapping[str, Any]) -> Iterator[tuple[str, Copy]]:
    for prefix, place in PLACES.items():
        value = document[place] if prefix == "" else document.get(place)
        if value is not None:
            data = value["nova_object.data"]
            specs = data.get("extra_specs") or {}
            values = {name: _text(data[name]) for name in FIELDS if name in data}
            yield prefix, Copy(values, (), {str(key): _text(each) for key, each in specs.items()})


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _is_number(name: str, text: str | None) -> bool:
    if text is None:
        return True
    try:
        float(text) if name == "rxtx_factor" else int(text)
    except ValueError:
        return False
    return True
