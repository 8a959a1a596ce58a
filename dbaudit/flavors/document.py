"""The JSON of an instance's flavor: as Kilo's command writes it, else from what other places prove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dbaudit.cells.store import Lookup
from dbaudit.flavors import kilo
from dbaudit.flavors.carried import rows_of
from dbaudit.flavors.embedded import PLACES
from dbaudit.flavors.flavor import Definitions
from dbaudit.flavors.gather import SIZES, Instance
from dbaudit.flavors.proof import UnprovenError, whole

AS_KILO, SKIPPED, PROVEN = "as Kilo does", "skipped by Kilo", "aborted by Kilo, proven"


@dataclass(frozen=True)
class Twins:
    """The same instance in the other databases, and every database's definitions."""

    uuid: str
    others: Sequence[Lookup]
    definitions: Sequence[Definitions]

    def find(self) -> Instance | None:
        """The instance in the first other database that has it."""
        found = (rows_of(self.uuid, other.find(self.uuid)) for other in self.others)
        return next((rows.instance for rows in found if rows is not None), None)

    def specs(self, flavorid: str) -> Mapping[str, str | None]:
        """The extra specs of a flavor that this database has not, where another has it."""
        found = (each_one.found(flavorid) for each_one in self.definitions)
        flavor = next((each_one for each_one in found if each_one is not None), None)
        return {} if flavor is None else {key: values[-1] for key, values in flavor.specs.items()}


def document_of(instance: Instance, migration: kilo.Migration, twins: Twins) -> tuple[dict[str, Any], str]:
    """The JSON of an instance, and how it came about. Raises UnprovenError."""
    try:
        document = migration.document(instance)
        refused = migration.unknown(instance)
    except kilo.RefusedError as error:
        document, refused = None, str(error)
    if document is not None and refused is None:
        return document, AS_KILO if migration.skipped(instance) is None else SKIPPED
    copies = instance.embedded.metadata
    twin = twins.find()
    if "" not in copies and twin is not None:
        copies = {prefix: replace(copy, specs=None) for prefix, copy in twin.embedded.copies.items()}
    if "" not in copies:
        raise UnprovenError(f"{refused or 'no flavor is known'}; no other place has its flavor")
    written: dict[str, Any] = {}
    for prefix, place in PLACES.items():
        if prefix not in copies:
            written[place] = None
            continue
        try:
            found = whole(instance, copies[prefix], prefix, migration.definitions, twin)
        except UnprovenError as error:
            raise UnprovenError(f"{refused or 'no flavor is known'}; {error}") from None
        written[place] = migration.from_metadata(found, prefix)
        flavorid = str(found.values["flavorid"])
        if migration.definitions.found(flavorid) is None:
            written[place]["nova_object.data"]["extra_specs"] |= twins.specs(flavorid)
    return written, PROVEN


def agrees(instance: Instance, document: Mapping[str, Any]) -> bool:
    """Whether an instance has the sizes that its document tells."""
    data = document["cur"]["nova_object.data"]
    return all(str(data[name] or 0) == (own or "0") for name, own in zip(SIZES, instance.sizes, strict=True))
