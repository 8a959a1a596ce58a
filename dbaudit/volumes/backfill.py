"""Give volumes without a type one, and their snapshots, and make the type's quota usage right again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from dbaudit.check import Guard, Tables, Update
from dbaudit.repair.records import RunRecord
from dbaudit.repair.undo import parameters_of
from dbaudit.repair.work import Part, Work
from dbaudit.volumes.kind import DEFAULT, Kind, find_kind, refuse_if_private, warnings
from dbaudit.volumes.look import Look
from dbaudit.volumes.usage import usage_parts

NAME = "volumes backfill-type"
GROUPS = ("host", "project_id", "status")


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows: those deleted softly only by explicit choice; rows whose `deleted` is NULL never."""

    deleted_too: bool = False
    snapshots_count: bool = True  # for gigabytes; cinder's no_snapshot_gb_quota is its opposite

    def of(self, table: Any) -> ColumnElement[bool]:
        """The condition on a table's rows."""
        chosen: ColumnElement[bool] = table.c.deleted.is_not(None) if self.deleted_too else table.c.deleted == 0
        return chosen


def backfill(look: Look, wanted: str, scope: Scope) -> Work:
    """The work that gives untyped volumes the type `wanted`. Raises UsageError or DbauditError where it may not be."""
    kind = find_kind(look, wanted)

    def untyped(t: Tables) -> Select[Any]:
        volume = t.volumes
        columns = [volume.c[name] for name in ("id", *GROUPS)]
        return select(*columns).where(volume.c.volume_type_id.is_(None), scope.of(volume))

    refuse_if_private(look, kind)
    change = Update(lambda _: {"volume_type_id": kind.id}, guards=(Guard("volume_types", {}, {"id": kind.id}),))
    parts = [Part("volumes", "volumes", untyped, change, label=("id",), groups=GROUPS)]
    if look.has("snapshots", "volume_type_id"):
        parts.append(_snapshots(kind, scope))
    parts += usage_parts(look, kind, snapshots_count=scope.snapshots_count)
    said = (*warnings(look, kind, untyped(look.tables)), *_left(look, scope), *_pending(look, kind))
    return Work(NAME, tuple(parts), {"type": kind.id, "name": kind.name, "deleted_too": scope.deleted_too,
                                     "snapshots_count": scope.snapshots_count}, said)  # fmt: skip


def counters(look: Look, record: RunRecord) -> Work:
    """The counters of the type that a run gave, for its undo."""
    told = parameters_of(record, "type", "name", "snapshots_count")
    kind = Kind(str(told["type"]), str(told["name"]))
    return Work(f"{NAME}: usage", usage_parts(look, kind, snapshots_count=bool(told["snapshots_count"])))


def _snapshots(kind: Kind, scope: Scope) -> Part:
    """Snapshots without a type get that of their volume, which by then has one."""

    def untyped(t: Tables) -> Select[Any]:
        snapshot = t.snapshots
        columns = [snapshot.c[name] for name in ("id", "project_id", "status", "volume_id")]
        return select(*columns).where(snapshot.c.volume_type_id.is_(None), scope.of(snapshot))

    def own(t: Tables) -> dict[str, Any]:
        snapshot, volume = t.snapshots, t.volumes
        its = select(volume.c.volume_type_id).where(volume.c.id == snapshot.c.volume_id)
        return {"volume_type_id": func.coalesce(its.correlate(snapshot).scalar_subquery(), kind.id)}

    guards = (Guard("volumes", {"volume_id": "id"}), Guard("volume_types", {}, {"id": kind.id}))
    change = Update(own, guards=guards)
    return Part("snapshots", "snapshots", untyped, change, label=("id", "volume_id"), groups=("project_id", "status"))


def _left(look: Look, scope: Scope) -> Iterator[str]:
    """Untyped rows that are not touched: undecided ones, and deleted ones where nobody asked for them."""
    for name in ("volumes", "snapshots"):
        if not look.has(name, "volume_type_id"):
            continue
        row = getattr(look.tables, name)
        bare = select(row.c.id).where(row.c.volume_type_id.is_(None))
        number, named = look.sample(bare.where(row.c.deleted.is_(None)), "id")
        if number:
            yield f"{number} untyped row(s) of `{name}` are neither live nor deleted (NULL) and not touched: {named}"
        number = 0 if scope.deleted_too else look.count(bare.where(row.c.deleted != 0))
        if number:
            yield (
                f"{number} untyped row(s) of `{name}` are deleted softly and not touched; they block the upgrade to "
                "Ussuri (migration 136): --include-deleted takes them too"
            )
    yield from _encryption(look)


def _encryption(look: Look) -> Iterator[str]:
    if look.has("encryption", "volume_type_id"):
        table = look.tables.encryption
        if number := look.count(select(table.c.volume_type_id).where(table.c.volume_type_id.is_(None))):
            yield f"{number} row(s) of `encryption` have no volume type and block Ussuri's migration 136 too"
    types = look.tables.volume_types
    if look.has("volumes", "service_uuid") and not look.count(
        select(types.c.id).where(types.c.name == DEFAULT, types.c.deleted == 0)
    ):
        yield f"there is no live volume type {DEFAULT}: Train's online migrations of untyped rows fail without it"


def _pending(look: Look, kind: Kind) -> Iterator[str]:
    if not look.has("reservations"):
        return
    reserved, usage = look.tables.reservations, look.tables.quota_usages
    joined = reserved.join(usage, usage.c.id == reserved.c.usage_id)
    names = [f"{what}_{kind.name}" for what in ("volumes", "gigabytes", "snapshots")]
    query = select(reserved.c.id).select_from(joined).where(reserved.c.deleted == 0, usage.c.resource.in_(names))
    if number := look.count(query):
        yield f"{number} reservation(s) of the type's usage are pending: what they reserve comes on top when they end"
