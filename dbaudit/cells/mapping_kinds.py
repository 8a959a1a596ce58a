"""The kinds of differences between the API database's mappings and the cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dbaudit.cells.fault import Kind
from dbaudit.finding import Effect, Severity


def _kind(severity: Severity, object_: str, sentence: str, remedy: str) -> Kind:
    return Kind(severity, Effect.DRIFT, object_, sentence, remedy, many=True)


_ERROR, _WARNING = Severity.ERROR, Severity.WARNING
KINDS: Mapping[str, Kind] = {
    "cells.no-cell0": _kind(
        _ERROR, "cell_mappings", "{database} has no mapping of cell0", "nova-manage cell_v2 map_cell0"
    ),
    "cells.not-mapped": _kind(
        _ERROR, "instance_mappings", "{count} live instances of {database} have no mapping: the API cannot see them",
        "nova-manage cell_v2 map_instances --cell_uuid of that cell",
    ),
    "cells.mapping-incomplete": _kind(
        _WARNING, "instance_mappings", "{count} mappings have no {group}: an online data migration has not ended",
        "nova-manage db online_data_migrations, until it finds nothing",
    ),
    "cells.mapping-no-cell": _kind(
        _ERROR, "instance_mappings", "{count} live instances of {database} have a mapping without a cell",
        "set cell_id to the cell that has them",
    ),
    "cells.mapping-wrong-cell": _kind(
        _ERROR, "instance_mappings", "{count} live instances of {database} are mapped to {group}",
        "set cell_id to the cell that has them",
    ),
    "cells.mapped-not-live": _kind(
        _WARNING, "instance_mappings", "{count} mappings that are not queued for delete lead to {group} instances in "
        "{database}", "nova-manage cell_v2 delete_instance_mapping, or archive with --purge",
    ),
    "cells.queued-but-live": _kind(
        _WARNING, "instance_mappings", "{count} live instances of {database} are queued for delete in their mapping: "
        "quotas do not count them", "set queued_for_delete to 0",
    ),
    "cells.mapped-twice": _kind(
        _ERROR, "instances", "{count} live instances are in more than one cell: {group}",
        "find out which cell runs them, and delete them in the other",
    ),
    "cells.other-project": _kind(
        _ERROR, "instance_mappings.project_id", "{count} live instances of {database} are mapped to another project",
        "set project_id to that of the instance",
    ),
    "cells.no-request-spec": _kind(
        _ERROR, "request_specs", "{count} mapped instances have no request spec: they cannot be moved or resized",
        "nova-manage cell_v2 verify, or a request spec made from the instance",
    ),
    "cells.spec-not-mapped": _kind(
        _WARNING, "request_specs", "{count} request specs belong to no mapping", "delete them: nobody reads them"
    ),
    "cells.host-not-mapped": _kind(
        _ERROR, "host_mappings", "{count} compute hosts of {database} have no mapping: nothing is scheduled there",
        "nova-manage cell_v2 discover_hosts --cell_uuid of that cell",
    ),
    "cells.host-wrong-cell": _kind(
        _ERROR, "host_mappings", "{count} compute hosts of {database} are mapped to {group}",
        "nova-manage cell_v2 delete_host, then discover_hosts",
    ),
    "cells.host-gone": _kind(
        _WARNING, "host_mappings", "{count} mapped hosts have no compute node in their cell {group}",
        "nova-manage cell_v2 delete_host, if the host is gone for good",
    ),
    "cells.no-compute-node": _kind(
        _ERROR, "instances.compute_id", "{count} live instances of {database} name a compute node that is not that of "
        "their host", "nova-manage db online_data_migrations, or set compute_id by host and node",
    ),
}  # fmt: skip
_HOSTS = ("cells.host-not-mapped", "cells.host-wrong-cell", "cells.host-gone")
# Which kinds need which table of the API database, and which one of a cell.
NEEDED_ABOVE: Mapping[str, Sequence[str]] = {
    "host_mappings": _HOSTS, "request_specs": ("cells.no-request-spec", "cells.spec-not-mapped"),
}  # fmt: skip
NEEDED_BELOW: Mapping[str, Sequence[str]] = {"compute_nodes": (*_HOSTS, "cells.no-compute-node")}
