"""What Kilo's `nova-manage db migrate_flavor_data` does to an instance: the JSON that it writes, or why it does not.

The rules are those of Kilo's code, in its order: an instance is loaded first, which is where bad values abort the
command, and only then skipped for its state; then the flavor is looked up by flavorid, deleted ones too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dbaudit.flavors.embedded import PLACES, Copy
from dbaudit.flavors.flavor import Definitions, Flavor
from dbaudit.flavors.gather import Instance
from dbaudit.flavors.instance import Found

# The order in which Kilo's code (Python 2) goes through the keys, so that of several bad ones the same is named.
ORDER = (
    "root_gb", "name", "ephemeral_gb", "memory_mb", "vcpus", "swap", "rxtx_factor", "flavorid", "vcpu_weight", "id",
)  # fmt: skip
# What its objects note as changed; order is free.
CHANGED = (
    "root_gb", "name", "ephemeral_gb", "memory_mb", "vcpus", "extra_specs", "swap", "rxtx_factor", "flavorid",
    "vcpu_weight", "id",
)  # fmt: skip
_NULLABLE = frozenset({"name", "rxtx_factor", "vcpu_weight"})
_TEXT = frozenset({"name", "flavorid"})
SKIPPED_STATES = frozenset({"rescued", "resized"})


class RefusedError(Exception):
    """Kilo's code raises here; the text is that of its exception."""


@dataclass(frozen=True)
class Migration:
    """The command on one database. It takes instances in order of their ids."""

    definitions: Definitions

    def faults(self, instance: Instance) -> Iterator[Found]:
        """What stops it, or stops Liberty after it; the fact `cause` groups them."""
        if "instance_type_id" in self._keys(instance):
            yield "flavors.not-migrated", {}
        if not instance.live or instance.embedded.extra is not None:
            return
        try:
            self.document(instance)
        except RefusedError as error:
            yield "flavors.migrate-fails", {"cause": str(error)}
        else:
            if (why := self.skipped(instance)) is not None:
                yield "flavors.migrate-skips", {"cause": why}
            elif (unknown := self.unknown(instance)) is not None:
                yield "flavors.migrate-fails", {"cause": unknown}

    def skipped(self, instance: Instance) -> str | None:
        """Why the command passes over an instance that it could load; None where it does not."""
        if instance.task_state is not None:
            return f"task_state is {instance.task_state}"
        return f"vm_state is {instance.vm_state}" if instance.vm_state in SKIPPED_STATES else None

    def unknown(self, instance: Instance) -> str | None:
        """The exception for a flavor that is not in the table at all; None where all are."""
        if "instance_type_id" not in self._keys(instance):
            return None if self._by_id(instance) else _not_found(instance.type_id)
        for prefix in PLACES:
            copy = instance.embedded.metadata.get(prefix)
            if copy is None or (prefix and copy.missing):
                continue
            flavorid = copy.values.get("flavorid") or ""
            if self.definitions.found(flavorid) is None:
                return _not_found(flavorid)
        return None

    def document(self, instance: Instance) -> dict[str, Any] | None:
        """The JSON that would be written; None where no flavor is known. Raises RefusedError where Kilo's code does."""
        if "instance_type_id" not in self._keys(instance):
            flavor = self._by_id(instance)
            return {"cur": self.from_row(flavor), "old": None, "new": None} if flavor else None
        found: dict[str, Any] = {}
        for prefix, place in PLACES.items():
            copy = instance.embedded.metadata.get(prefix, Copy())
            # Keys that are missing abort for the current flavor; of the others it is taken as none.
            found[place] = None if prefix and _misses_first(copy) else self.from_metadata(copy, prefix)
        return found

    def from_metadata(self, copy: Copy, prefix: str = "") -> dict[str, Any]:
        """The object of ten keys with the extra specs of the flavor's latest row."""
        data = {name: _coerced(copy, name, prefix) for name in ORDER}
        flavor = self._found.setdefault(data["flavorid"], self.definitions.found(data["flavorid"]))
        specs = {} if flavor is None else {key: values[-1] for key, values in flavor.specs.items()}
        return {**_object({**data, "extra_specs": {**specs, **(copy.specs or {})}}), "nova_object.changes": [*CHANGED]}

    def from_row(self, flavor: Flavor) -> dict[str, Any]:
        """The object of 17 keys of a row of the table."""
        self._found[flavor.flavorid] = flavor
        numbers: dict[str, Any] = {
            name: _number(value or "0", name)
            for name, value in flavor.values.items()
            if name in ORDER and name != "name"
        }
        if flavor.values["rxtx_factor"] is None:
            numbers["rxtx_factor"] = None
        created, updated, deleted = (None if each is None else f"{each.replace(' ', 'T')}Z" for each in flavor.times)
        return _object({
            **numbers, "id": flavor.id, "name": flavor.values["name"], "flavorid": flavor.flavorid,
            "disabled": flavor.values["disabled"] == "1", "is_public": flavor.values["is_public"] == "1",
            "deleted": not flavor.live, "created_at": created, "updated_at": updated, "deleted_at": deleted,
            "extra_specs": {key: values[-1] for key, values in flavor.specs.items()},
        })  # fmt: skip

    @cached_property
    def _found(self) -> dict[str, Flavor | None]:
        """The command keeps flavors by flavorid, the last one that it met: the order of instances matters."""
        return {}

    def _keys(self, instance: Instance) -> frozenset[str]:
        copy = instance.embedded.metadata.get("", Copy())
        return frozenset(f"instance_type_{name}" for name in copy.values)

    def _by_id(self, instance: Instance) -> Flavor | None:
        return self.definitions.by_id.get(int(instance.type_id)) if instance.type_id is not None else None


def _object(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "nova_object.name": "Flavor", "nova_object.namespace": "nova", "nova_object.version": "1.1",
        "nova_object.data": dict(data),
    }  # fmt: skip


def _misses_first(copy: Copy) -> bool:
    """Whether a missing key comes before the first value that Kilo's code refuses: then it takes the set as none."""
    for name in ORDER:
        if name not in copy.values:
            return True
        try:
            _coerced(copy, name, "")
        except RefusedError:
            return False
    return False


def _coerced(copy: Copy, name: str, prefix: str) -> Any:
    if name not in copy.values:
        raise RefusedError(f"KeyError: '{prefix}instance_type_{name}'")
    value = copy.values[name]
    if value is None:
        if name in _NULLABLE:
            return None
        raise RefusedError(f"ValueError: Field `{name}' cannot be None")
    return value if name in _TEXT else _number(value, name)


def _number(value: str, name: str) -> int | float:
    try:
        return float(value) if name == "rxtx_factor" else int(value)
    except ValueError:
        said = "could not convert string to float: " + value if name == "rxtx_factor" else (
            f"invalid literal for int() with base 10: '{value}'"
        )  # fmt: skip
        raise RefusedError(f"ValueError: {said}") from None


def _not_found(flavor: str | None) -> str:
    return f"FlavorNotFound: Flavor {flavor} could not be found."
