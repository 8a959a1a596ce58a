"""`--rebuild`: the first clean-up of a token table that is nearly all dead, with keystone stopped.

Copies the living rows (unexpired, and those without an expiry) into a new table, swaps the two by one RENAME, replays
what changed in the old table meanwhile until a pass finds nothing, and verifies both sets by key. The old table stays,
under another name; dropping it is the operator's. After a kill it goes on: the comment of the new table says where.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbaudit.errors import DbauditError
from dbaudit.progress import Progress
from dbaudit.repair.lease import Lease
from dbaudit.repair.pace import Pace
from dbaudit.repair.replicas import sees_all
from dbaudit.repair.throttle import Throttle
from dbaudit.schema.model import Schema
from dbaudit.schema.text import name as quoted
from dbaudit.schema.text import quote
from dbaudit.tokens.family import Family
from dbaudit.tokens.flush import FAST
from dbaudit.tokens.opened import Opened
from dbaudit.tokens.replay import Replay, Verified
from dbaudit.tokens.walk import KeyWalk, Range

if TYPE_CHECKING:
    from dbaudit.progress import Watch
    from dbaudit.server.server import Connection

# What the new table's comment begins with while it is not known to be whole; then comes the old table's name.
MARK = "dbaudit rebuild, old rows in "
# Passes of the replay: keystone is stopped, so the second one finds nothing. More mean that somebody writes all along.
PASSES = 20
# Passes before the swap: each has less to do than the one before, and one that finds nothing is the last.
FOLLOWED = 4
_COPY = "dbaudit_new"


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild did.

    `others` are connections that were at work on the database: keystone may not be stopped. None where the account
    could not see them.
    """

    old: str
    copied: int = 0
    replayed: int = 0
    passes: int = 0
    others: int | None = None
    resumed: bool = False
    seconds: float = 0.0
    locked: float = 0.0  # seconds of the RENAME
    verified: Verified = field(default_factory=Verified)


def family_of(opened: Opened) -> Family:
    """The token table, if it can be built anew. Raises DbauditError with the reason where it cannot."""
    found = next((each for each in opened.families if each.table.lower() == "token"), None)
    if found is None:
        reason = next(
            (each.reason for each in opened.skipped if each.check == "tokens.token"), "there is no token table"
        )
        raise DbauditError(f"--rebuild: {reason}")
    if reason := refusal(opened, found):
        raise DbauditError(f"--rebuild: {reason}", "flush it without --rebuild: chunk by chunk, in place")
    return found


def refusal(opened: Opened, family: Family) -> str:
    """Why the table cannot be swapped for a copy; empty where it can."""
    schema, name = opened.schema, family.table
    if opened.target.galera:
        return "this is a Galera cluster, where CREATE and RENAME stop every node"
    if schema.tables[name].foreign_keys or _referred(schema, name):
        return f"foreign keys tie `{name}` to other tables; they would stay with the old one"
    if found := [each.name for each in schema.triggers.values() if each.table.lower() == name.lower()]:
        return f"the trigger `{found[0]}` of `{name}` would stay with the old table"
    if found := [each.name for each in schema.views.values() if quoted(name) in each.select]:
        return f"the view `{found[0]}` reads `{name}`"
    if schema.tables[name].partitions:
        return f"`{name}` is partitioned"
    if any(column.generated is not None for column in schema.tables[name].columns):
        return f"`{name}` has a generated column"
    return ""


def _referred(schema: Schema, name: str) -> bool:
    keys = (key for table in schema.tables.values() for key in table.foreign_keys)
    return any(key.referred_table.lower() == name.lower() for key in keys)


def reverse(family: Family, old: str) -> str:
    """The statement that takes the swap back, shown before anything is done."""
    return f"RENAME TABLE {family.name} TO {quoted(f'{family.table}_{_COPY}')}, {quoted(old)} TO {family.name}"


def old_name(opened: Opened, family: Family) -> str:
    """What the old table will be called: unique, and within the 64 characters of a name."""
    return f"{family.table}_old_{opened.cutoff.at:%Y%m%d_%H%M%S}"[:64]


