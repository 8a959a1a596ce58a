"""Roles that are lost because they stand behind one without an id.

What is wrong: a grant has a role whose id is null, and further roles behind it.

Why it matters: migration 039 (Icehouse) takes the null for the end of the list: that role and all behind it are not
copied to `assignment`, and the source is deleted. The users lose access that they have now, without a word.

How it came about: grants written with a role that was not found, or edited by hand.

Repair: take the nulls out of the JSON before the upgrade.
"""

from __future__ import annotations

from collections.abc import Iterator

from dbaudit.check import ERROR, LOSES, Audited, Check, Fact, step
from dbaudit.packs.keystone._grants import Unreadable, grants, plain, read

check = Check(
    __name__,
    severity=ERROR,
    effect=LOSES,
    before=step("keystone", 39),
    message="migration 039 loses {roles} role(s) of {count} grant(s) of `{object}`, behind one that has no id",
    remedy="Take the roles that are null out of the JSON in `{object}`.`data` before the upgrade.",
)


@check.facts
def lost(audited: Audited) -> Iterator[Fact]:
    ids = plain(audited)
    bad: dict[str, dict[str, int]] = {}
    for table, key, data in grants(audited):
        try:
            behind = len(read(data, ids).lost)
        except Unreadable:  # that stops the migration: see grant_refused
            continue
        if behind:
            bad.setdefault(table, {})[key] = behind
    for table, found in sorted(bad.items()):
        yield Fact(table, {"roles": sum(found.values())}, count=len(found), keys=tuple(found))
