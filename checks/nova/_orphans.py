"""Rows that nova's migration 209 (Havana) moves to `dump_*` tables, shared by the checks of this pack."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, or_, select

from dbaudit.check import Tables

# Tables whose instance_uuid gets a foreign key to instances.uuid.
OF_INSTANCES = ("instance_faults", "instance_actions", "migrations")


def of_instances(t: Tables, name: str) -> Select[Any]:
    """Rows of a table that name an instance that does not exist: id, instance_uuid."""
    row, instance = getattr(t, name), t.instances
    joined = row.outerjoin(instance, instance.c.uuid == row.c.instance_uuid)
    return (
        select(row.c.id, row.c.instance_uuid)
        .select_from(joined)
        .where(row.c.instance_uuid.is_not(None), instance.c.uuid.is_(None))
    )


def compute_nodes(t: Tables) -> Select[Any]:
    """Compute nodes of a service that does not exist, deleted or not: id, hypervisor_hostname."""
    node, service = t.compute_nodes, t.services
    joined = node.outerjoin(service, service.c.id == node.c.service_id)
    return (
        select(node.c.id, node.c.hypervisor_hostname)
        .select_from(joined)
        .where(node.c.service_id.is_not(None), service.c.id.is_(None))
    )


def compute_node_stats(t: Tables) -> Select[Any]:
    """Figures of compute nodes that do not exist, or that are moved away themselves: id, key, compute_node_id."""
    row, node, gone = t.compute_node_stats, t.compute_nodes, compute_nodes(t).subquery()
    joined = row.outerjoin(node, node.c.id == row.c.compute_node_id).outerjoin(gone, gone.c.id == node.c.id)
    return (
        select(row.c.id, row.c.key, row.c.compute_node_id)
        .select_from(joined)
        .where(row.c.compute_node_id.is_not(None), or_(node.c.id.is_(None), gone.c.id.is_not(None)))
    )
