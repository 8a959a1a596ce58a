"""PCI devices of compute nodes that do not exist.

What is wrong: rows of `pci_devices` name a compute node that is not in `compute_nodes`, not even as a deleted row.

Why it matters: migration 246 (Juno) makes a foreign key there; the server refuses it (1452) and the migration stops.
Nothing is changed by then: it can be run again.

How it came about: compute nodes that were deleted by hand, or moved away by migration 209.

Repair: delete the devices; the compute service reports those that exist anew.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from dbaudit.check import BLOCKS, ERROR, Check, Delete, Guard, Tables, step

check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    before=step("nova", 246),
    table="pci_devices",
    needs=("compute_nodes",),
    key=("compute_node_id", "address"),
    each="device {address} of compute node {compute_node_id}, which does not exist",
    message="migration 246 stops (1452): {count} PCI device(s) belong to a compute node that does not exist",
    remedy="Before the upgrade: `DELETE FROM pci_devices WHERE compute_node_id NOT IN (SELECT id FROM compute_nodes)`.",
    repair=Delete(guards=(Guard("compute_nodes", {"compute_node_id": "id"}),)),
)


@check.rows
def orphans(t: Tables) -> Select[Any]:
    device, node = t.pci_devices, t.compute_nodes
    joined = device.outerjoin(node, node.c.id == device.c.compute_node_id)
    return (
        select(device.c.compute_node_id, device.c.address)
        .select_from(joined)
        .where(node.c.id.is_(None), device.c.compute_node_id.is_not(None))
    )
