"""The rows of a chunk of keys, locked: Grizzly's first, then Havana's, then the base's, each by its primary key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbaudit.ec2.base import Base, Known, text_of
from dbaudit.ec2.form import TYPE, Row, Trouble, grizzly_key, key_id
from dbaudit.ec2.link import Link
from dbaudit.ec2.sight import Sight, Want, parsed
from dbaudit.proof.token import folded_text

if TYPE_CHECKING:
    from dbaudit.packs.keystone._ec2 import Key


@dataclass
class Locked:
    """What the locked rows say, by id. `colliding` are keys whose place in Grizzly another key holds."""

    left: dict[str, Key] = field(default_factory=dict)
    right: dict[str, Row] = field(default_factory=dict)
    known: dict[str, Known] = field(default_factory=dict)
    colliding: set[str] = field(default_factory=set)

    @property
    def keys(self) -> list[Key]:
        """All keys that were read."""
        return [*self.left.values(), *(row.key for row in self.right.values() if row.key is not None)]


FOR_UPDATE = " FOR UPDATE"


def lock(link: Link, base: Base, sight: Sight, wants: Sequence[Want], how: str = FOR_UPDATE) -> Locked:
    """Lock and read; with an empty `how` only read. The transactions stay open."""
    seen = Locked()
    by_id = {want.id: want for want in wants}
    names = _accesses(link, base, sight, wants)
    _left(link, seen, names, how)
    with link.h.cursor() as cursor:
        columns = ", ".join(f"`{name}`" for name in ("id", "user_id", "project_id", *sight.blobs, "type"))
        cursor.execute(f"SELECT {columns} FROM {link.ends.new} WHERE id IN %s ORDER BY id{how}", (tuple(by_id),))
        for *values, type in cursor.fetchall():
            row = parsed(tuple(values), sight)
            if type != TYPE:  # a credential of another type under this id
                row = Row(row.id, None, trouble=Trouble.UNREADABLE)
            seen.right[row.id.lower()] = row
        cursor.execute(
            f"SELECT id, digest, seen FROM {base.ends.table('ec2_base')} WHERE pair = %s AND id IN %s{how}",
            (base.pair, tuple(by_id)),
        )
        seen.known = {str(id): Known(str(digest), int(bits)) for id, digest, bits in cursor.fetchall()}
    return seen


def _left(link: Link, seen: Locked, names: dict[str, str], how: str) -> None:
    if not names:
        return
    with link.g.cursor() as cursor:
        cursor.execute(
            f"SELECT access, secret, user_id, tenant_id FROM {link.ends.old} WHERE access IN %s ORDER BY access{how}",
            (tuple(names.values()),),
        )
        found = [grizzly_key(access, secret, user, project) for access, secret, user, project in cursor.fetchall()]
    others: set[str] = set()
    for key in found:
        if names.get(key.id) == key.access:
            seen.left[key.id] = key
        else:
            others.add(folded_text(key.access))
    if others:
        seen.colliding = {id for id, access in names.items() if folded_text(access) in others}


def _accesses(link: Link, base: Base, sight: Sight, wants: Sequence[Want]) -> dict[str, str]:
    """The access key of each id; where nobody has said it, the base or Havana's row may know it."""
    found = {want.id: want.access for want in wants if want.access}
    unknown = tuple(want.id for want in wants if not want.access)
    if not unknown:
        return found
    with link.h.cursor() as cursor:
        columns = ", ".join(f"`{name}`" for name in ("id", "user_id", "project_id", *sight.blobs))
        cursor.execute(f"SELECT {columns} FROM {link.ends.new} WHERE id IN %s", (unknown,))
        rows = [parsed(tuple(row), sight) for row in cursor.fetchall()]
        found |= {row.key.id: row.key.access for row in rows if row.key is not None and row.trouble is None}
        table = base.ends.table("ec2_base")
        cursor.execute(f"SELECT access FROM {table} WHERE pair = %s AND id IN %s", (base.pair, unknown))
        found |= {key_id(text_of(access)): text_of(access) for (access,) in cursor.fetchall()}
    return found
