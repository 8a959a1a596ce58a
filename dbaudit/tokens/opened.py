"""A keystone database that is opened for a flush: its server, its cutoff, and what of it can be flushed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pymysql.cursors import Cursor
from sqlalchemy import URL

from dbaudit.comparison.live import Credentials, read_live_side
from dbaudit.errors import DbauditError, UsageError
from dbaudit.finding import Skipped
from dbaudit.migration.standing import release_of
from dbaudit.release import Release
from dbaudit.repair.journal import SCHEMA
from dbaudit.repair.target import Target, open_target
from dbaudit.schema.model import Schema
from dbaudit.tokens.family import TABLES, Family, families
from dbaudit.tokens.retention import UNTOLD, Cutoff, Retention, find_cutoff, read_retention
from dbaudit.tokens.survey import Survey, survey


@dataclass(frozen=True, slots=True)
class Wish:
    """What of a database is to be flushed. `options` are settings of `Retention` that the user gave."""

    url: URL = field(repr=False)
    before: str | None = None
    only: tuple[str, ...] = ()
    options: Mapping[str, int | None] = field(default_factory=dict)
    config: Path | None = None
    journal: str = SCHEMA


@dataclass(frozen=True, slots=True)
class Opened:
    """The database, and what a flush of it is about."""

    target: Target
    schema: Schema
    release: Release | None
    retention: Retention
    cutoff: Cutoff
    families: tuple[Family, ...]
    skipped: tuple[Skipped, ...]

    @property
    def lacking(self) -> bool:
        """Whether a table was skipped for more than a setting that nobody told, or nothing is left to flush."""
        told = any(each.reason != UNTOLD for each in self.skipped)
        return told or bool(self.skipped and not self.families)


def open_flush(wish: Wish) -> Opened:
    """Read the schema, the server's clock and the settings. Raises UsageError and DbauditError."""
    for name in wish.only:
        if name not in TABLES:
            raise UsageError(f"--only {name}: no such table is flushed", f"tables: {', '.join(TABLES)}")
    target = open_target(wish.url, wish.journal)
    side = read_live_side(wish.url.render_as_string(hide_password=False), "live database", None, Credentials())
    at, _ = release_of("keystone", side.versions)
    retention = read_retention(wish.options, wish.config, at)
    with target.session() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT UTC_TIMESTAMP(6)")
        cutoff = find_cutoff(str((cursor.fetchone() or ("",))[0]), wish.before, retention)
    found, skipped = families(side.schema, cutoff, retention, wish.only)
    if not found and not skipped:
        wanted = ", ".join(wish.only or TABLES)
        raise DbauditError(f"{target.shown} has none of the tables {wanted}", "name keystone's database")
    return Opened(target, side.schema, at, retention, cutoff, found, skipped)


def count(opened: Opened) -> Sequence[Survey]:
    """What a flush would delete, table by table. Reads only."""
    with opened.target.session() as connection, connection.cursor() as cursor:
        fresh_statistics(cursor, opened.target)
        return [survey(cursor, family) for family in opened.families]


def fresh_statistics(cursor: Cursor, target: Target) -> None:
    """MySQL 8 shows sizes that are up to a day old unless it is told not to."""
    if target.version.at_least(mysql=(8, 0)):
        cursor.execute("SET SESSION information_schema_stats_expiry = 0")
