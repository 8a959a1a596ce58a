"""A foreign key that a pending migration makes will be refused.

What is wrong: parent and child of a new foreign key do not match: another charset or collation, another type, a parent
that is not InnoDB or has no index on its column. Some migrations create tables without naming a charset; these take
the database's default, which then has to be the parent's (cinder 032 and 040, all of glance, keystone's `region`).

Why it matters: the server refuses the foreign key (1215; 1005 errno 150 on MariaDB; 3780 on MySQL 8 and later). The
migration stops, and what it did before stays: a second run then stops at that (1050, 1060).

How it came about: a database that was created or restored with another default charset, tables that were converted one
by one, tables that are still MyISAM.

Repair: convert parent and child to one charset before the upgrade, and give the database the same default.
"""

from __future__ import annotations

from collections.abc import Iterator

from dbaudit.check import BLOCKS, ERROR, Audited, Check, Fact, Trouble, Unknown

check = Check(
    __name__,
    severity=ERROR,
    effect=BLOCKS,
    message="{step} cannot make the foreign key of {object}, because {detail}: {work} fails with {error}",
    remedy="Bring both sides to one charset and collation before the upgrade "
    "(`ALTER TABLE ... CONVERT TO CHARACTER SET utf8`, with `ALTER DATABASE ... CHARACTER SET utf8`), and to InnoDB.",
)
_UNKNOWN = (
    "{step} makes a foreign key ({pair}) between a table with the database's default charset and one that has its own, "
    "and this dump does not tell the default. Ask the server: SELECT default_character_set_name, "
    "default_collation_name FROM information_schema.schemata WHERE schema_name = '{database}'; "
    "then run again with --database-charset"
)


@check.facts
def clashes(audited: Audited) -> Iterator[Fact | Unknown]:
    for stage in audited.pending:
        for clash in stage.clashes:
            if clash.trouble is Trouble.FOREIGN_KEY:
                facts = {"work": clash.work, "error": clash.error, "detail": clash.detail, "step": str(stage.step)}
                yield Fact(clash.object, facts, step=stage.step, keys=(clash.object,))
            elif clash.trouble is Trouble.CHARSET_UNKNOWN:
                database = audited.schema.name or audited.service
                yield Unknown(_UNKNOWN.format(step=stage.step, pair=clash.object, database=database))
