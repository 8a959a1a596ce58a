"""Tables that db sync refuses because they are not utf8.

What is wrong: tables have a collation that is not one of utf8. The site's own tables count, and tables that earlier
steps make with the database's default.

Why it matters: db sync of some releases looks at the tables before its first step and refuses if any has another
collation ("Tables ... have non utf8 collation"): keystone in Icehouse and Juno, glance from Icehouse on, cinder from
Kilo on. Nothing is changed by then. `migrate_version` is exempt.

How it came about: a database that was created with another default charset (glance never names one), or tables that
were converted or added by the site.

Repair: convert the tables before the upgrade, those that refer to each other together, and change the database's
default.
"""

from __future__ import annotations

from collections.abc import Iterator

from dbaudit.check import BLOCKS, ERROR, Audited, Check, Fact, Step, Unknown
from dbaudit.schema.model import Table

# Releases whose db sync refuses, of those that a step catalogue covers.
REFUSING = {
    "keystone": ("icehouse", "juno"),
    "glance": ("icehouse", "juno", "kilo"),
    "cinder": ("kilo",),
}
EXEMPT = ("migrate_version", "alembic_version")

check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    message="db sync of {release} refuses before its first step, {step}: {count} table(s) are not utf8: {tables}",
    remedy="Before the upgrade: `SET foreign_key_checks = 0; ALTER TABLE ... CONVERT TO CHARACTER SET utf8` for each "
    "of these tables, and `ALTER DATABASE ... CHARACTER SET utf8`.",
)


@check.facts
def foreign(audited: Audited) -> Iterator[Fact | Unknown]:
    told: set[str] = set()
    looked: set[str] = set()
    unsaid: list[Step] = []
    for stage in audited.pending:
        release = str(stage.release)
        if stage.step.repository != audited.service:  # the extensions of keystone are synced after it
            continue
        if release not in REFUSING.get(audited.service, ()) or release in looked:
            continue
        looked.add(release)
        tables = [
            t for name, t in sorted(stage.before.tables.items()) if name.lower() not in EXEMPT and name not in told
        ]
        if any(charset(table) is None for table in tables) and stage.before.charset is None:
            unsaid.append(stage.step)
        default = stage.before.charset or "utf8"
        bad = tuple(table.name for table in tables if not (charset(table) or default).startswith("utf8"))
        told.update(bad)
        if bad:
            facts = {"release": release, "step": str(stage.step), "tables": ", ".join(f"`{name}`" for name in bad[:5])}
            yield Fact(bad[0], facts, step=stage.step, count=len(bad), keys=bad)
    if unsaid:
        yield Unknown(
            f"{', '.join(str(each) for each in unsaid)}: db sync refuses if a table is not utf8, some tables have the "
            "database's default charset, and this dump does not tell it. Run again with --database-charset"
        )


def charset(table: Table) -> str | None:
    """The charset of a table, None where it has the database's default."""
    return (table.charset or table.collation or "").lower() or None
