"""The base: what both sides last agreed on, with digests in place of secrets, in the journal schema beside Havana.

Digests are those of `digests`. Beside the base stand the intents of writes to Grizzly's server, the conflicts that were
reported, and on Grizzly's server the numbers of the chunks that were written there, which settle after a crash whether
one was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pymysql

from dbaudit.ec2.digests import Digests
from dbaudit.reconcile import Refused
from dbaudit.repair.journal import init_journal, is_there, tables_of
from dbaudit.repair.target import Target

if TYPE_CHECKING:
    from dbaudit.ec2.link import Ends, Link
    from dbaudit.server.server import Connection

_END = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
_HEX = "CHARACTER SET ascii COLLATE ascii_bin"
# On Havana's server. `access` is the bytes of an access key; `digest` NULL in an intent means that the key is to go.
NEAR = {
    "ec2_pair": (
        "pair INT NOT NULL AUTO_INCREMENT PRIMARY KEY, grizzly VARCHAR(64) NOT NULL, havana VARCHAR(64) NOT NULL, "
        f"proof CHAR(64) {_HEX} NOT NULL, UNIQUE (grizzly, havana)"
    ),
    "ec2_base": (
        f"pair INT NOT NULL, id CHAR(64) {_HEX} NOT NULL, access VARBINARY(1020) NOT NULL, "
        f"digest CHAR(64) {_HEX} NOT NULL, seen TINYINT NOT NULL, synced DATETIME(6) NOT NULL, PRIMARY KEY (pair, id)"
    ),
    "ec2_intent": (
        f"pair INT NOT NULL, id CHAR(64) {_HEX} NOT NULL, nonce CHAR(32) {_HEX} NOT NULL, "
        f"access VARBINARY(1020) NOT NULL, digest CHAR(64) {_HEX} NULL, seen TINYINT NOT NULL, PRIMARY KEY (pair, id)"
    ),
    "ec2_conflict": (
        f"pair INT NOT NULL, id CHAR(64) {_HEX} NOT NULL, access VARBINARY(1020) NOT NULL, kind VARCHAR(40) NOT NULL, "
        f"stamp CHAR(64) {_HEX} NOT NULL, since DATETIME(6) NOT NULL, PRIMARY KEY (pair, id)"
    ),
}
# On Grizzly's server: the chunks that were written there; `done` 0 is one that must not be any more.
FAR = {
    "ec2_applied": f"nonce CHAR(32) {_HEX} NOT NULL PRIMARY KEY, done TINYINT NOT NULL, at DATETIME(6) NOT NULL",
}
# On both: what the triggers mark.
BOTH = {
    "ec2_mark": (
        "n BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, db VARCHAR(64) NOT NULL, side CHAR(1) NOT NULL, "
        "name VARBINARY(1020) NOT NULL, at DATETIME(6) NOT NULL"
    ),
}


@dataclass(frozen=True, slots=True)
class Known:
    """A row of the base: the digest of what both sides had, and which owners were seen where (see `owners`)."""

    digest: str
    seen: int


@dataclass
class Base:
    """The base of one pair of databases."""

    ends: Ends
    pair: int
    digests: Digests = field(repr=False)

    def size(self, connection: Connection) -> int:
        """How many keys both sides agreed on."""
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM {self.ends.table('ec2_base')} WHERE pair = %s", (self.pair,))
            return int((cursor.fetchone() or (0,))[0])


def make_tables(connection: Connection, target: Target, is_base: bool) -> None:
    """Make the journal and a sync's tables where they are missing. DbauditError with the GRANT that is missing."""
    wanted = BOTH | NEAR | FAR if is_base else BOTH | FAR
    there = tables_of(connection, target.journal.schema)
    missing = {name: columns for name, columns in wanted.items() if target.journal.name(name) not in there}
    connection.rollback()
    if not missing and is_there(connection, target):
        return
    init_journal(target)
    try:
        with connection.cursor() as cursor:
            for name, columns in missing.items():
                cursor.execute(f"CREATE TABLE IF NOT EXISTS {target.journal.table(name)} ({columns}) {_END}")
    except pymysql.MySQLError as error:
        raise target.failure(error) from error


def find_base(connection: Connection, ends: Ends, digests: Digests | None) -> Base | None:
    """The base of a pair, None where none was made. Refused where it was made with another key."""
    if ends.havana.journal.name("ec2_pair") not in tables_of(connection, ends.havana.journal.schema):
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT pair, proof FROM {ends.table('ec2_pair')} WHERE grizzly = %s AND havana = %s", names(ends)
        )
        row = cursor.fetchone()
    if row is None:
        return None
    if digests is None or str(row[1]) != digests.proof:
        raise Refused(
            "the base of these databases was made with another key" if digests else "there is a base, but not its key",
            "name the file of its key: --key-file FILE. Without it start again, which deletes nothing and revokes "
            f"nothing that is revoked on one side only: DELETE FROM {ends.table('ec2_pair')} WHERE pair = {row[0]}",
        )
    return Base(ends, int(row[0]), digests)


