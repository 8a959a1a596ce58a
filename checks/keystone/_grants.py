"""How role grants are written in keystone's metadata tables, and what migration 039 makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from dbaudit.check import Audited, step

# Each table with the columns of who is granted roles, and on what.
TABLES = {
    "user_project_metadata": ("user_id", "project_id"),
    "user_domain_metadata": ("user_id", "domain_id"),
    "group_project_metadata": ("group_id", "project_id"),
    "group_domain_metadata": ("group_id", "domain_id"),
}


class Unreadable(ValueError):
    """The grant is not an object of JSON with a list of roles."""


@dataclass(frozen=True)
class Grant:
    """One row: `roles` are the ids that 039 copies, `lost` those that it leaves behind a role without an id.

    `strange` says that a role has another form than migration 029 makes: no object, or an object as its id.
    """

    roles: tuple[str, ...]
    lost: tuple[str, ...] = ()
    strange: bool = False


def grants(audited: Audited) -> Iterator[tuple[str, str, Any]]:
    """Every grant: its table, its key (actor and target) and its data as it stands."""
    for name, key in TABLES.items():
        if name in audited.schema.tables:
            row = getattr(audited.tables, name)
            actor, target = (row.c[column] for column in key)
            query = select(actor.label("actor"), target.label("target"), row.c.data).order_by(actor, target)
            for found in audited.rows(query):
                yield name, f"{found['actor']} {found['target']}", found["data"]


def plain(audited: Audited) -> bool:
    """Whether roles are still a plain list of ids, which migration 029 makes a list of objects."""
    return audited.stage(step("keystone", 29)) is not None


def read(data: Any, ids: bool) -> Grant:
    """What 039 will make of the data of a grant; `ids` says that 029 is still to come. Raises Unreadable."""
    try:
        value = json.loads(data)
    except (TypeError, ValueError):
        raise Unreadable from None
    if isinstance(value, list | str) and "roles" not in value:
        return Grant(())  # as upstream asks: `'roles' in value`
    entries = value.get("roles", []) if isinstance(value, dict) else None
    if not isinstance(entries, list | str | dict):
        raise Unreadable
    roles: list[str] = []
    entries = list(entries)
    for place, entry in enumerate(entries):
        entry = {"id": entry} if ids else entry
        if not isinstance(entry, dict) or isinstance(entry.get("id"), dict | list):
            return Grant(tuple(roles), strange=True)
        if entry.get("id") is None:
            rest = [each if ids else each.get("id") for each in entries[place:] if ids or isinstance(each, dict)]
            return Grant(tuple(roles), tuple(str(each) for each in rest if each is not None))
        roles.append(str(entry["id"]))
    return Grant(tuple(roles))