class Rebuild:
    """One rebuild under its lease."""

    def __init__(self, opened: Opened, family: Family, lease: Lease, throttle: Throttle, watch: Watch) -> None:
        self._opened, self._family, self._lease, self._throttle, self._watch = opened, family, lease, throttle, watch
        self._columns = ", ".join(map(quoted, family.stored))
        self._new = f"{family.table}_{_COPY}"
        self._alive = f"NOT COALESCE({family.dead}, FALSE)"

    def run(self, connection: Connection) -> Rebuilt:
        """Copy, swap, replay, verify. Raises DbauditError where the two sets do not agree; nothing is dropped."""
        began = time.monotonic()
        pending = self._pending()
        done = Rebuilt(pending or old_name(self._opened, self._family), resumed=bool(pending))
        done.others = self._others(connection)
        if not pending:
            done.copied = self._copy(connection, done.old)
            self._follow(connection)
            done.locked = self._swap(connection, done.old)
        self._settle(connection, done)
        done.seconds = time.monotonic() - began
        return done

    def _follow(self, connection: Connection) -> None:
        """Bring over what changed since it was copied, so that nothing is missing, or back, after the swap.

        Changes and deletions cannot be told from newer rows after it: these passes are short, and the last one is the
        moment before it.
        """
        mirror = self._replay(self._family.table, self._new)
        for _ in range(FOLLOWED):
            if not mirror.mirror(connection):
                break

    def _replay(self, old: str, new: str) -> Replay:
        return Replay(self._family, old, new, self._alive, self._lease)

    def _pending(self) -> str:
        """The old table of a rebuild that was killed after its swap; empty where there is none."""
        comment = self._opened.schema.tables[self._family.table].comment
        return comment.removeprefix(MARK).split(";")[0] if comment.startswith(MARK) else ""

    def _others(self, connection: Connection) -> int | None:
        with connection.cursor() as cursor:
            if not sees_all(cursor):
                return None
            cursor.execute(
                "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID() "
                "AND COMMAND NOT IN ('Daemon', 'Binlog Dump', 'Binlog Dump GTID')"
            )
            return max(int((cursor.fetchone() or (0,))[0]) - 1, 0)  # one is ours: the one that took the lease

    def _copy(self, connection: Connection, old: str) -> int:
        """Fill a new table; one that a kill left half full is begun again, it holds nothing of its own."""
        copy, comment = self._new, self._opened.schema.tables[self._family.table].comment
        with connection.cursor() as cursor:
            self._clear(cursor, copy)
            cursor.execute(f"CREATE TABLE {quoted(copy)} LIKE {self._family.name}")
            cursor.execute(f"ALTER TABLE {quoted(copy)} COMMENT = {quote(f'{MARK}{old};{comment}')}")
        walk, pace, rows = KeyWalk(self._family), Pace(FAST.target, most=FAST.most), 0
        while self._goes_on(connection):
            with connection.cursor() as cursor:
                began = time.monotonic()
                stretch = walk.next(cursor, pace.rows)
                if stretch is None:
                    return rows
                rows += self._insert(cursor, copy, stretch.range)
                self._lease.renew(cursor)
            connection.commit()
            pace.took(stretch.read, time.monotonic() - began)
            self._watch(Progress("rebuild", rows, None, "rows"))
        raise DbauditError("stopped while copying; the table is as it was", "run it again: the copy begins anew")

    def _goes_on(self, connection: Connection) -> bool:
        self._throttle.wait(lambda: self._lease.keep(connection))
        return not self._throttle.stop.wanted

    def _clear(self, cursor: Any, copy: str) -> None:
        cursor.execute(
            "SELECT TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s",
            (copy,),
        )
        row = cursor.fetchone()
        if row is None:
            return
        if not str(row[0]).startswith(MARK) and self._holds(cursor, copy):
            raise DbauditError(f"there is a table `{copy}` that is not of this command's making", "rename or drop it")
        cursor.execute(f"DROP TABLE {quoted(copy)}")

    def _holds(self, cursor: Any, copy: str) -> bool:
        cursor.execute(f"SELECT 1 FROM {quoted(copy)} LIMIT 1")
        return cursor.fetchone() is not None

    def _insert(self, cursor: Any, copy: str, range_: Range) -> int:
        where, values = range_.condition()
        cursor.execute(
            f"INSERT INTO {quoted(copy)} ({self._columns}) SELECT {self._columns} FROM {self._family.name} "
            f"WHERE {where} AND {self._alive}",
            values,
        )
        return int(cursor.rowcount)

    def _swap(self, connection: Connection, old: str) -> float:
        """One RENAME: there is no moment without a token table."""
        copy, began = self._new, time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION lock_wait_timeout = 30")
            cursor.execute(f"RENAME TABLE {self._family.name} TO {quoted(old)}, {quoted(copy)} TO {self._family.name}")
        return time.monotonic() - began

    def _settle(self, connection: Connection, done: Rebuilt) -> None:
        """Replay until a pass finds nothing, verify, and say so in the table's comment."""
        replay = self._replay(done.old, self._family.table)
        for done.passes in range(1, PASSES + 1):
            found = replay.replay(connection)
            done.replayed += found
            if not found:
                break
        else:
            raise DbauditError(
                f"after {PASSES} passes `{done.old}` still has rows that the new table lacks: somebody writes to it",
                f"stop keystone and run it again; or take it back: {reverse(self._family, done.old)}",
            )
        done.verified = replay.verify(connection)
        if not done.verified.good:
            raise DbauditError(
                f"{done.verified.missing:,} living rows of `{done.old}` are not in the new table",
                f"run it again; or take it back: {reverse(self._family, done.old)}",
            )
        comment = self._opened.schema.tables[self._family.table].comment
        if done.resumed:
            comment = comment.partition(";")[2]
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {self._family.name} COMMENT = {quote(comment)}")
