"""Whose keys they are: users and projects of both sides, and keys whose owner was deleted.

Grizzly never cascades, and Havana's v2 API does not either. A user that a side never had (made after the split, or in
LDAP) was not deleted there; so the base remembers on which sides the owners of a key were seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbaudit.ec2.link import Link
from dbaudit.ec2.packed import ids
from dbaudit.ec2.survey import Owners
from dbaudit.repair.journal import tables_of
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.packs.keystone._ec2 import Key

# A bit for each owner on each side, as `seen` of the base has them.
BITS = {("grizzly", "user"): 1, ("grizzly", "project"): 2, ("havana", "user"): 4, ("havana", "project"): 8}


@dataclass(frozen=True)
class Census:
    """Who is known where; empty with an external identity, of which nothing can be said."""

    sides: dict[str, Owners] = field(default_factory=dict)
    _told: dict[tuple[str | None, str | None], tuple[int, int]] = field(default_factory=dict, repr=False, compare=False)

    def present(self, key: Key) -> Iterator[tuple[str, str, bool]]:
        """Side, user or project, and whether it is there; only where that is known and the key has one."""
        for what, sides in self._looked(key):
            for side, there in sides.items():
                if there is not None:
                    yield side, what, there

    def _looked(self, key: Key) -> Iterator[tuple[str, dict[str, bool | None]]]:
        """User and project, where the key has one, and by side whether it is there; None where that is not known."""
        for what, id in (("user", key.user), ("project", key.project)):
            if id is not None:
                views = {side: known.users if what == "user" else known.projects for side, known in self.sides.items()}
                yield what, {side: None if ids is None else id in ids for side, ids in views.items()}

    def seen(self, key: Key) -> int:
        """The bits of the owners that are there."""
        return self.bits(key.user, key.project)[0]

    def bits(self, user: str | None, project: str | None) -> tuple[int, int]:
        """The bits of the owners that are there, and of those that would be if none were missing."""
        known = self._told.get((user, project))
        if known is None:
            known = self._told[user, project] = self._bits(user, project)
        return known

    def _bits(self, user: str | None, project: str | None) -> tuple[int, int]:
        found = wanted = 0
        for side, known in self.sides.items():
            for what, there, id in (("user", known.users, user), ("project", known.projects, project)):
                if there is not None and id is not None:
                    wanted |= BITS[side, what]
                    found |= BITS[side, what] if id in there else 0
        return found, wanted

    def orphan(self, key: Key) -> str:
        """Which owners are missing, in words; empty for none."""
        return ", ".join(f"no {what} in {side.title()}" for side, what, there in self.present(key) if not there)

    def deleted(self, key: Key, seen: int) -> bool:
        """Whether an owner was deleted: it is nowhere, or it is gone from a side where the base says it was.

        Where a side does not tell its users (LDAP), the user may live there: then he never is.
        """
        for what, sides in self._looked(key):
            if not sides or None in sides.values():
                continue
            if not any(sides.values()) or any(not there and seen & BITS[s, what] for s, there in sides.items()):
                return True
        return False

    def unsure(self, key: Key) -> str:
        """Of which missing owners it cannot be told whether they were deleted, in words; empty for none."""
        return ", ".join(
            f"{what}s of {side.title()} are not known"
            for what, sides in self._looked(key)
            for side, there in sides.items()
            if there is None and False in sides.values()
        )


def look_again(link: Link, known: Census, keys: Iterable[Key]) -> Census:
    """The same with owners of these keys that were made since; a census is up to a minute old."""
    told = [(key, *known.bits(key.user, key.project)) for key in keys]
    missing = [key for key, seen, wanted in told if seen != wanted]
    if not missing:
        return known
    sides = dict(known.sides)
    for side, owners in known.sides.items():
        connection, database = (link.g, link.ends.grizzly) if side == "grizzly" else (link.h, link.ends.havana)
        with connection.cursor() as cursor:
            users = _found(cursor, database.database, "user", owners.users, {key.user for key in missing})
            projects = _found(cursor, database.database, "project", owners.projects, {key.project for key in missing})
        sides[side] = Owners(users, projects)
    return Census(sides)


def _found(
    cursor: Any, database: str, table: str, known: frozenset[str] | None, wanted: set[str | None]
) -> frozenset[str] | None:  # fmt: skip
    asked = tuple(sorted(id for id in wanted if id is not None and known is not None and id not in known))
    if known is None or not asked:
        return known
    cursor.execute(f"SELECT id FROM {quoted(database)}.{quoted(table)} WHERE id IN %s", (asked,))
    return known | {str(id) for (id,) in cursor.fetchall()}


def census(link: Link) -> Census:
    """Reads who is known on both sides. A table that is not there, or empty, says nothing."""
    found: dict[str, Owners] = {}
    for side, connection, database in (
        ("grizzly", link.g, link.ends.grizzly.database),
        ("havana", link.h, link.ends.havana.database),
    ):
        if side == "havana" and link.ends.one and database == link.ends.grizzly.database:
            continue
        there = tables_of(connection, database)
        with connection.cursor() as cursor:
            found[side] = Owners(*(_ids(cursor, database, table, there) for table in ("user", "project")))
        connection.rollback()
    return Census(found)


def _ids(cursor: Any, database: str, table: str, there: frozenset[str]) -> frozenset[str] | None:
    if table not in there:
        return None
    return frozenset(ids(cursor, f"{quoted(database)}.{quoted(table)}")) or None
