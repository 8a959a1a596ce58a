"""The volume type that volumes are to get: found by name or id, live, unambiguous, and open to the projects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, or_, select

from dbaudit.errors import DbauditError, UsageError
from dbaudit.volumes.look import NAMED, Look

# What the first Train migration makes, and Ussuri wants every untyped row to have.
DEFAULT = "__DEFAULT__"


@dataclass(frozen=True, slots=True)
class Kind:
    """A live volume type."""

    id: str
    name: str


def find_kind(look: Look, wanted: str) -> Kind:
    """The live type of that id or name. Raises UsageError where there is none, or several of that name."""
    table = look.tables.volume_types
    query = select(table.c.id, table.c.name, table.c.deleted)
    found = look.rows(query.where(or_(table.c.id == wanted, table.c.name == wanted)).order_by(table.c.id))
    live = [row for row in found if row["deleted"] == "0"]
    by_id = [row for row in live if row["id"] == wanted]
    if len(by_id or live) == 1:
        row = (by_id or live)[0]
        return Kind(str(row["id"]), str(row["name"]))
    if live:
        raise UsageError(
            f"{len(live)} live volume types are called {wanted}",
            f"name one by its id: {', '.join(r['id'] for r in live)}",
        )
    if found:
        said = f"the volume type {wanted} is deleted"
        hint = "migration 132 (Train) skips on a deleted row of that name: give it deleted = 0 again, or another name"
        raise UsageError(said, hint if wanted == DEFAULT else "name a live type, or make one: cinder type-create")
    known = look.rows(query.where(table.c.deleted == 0).order_by(table.c.name).limit(20))
    named = ", ".join(str(row["name"]) for row in known) or "none"
    raise UsageError(
        f"there is no volume type {wanted}", f"make it with `cinder type-create {wanted}`; there are: {named}"
    )


def refuse_if_private(look: Look, kind: Kind) -> None:
    """Raise DbauditError where the type is private and not every project with live untyped volumes may use it."""
    if look.has("volume_types", "is_public") and _public(look, kind) == "0":
        _refuse_strangers(look, kind)


def _public(look: Look, kind: Kind) -> str | None:
    table = look.tables.volume_types
    found: str | None = look.rows(select(table.c.is_public).where(table.c.id == kind.id))[0]["is_public"]
    return found


def _refuse_strangers(look: Look, kind: Kind) -> None:
    volume, access = look.tables.volumes, look.tables.volume_type_projects
    allowed = select(access.c.project_id).where(access.c.volume_type_id == kind.id, access.c.deleted == 0)
    query = select(volume.c.project_id).where(
        volume.c.volume_type_id.is_(None), volume.c.deleted == 0, volume.c.project_id.not_in(allowed)
    ).distinct()  # fmt: skip
    number, named = look.sample(query, "project_id")
    if number:
        raise DbauditError(
            f"the type {kind.name} is private, and {number} project(s) with untyped volumes may not use it: {named}",
            f"give them access with `cinder type-access-add`, or make the type public (the first {NAMED} are named)",
        )


def warnings(look: Look, kind: Kind, untyped: Select[Any]) -> Iterator[str]:
    """What the type brings with it that the volumes did not have: encryption, QoS, a back end, limits."""
    t = look.tables
    if look.has("volume_types", "is_public") and _public(look, kind) is None:
        yield f"is_public of the type {kind.name} is NULL: cinder shows it to no project that was not given access"
    if look.has("encryption") and look.count(select(t.encryption.c.provider).where(_live(t.encryption, kind))):
        yield (
            f"the type {kind.name} carries encryption: nova takes these volumes for encrypted at their next "
            "attachment, which they are not"
        )
    if look.has("volume_types", "qos_specs_id"):
        specs = look.rows(select(t.volume_types.c.qos_specs_id).where(t.volume_types.c.id == kind.id))
        if specs[0]["qos_specs_id"]:
            yield f"the type {kind.name} carries QoS specs: they limit these volumes from their next attachment on"
    yield from _back_end(look, kind, untyped)
    yield from _limits(look, kind)


def _live(table: Any, kind: Kind) -> Any:
    return (table.c.volume_type_id == kind.id) & (table.c.deleted == 0)


def _back_end(look: Look, kind: Kind, untyped: Select[Any]) -> Iterator[str]:
    spec = look.tables.volume_type_extra_specs
    found = look.rows(select(spec.c.value).where(_live(spec, kind), spec.c.key == "volume_backend_name"))
    if not found:
        return
    backend, rows = str(found[0]["value"]), untyped.subquery()
    hosts = look.rows(select(rows.c.host, func.count().label("n")).group_by(rows.c.host).order_by(rows.c.host))
    other = [f"{row['host'] or 'no host'} ({row['n']})" for row in hosts if not fits(row["host"], backend)]
    if other:
        yield (
            f"the type {kind.name} wants the back end {backend}, and the host of these volumes does not name it: "
            f"{', '.join(other)}"
        )


def fits(host: str | None, backend: str) -> bool:
    """Whether a host (`H`, `H@backend`, `H@backend#pool`) names a back end, as its section or as its pool."""
    service, _, pool = (host or "").partition("#")
    return backend.lower() in (service.partition("@")[2].lower(), pool.lower())


def _limits(look: Look, kind: Kind) -> Iterator[str]:
    names = [f"{what}_{kind.name}" for what in ("volumes", "gigabytes", "snapshots")]
    for table, who in (("quotas", "project_id"), ("quota_classes", "class_name")):
        if look.has(table):
            rows = getattr(look.tables, table)
            query = select(rows.c[who].label("who")).where(
                rows.c.deleted == 0, rows.c.resource.in_(names), rows.c.hard_limit >= 0
            )
            number, named = look.sample(query, "who")
            if number:
                yield f"{number} row(s) of `{table}` limit the type {kind.name}, and these volumes count now: {named}"
