"""Move volumes, and what else names their back end, to the host under which its service runs now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, text

from dbaudit.check import Tables, Update
from dbaudit.errors import DbauditError, UsageError
from dbaudit.repair.work import Part, Work
from dbaudit.volumes.look import Look

NAME = "volumes rehost"
BINARY = "cinder-volume"
# Seconds without a report after which cinder calls a service down (service_down_time).
DOWN = 60
# Tables whose `host` names a back end; never `backups`, whose host is the one of cinder-backup.
TABLES = ("volumes", "consistencygroups", "groups", "iscsi_targets", "image_volume_cache_entries")


@dataclass(frozen=True, slots=True)
class Move:
    """From one host to another; a `#pool` behind it is kept."""

    old: str
    new: str

    def covers(self, host: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether a host is the old one, whatever its pool."""
        return or_(host == self.old, host.startswith(f"{self.old}#", autoescape=True))

    def moved(self, host: ColumnElement[Any]) -> ColumnElement[Any]:
        """The host after the move."""
        return func.concat(self.new, func.substring(host, len(self.old) + 1))


def read_moves(words: Sequence[str]) -> tuple[Move, ...]:
    """`p01=p01@standard`, one each. Raises UsageError for what is no move, or for moves that meet each other."""
    moves = []
    for word in words:
        old, sign, new = word.partition("=")
        if not (old and sign and new) or "#" in word or old == new:
            raise UsageError(f"{word!r} is no move of a host", "write it as p01=p01@standard, without a #pool")
        moves.append(Move(old, new))
    olds = [move.old.lower() for move in moves]
    if len(set(olds)) < len(olds):
        raise UsageError("a host is named twice", "each host moves to one place")
    for move in moves:
        if move.new.lower() in olds:
            raise UsageError(
                f"{move.new} is the end of one move and the beginning of another",
                "do them one after the other: a run that is resumed could not tell which rows it moved already",
            )
    return tuple(moves)


def rehost(look: Look, moves: Sequence[Move], *, service_will_come: bool, deleted_too: bool = False) -> Work:
    """The work of these moves. Raises DbauditError where a service is not there or down, and is not to come."""
    warnings = tuple(_services(look, moves, service_will_come=service_will_come))
    parts = tuple(_part(look, name, moves, deleted_too=deleted_too) for name in TABLES if look.has(name, "host"))
    told = {"moves": {move.old: move.new for move in moves}, "deleted_too": deleted_too}
    return Work(NAME, parts, told, (*warnings, *_left(look, moves)))


def _part(look: Look, name: str, moves: Sequence[Move], *, deleted_too: bool) -> Part:
    shown = [column for column in ("host", "project_id", "status") if look.has(name, column)]
    by_uuid = look.has(name, "service_uuid")
    soft = look.has(name, "deleted")

    def on_old_hosts(t: Tables) -> Select[Any]:
        table = getattr(t, name)
        condition = or_(*(move.covers(table.c.host) for move in moves))
        if soft:
            condition = and_(condition, table.c.deleted.is_not(None) if deleted_too else table.c.deleted == 0)
        return select(table.c.id, *(table.c[column] for column in shown)).where(condition)

    def moved(t: Tables) -> Mapping[str, Any]:
        table = getattr(t, name)
        host = {"host": case(*((move.covers(table.c.host), move.moved(table.c.host)) for move in moves))}
        if not by_uuid:
            return host
        return {"service_uuid": case(*((move.covers(table.c.host), _uuid(t, table, move)) for move in moves)), **host}

    return Part(name, name, on_old_hosts, Update(moved), label=("id",), groups=tuple(shown))


def _uuid(t: Tables, table: Any, move: Move) -> Any:
    """The uuid of the service of the new host; the old one where it is not there yet."""
    service = t.services
    found = select(func.max(service.c.uuid)).where(
        service.c.host == move.new, service.c.binary == BINARY, service.c.deleted == 0
    )
    return func.coalesce(found.scalar_subquery(), table.c.service_uuid)


def _services(look: Look, moves: Sequence[Move], *, service_will_come: bool) -> Iterator[str]:
    service = look.tables.services
    # As cinder has it: one that never reported counts from its beginning; clocks may differ by as much either way.
    heard = func.coalesce(service.c.updated_at, service.c.created_at)
    alive = func.abs(func.timestampdiff(text("SECOND"), heard, func.utc_timestamp())) <= DOWN
    for move in moves:
        named = and_(service.c.host == move.new, service.c.binary == BINARY, service.c.deleted == 0)
        found = look.rows(select(alive.label("alive"), service.c.disabled).where(named))
        if not service_will_come:
            if not found:
                raise DbauditError(
                    f"there is no {BINARY} service {move.new}: its volumes could not be managed",
                    "start it first, or say --service-will-come",
                )
            if not any(row["alive"] == "1" for row in found):
                raise DbauditError(
                    f"the {BINARY} service {move.new} has not reported for {DOWN} s: it is down",
                    "start it first, or say --service-will-come",
                )
        elif not found:
            yield f"there is no {BINARY} service {move.new} yet: until it comes, these volumes cannot be managed"
            if look.has("volumes", "service_uuid"):
                yield (
                    f"their `service_uuid` keeps naming the service of {move.old}: run `cinder-manage volume "
                    f"update_service` when {move.new} has come (it leaves those alone that have none)"
                )
        if any(row["disabled"] == "1" for row in found):
            yield f"the {BINARY} service {move.new} is disabled: no new volumes are placed there"
        yield from _old_service(look, move)


def _old_service(look: Look, move: Move) -> Iterator[str]:
    service = look.tables.services
    query = select(service.c.id).where(service.c.host == move.old, service.c.binary == BINARY, service.c.deleted == 0)
    if look.count(query):
        yield (
            f"the row of `services` of {move.old} is not touched: stop that service if it still runs; it shows as down "
            f"from then on, until `cinder-manage service remove {BINARY} {move.old}` (Liberty and later) or an UPDATE "
            "of its `deleted` takes it away"
        )


def _left(look: Look, moves: Sequence[Move]) -> Iterator[str]:
    """Rows that stay: undecided ones, backups, clusters, and live volumes of other hosts that have no service."""
    volume = look.tables.volumes
    mine = or_(*(move.covers(volume.c.host) for move in moves))
    number, named = look.sample(select(volume.c.id).where(mine, volume.c.deleted.is_(None)), "id")
    if number:
        yield f"{number} row(s) of `volumes` are neither live nor deleted (NULL) and not touched: {named}"
    if look.has("volumes", "cluster_name"):
        number = look.count(select(volume.c.id).where(mine, volume.c.deleted == 0, volume.c.cluster_name.is_not(None)))
        if number:
            yield f"{number} of these volumes belong to a cluster; their `cluster_name` is not touched"
    service = look.tables.services
    backend = func.substring_index(volume.c.host, "#", 1)
    joined = volume.outerjoin(
        service, and_(service.c.host == backend, service.c.binary == BINARY, service.c.deleted == 0)
    )
    query = select(volume.c.host.label("host")).select_from(joined).where(
        volume.c.deleted == 0, volume.c.host.is_not(None), service.c.id.is_(None), ~mine
    ).distinct()  # fmt: skip
    new = [move.new for move in moves]
    number, named = look.sample(query.where(backend.not_in(new)), "host")
    if number:
        yield f"live volumes of {number} other host(s) have no {BINARY} service either: {named}"