def make_base(connection: Connection, ends: Ends, digests: Digests) -> Base:
    """The base of a pair, made where it is not there. Commits."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT IGNORE INTO {ends.table('ec2_pair')} (grizzly, havana, proof) VALUES (%s, %s, %s)",
            (*names(ends), digests.proof),
        )
        if cursor.rowcount:  # MySQL 5.6 gives a number again that it gave before it was restarted
            pair = cursor.lastrowid
            for table in ("ec2_base", "ec2_intent", "ec2_conflict"):
                cursor.execute(f"DELETE FROM {ends.table(table)} WHERE pair = %s", (pair,))
    connection.commit()
    found = find_base(connection, ends, digests)
    assert found is not None
    return found


def names(ends: Ends) -> tuple[str, str]:
    """What names a pair: the two databases. Not their servers, which a failover changes."""
    return ends.grizzly.database, ends.havana.database


def record(cursor: Any, base: Base, rows: list[tuple[str, str, str, int]]) -> None:
    """Write (id, access, digest, seen) to the base, in the transaction of `cursor`."""
    if not rows:
        return
    cursor.execute("SELECT UTC_TIMESTAMP(6)")
    (now,) = cursor.fetchone()
    cursor.executemany(  # one statement for all: nothing but placeholders between the brackets
        f"INSERT INTO {base.ends.table('ec2_base')} (pair, id, access, digest, seen, synced) "
        "VALUES (%s, %s, %s, %s, %s, %s) "
        "ON DUPLICATE KEY UPDATE digest = VALUES(digest), seen = VALUES(seen), synced = VALUES(synced)",
        [
            (base.pair, id, access.encode("utf-8", "surrogateescape"), digest, seen, now)
            for id, access, digest, seen in rows
        ],
    )


def forget(cursor: Any, base: Base, ids: list[str]) -> None:
    """Take keys out of the base, in the transaction of `cursor`."""
    if ids:
        cursor.execute(
            f"DELETE FROM {base.ends.table('ec2_base')} WHERE pair = %s AND id IN %s", (base.pair, tuple(ids))
        )


def recover(link: Link, base: Base) -> int:
    """Finish what a run left between its two servers; gives how many keys. First of all in every session.

    A chunk whose number stands on Grizzly's server was written there: the base is told. One that does not is void, and
    its number is taken, so that a run that comes back to life cannot write it any more.
    """
    intents = base.ends.table("ec2_intent")
    with link.h.cursor() as cursor:
        cursor.execute(f"SELECT id, nonce, access, digest, seen FROM {intents} WHERE pair = %s", (base.pair,))
        left = cursor.fetchall()
    if not left:
        link.h.rollback()
        return 0
    done = {nonce: _done(link, str(nonce)) for nonce in sorted({str(row[1]) for row in left})}
    with link.h.cursor() as cursor:
        settled = [row for row in left if done[str(row[1])]]
        kept = [row for row in settled if row[3] is not None]
        record(cursor, base, [(str(row[0]), text_of(row[2]), str(row[3]), int(row[4])) for row in kept])
        forget(cursor, base, [str(row[0]) for row in settled if row[3] is None])
        cursor.execute(f"DELETE FROM {intents} WHERE pair = %s", (base.pair,))
        link.renew(cursor)
    link.h.commit()
    with link.g.cursor() as cursor:
        cursor.execute(f"DELETE FROM {base.ends.far('ec2_applied')} WHERE at < UTC_TIMESTAMP(6) - INTERVAL 1 DAY")
    link.g.commit()
    return len(left)


def text_of(access: object) -> str:
    """An access key from the base's bytes."""
    return access.decode("utf-8", "surrogateescape") if isinstance(access, bytes) else str(access)


def _done(link: Link, nonce: str) -> bool:
    """Whether the chunk was written on Grizzly's server. Waits for a transaction of ours that still hangs there."""
    table = link.ends.far("ec2_applied")
    with link.g.cursor() as cursor:
        cursor.execute(f"INSERT IGNORE INTO {table} (nonce, done, at) VALUES (%s, 0, UTC_TIMESTAMP(6))", (nonce,))
        cursor.execute(f"SELECT done FROM {table} WHERE nonce = %s", (nonce,))
        (done,) = cursor.fetchone() or (0,)
    link.g.commit()
    return bool(int(done))
