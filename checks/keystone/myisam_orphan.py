"""Orphans in tables that are about to get foreign keys with the move from MyISAM.

What is wrong: a table of keystone is not InnoDB, and rows of it, or of a table that refers to it, name a domain,
project, service, user or group that does not exist.

Why it matters: migration 027 (Havana) converts such tables to InnoDB and makes foreign keys on them and on those that
refer to them. Orphans make the server refuse (1452) and the migration stops; what it converted stays, so that a second
run makes no foreign key any more for it.

How it came about: MyISAM keeps no foreign keys, so that nothing stopped the parent's deletion.

Repair: delete the orphans before the upgrade.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from dbaudit.check import BLOCKS, ERROR, Audited, Check, Fact, step

STEP = step("keystone", 27)
check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    before=STEP,
    message="migration 027 stops (1452): `{converted}` is not InnoDB, and {count} row(s) of `{object}` name a {parent} "
    "that does not exist",
    remedy="Before the upgrade: `DELETE FROM {object} WHERE {column} NOT IN (SELECT id FROM {parent})`.",
)
# What 027 looks at, the table that then gets the key, its column and the parent. The entry of user_project_metadata
# names another table: a slip of upstream's.
KEYS = (
    ("endpoint", "endpoint", "service_id", "service"),
    ("group", "group", "domain_id", "domain"),
    ("group_domain_metadata", "group_domain_metadata", "domain_id", "domain"),
    ("group_project_metadata", "group_project_metadata", "project_id", "project"),
    ("project", "project", "domain_id", "domain"),
    ("user", "user", "domain_id", "domain"),
    ("user_domain_metadata", "user_domain_metadata", "domain_id", "domain"),
    ("user_group_membership", "user_group_membership", "user_id", "user"),
    ("user_group_membership", "user_group_membership", "group_id", "group"),
    ("user_project_metadata", "group_project_metadata", "project_id", "project"),
)


@check.facts
def orphans(audited: Audited) -> Iterator[Fact]:
    stage = audited.stage(STEP)
    tables = stage.before.tables if stage else {}
    told: set[tuple[str, str]] = set()
    for table, child, column, parent in KEYS:
        foreign = [
            name for name in (table, parent) if name in tables and (tables[name].engine or "").lower() != "innodb"
        ]
        if not foreign or (child, column) in told:
            continue
        row, other = getattr(audited.tables, child), getattr(audited.tables, parent).alias()
        joined = row.outerjoin(other, other.c.id == row.c[column])
        query = select(row.c[column]).select_from(joined).where(other.c.id.is_(None), row.c[column].is_not(None))
        count, keys = audited.sample(query, column)
        if count:
            told.add((child, column))
            facts = {"converted": foreign[0], "column": column, "parent": parent}
            yield Fact(child, facts, count=count, keys=keys)
