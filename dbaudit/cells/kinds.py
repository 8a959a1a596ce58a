"""The kinds of differences between a top database and its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dbaudit.cells.fault import Kind
from dbaudit.finding import Effect, Severity

_SYNC = "nova's sync_instances sends the cell's state up again"


def _kind(severity: Severity, object_: str, sentence: str, remedy: str = _SYNC) -> Kind:
    return Kind(severity, Effect.DRIFT, object_, sentence, remedy, many=True)


_ERROR, _WARNING = Severity.ERROR, Severity.WARNING
KINDS: Mapping[str, Kind] = {
    "cells.only-at-top": _kind(
        _ERROR, "instances", "{count} live instances of {reference} are in none of its cells ({group})",
        "nobody runs them, and they count against quotas: delete them at the top, after a look at the hypervisors",
    ),
    "cells.only-in-cell": _kind(
        _ERROR, "instances", "{count} live instances of {database} are not in {reference}: users cannot see them",
        "delete them in the cell, or let sync_instances send them up",
    ),
    "cells.deleted-at-top": _kind(
        _ERROR, "instances", "{count} live instances of {database} are deleted in {reference}: they run and nobody "
        "pays", "delete them in the cell, after a look at what they still hold",
    ),
    "cells.deleted-in-cell": _kind(
        _ERROR, "instances", "{count} live instances of {reference} are deleted in {database}, and still count against "
        "quotas", "delete them at the top: instance_destroy_at_top never came there",
    ),
    "cells.wrong-cell": _kind(
        _ERROR, "instances.cell_name", "{count} live instances of {database} have another cell at the top: {group}",
        "correct cell_name at the top: messages for these instances go to the wrong cell",
    ),
    "cells.in-two-cells": _kind(
        _ERROR, "instances", "{count} live instances are in more than one cell: {group}",
        "find out which cell runs them, and delete them in the other",
    ),
    "cells.differs": _kind(
        _ERROR, "instances", "{count} live instances have another {group} in {database} than in {reference}"
    ),
    "cells.device-only-at-top": _kind(
        _ERROR, "block_device_mapping", "{count} live instances have block devices in {reference} that {database} has "
        "not", "look at the hypervisor; a volume that is detached stays in use at the top",
    ),
    "cells.device-only-in-cell": _kind(
        _ERROR, "block_device_mapping", "{count} live instances have block devices in {database} that {reference} has "
        "not", "look at the hypervisor; the API cannot detach a volume that it does not know",
    ),
    "cells.device-differs": _kind(
        _WARNING, "block_device_mapping", "block devices of {count} live instances have another {group} in {database} "
        "than in {reference}",
    ),
    "cells.volume-twice": Kind(
        _ERROR, Effect.DRIFT, "block_device_mapping", "volume {key} is attached to {count} live instances in "
        "{database}: {shown}", "look at the hypervisors which one has it, and delete the other block device",
    ),
    "cells.metadata-differs": _kind(
        _WARNING, "instance_metadata", "user metadata of {count} live instances is not the same in {database} and "
        "{reference}; the top is right", "write the top's metadata into the cell",
    ),
    "cells.system-metadata-differs": _kind(
        _WARNING, "instance_system_metadata", "system metadata of {count} live instances (that of flavors apart) is "
        "not the same in {database} and {reference}; the cell is right",
    ),
}  # fmt: skip
# Which kinds need which table.
NEEDED: Mapping[str, Sequence[str]] = {
    "block_device_mapping": (
        "cells.device-only-at-top", "cells.device-only-in-cell", "cells.device-differs", "cells.volume-twice",
    ),
    "instance_metadata": ("cells.metadata-differs",),
    "instance_system_metadata": ("cells.system-metadata-differs",),
}  # fmt: skip
