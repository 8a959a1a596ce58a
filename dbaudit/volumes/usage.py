"""`quota_usages` of one volume type, computed from the rows that they count.

Projects without such a row get it from cinder at first use; those that have one keep a wrong number until it is set
right. So rows are corrected and none is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true

from dbaudit.check import Tables, Update
from dbaudit.repair.work import Part
from dbaudit.volumes.kind import Kind
from dbaudit.volumes.look import Look


def usage_parts(look: Look, kind: Kind, *, snapshots_count: bool = True) -> tuple[Part, ...]:
    """The counters of a type, each to be what is there. `snapshots_count` is cinder's not `no_snapshot_gb_quota`."""
    flagged = frozenset(name for name in ("volumes", "snapshots") if look.has(name, "use_quota"))
    counters = [
        _Counter(what, f"{what}_{kind.name}", kind.id, flagged, snapshots_count)
        for what in ("volumes", "gigabytes", "snapshots")
    ]
    label = ("project_id", "resource")
    return tuple(
        Part(f"usage of {each.resource}", "quota_usages", each.wrong, Update(each.right), label, derived=True)
        for each in counters
    )


@dataclass(frozen=True, slots=True)
class _Counter:
    """One resource of one type; `flagged` names the tables whose rows say themselves whether they count."""

    what: str
    resource: str
    type_id: str
    flagged: frozenset[str]
    snapshots_count: bool

    def right(self, t: Tables) -> dict[str, Any]:
        """What a row should say."""
        return {"in_use": self.truth(t)}

    def wrong(self, t: Tables) -> Select[Any]:
        """Live rows of the resource that say another number than there are."""
        usage = t.quota_usages
        return select(usage.c.id, usage.c.project_id, usage.c.resource, usage.c.in_use).where(
            usage.c.deleted == 0, usage.c.resource == self.resource, usage.c.in_use != self.truth(t)
        )

    def truth(self, t: Tables) -> Any:
        """The number that a row should say."""
        if self.what == "volumes":
            return self._volumes(t, func.count())
        if self.what == "snapshots":
            return self._snapshots(t, func.count())
        size = self._volumes(t, func.coalesce(func.sum(t.volumes.c.size), 0))
        if not self.snapshots_count:
            return size
        return size + self._snapshots(t, func.coalesce(func.sum(t.snapshots.c.volume_size), 0))

    def _volumes(self, t: Tables, what: ColumnElement[Any]) -> Any:
        volume, usage = t.volumes, t.quota_usages
        counted = _counted(volume) if "volumes" in self.flagged else true()
        mine = and_(volume.c.project_id == usage.c.project_id, volume.c.volume_type_id == self.type_id)
        return select(what).where(mine, volume.c.deleted == 0, counted).correlate(usage).scalar_subquery()

    def _snapshots(self, t: Tables, what: ColumnElement[Any]) -> Any:
        snapshot, volume, usage = t.snapshots, t.volumes, t.quota_usages
        joined = snapshot.join(volume, volume.c.id == snapshot.c.volume_id)
        counted = _counted(snapshot) if "snapshots" in self.flagged else true()
        mine = and_(snapshot.c.project_id == usage.c.project_id, volume.c.volume_type_id == self.type_id)
        found = select(what).select_from(joined).where(mine, snapshot.c.deleted == 0, counted)
        return found.correlate(usage).scalar_subquery()


def _counted(table: Any) -> ColumnElement[bool]:
    """Rows that count for quotas: those that do not say otherwise."""
    return or_(table.c.use_quota.is_(None), table.c.use_quota == 1)
