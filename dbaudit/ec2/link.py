"""The connections of a sync: to Grizzly's table and to Havana's, on one server or on two, with a lease on each.

On one server a single connection does everything, so that a pair of rows and the base change in one transaction. Two
nodes of a Galera cluster count as two servers. Statements name tables with their schema.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pymysql
from sqlalchemy import URL

from dbaudit.comparison.live import LiveData
from dbaudit.comparison.side import Side
from dbaudit.ec2.sides import NEW, OLD, Pair
from dbaudit.errors import DbauditError, UsageError
from dbaudit.reconcile import Refused
from dbaudit.repair.lease import Lease
from dbaudit.repair.refusal import refuse_if_unsafe
from dbaudit.repair.target import Target, open_target
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# The session variable that says to the triggers that a change is the sync's own.
OWN = "@dbaudit_ec2_sync"
# Seconds after which a server that does not answer is taken for gone.
SILENCE = 60
# Bytes of one packed group of rows; what is longer is read row by row.
PACKED = 64_000_000
WORK = "ec2 sync"
# Seconds to wait for a row that a user holds. Its chunk is halved until the row is alone, and each half may wait; the
# leases (60 s) outlast that.
LOCK_WAIT = 1


@dataclass(frozen=True, slots=True)
class Ends:
    """The two databases; `one` where a single connection reaches both on one server."""

    grizzly: Target
    havana: Target
    one: bool

    @property
    def old(self) -> str:
        """`ec2_credential` as statements name it."""
        return f"{quoted(self.grizzly.database)}.{quoted(OLD)}"

    @property
    def new(self) -> str:
        """`credential` as statements name it."""
        return f"{quoted(self.havana.database)}.{quoted(NEW)}"

    def table(self, name: str) -> str:
        """A table of the base, on Havana's server."""
        return self.havana.journal.table(name)

    def far(self, name: str) -> str:
        """A table of the journal on Grizzly's server."""
        return self.havana.journal.table(name) if self.one else self.grizzly.journal.table(name)


@dataclass
class Link:
    """Open connections; `g` and `h` are the same on one server. `leases` are held as long as it lasts; `kept` gets
    those that could not be given back.
    """

    ends: Ends
    g: Connection
    h: Connection
    leases: list[tuple[Connection, Lease]] = field(default_factory=list)
    kept: list[Lease] = field(default_factory=list)
    barred: bool = False

    @property
    def each(self) -> tuple[tuple[Connection, Target], ...]:
        """The connections with their targets; one on one server."""
        near = (self.h, self.ends.havana)
        return (near,) if self.ends.one else ((self.g, self.ends.grizzly), near)

    def renew(self, cursor: Any) -> None:
        """Prolong the leases of the connection of `cursor`, in its transaction."""
        for connection, lease in self.leases:
            if connection is cursor.connection:
                lease.renew(cursor)

    def keep(self) -> None:
        """Prolong all leases where that is due."""
        self.demand_writable()
        for connection, lease in self.leases:
            lease.keep(connection)

    def demand_writable(self) -> None:
        """DbauditError where a server was told to take no writes: it was demoted, and the account could write anyway.

        From then on not even the leases are given back there; they are on the new primary.
        """
        for connection, target in self.each:
            with connection.cursor() as cursor:
                cursor.execute("SELECT @@global.read_only")
                (value,) = cursor.fetchone() or ("0",)
            if str(value).upper() not in ("0", "OFF"):
                self.barred = True
                raise DbauditError(f"{target.shown} is read-only", "name the primary's URL")

    def rollback(self) -> None:
        """Give up what is open on both."""
        self.g.rollback()
        self.h.rollback()

    def close(self) -> None:
        """Give the leases back, and close. Nothing is raised where a connection is gone."""
        with contextlib.suppress(pymysql.Error, OSError):
            self.rollback()
        for connection, lease in self.leases:
            try:
                if self.barred:
                    self.kept.append(lease)
                else:
                    lease.release(connection)
            except (pymysql.Error, OSError):
                self.kept.append(lease)
        for connection in {id(each): each for each in (self.g, self.h)}.values():
            with contextlib.suppress(pymysql.Error, OSError):
                connection.close()


def open_ends(pair: Pair, journal: str) -> Ends:
    """The two databases of a pair, to be written to. UsageError where one is no live database."""
    grizzly, havana = open_target(_url(pair.grizzly), journal), open_target(_url(pair.havana), journal)
    return Ends(grizzly, havana, _one_server(grizzly, havana))


def _url(side: Side) -> URL:
    if not isinstance(side.data, LiveData):
        raise UsageError(f"{side.label} is no live database", "a sync takes URLs or configuration files")
    patience = {name: str(SILENCE) for name in ("read_timeout", "write_timeout") if name not in side.data.url.query}
    return side.data.url.update_query_dict(patience)


def _one_server(grizzly: Target, havana: Target) -> bool:
    """Whether both are on one server, and Havana's account may do there what a sync does with Grizzly's table."""
    name = f"dbaudit-{secrets.token_hex(8)}"
    with grizzly.session() as g, havana.session() as h, g.cursor() as here, h.cursor() as there:
        try:
            here.execute("SELECT GET_LOCK(%s, 0), CONNECTION_ID()", (name,))
        except pymysql.MySQLError:  # a Galera cluster may forbid it; two servers' order of writes is safe on one too
            return False
        _, number = here.fetchone() or (0, 0)
        there.execute("SELECT IS_USED_LOCK(%s)", (name,))
        (user,) = there.fetchone() or (None,)
        if user is None or str(user) != str(number):
            return False
        if grizzly.database == havana.database:
            return True
        table = f"{quoted(grizzly.database)}.{quoted(OLD)}"
        with contextlib.suppress(pymysql.MySQLError):
            for statement in ("SELECT access FROM {} WHERE 0 FOR UPDATE", "DELETE FROM {} WHERE 0"):
                there.execute(statement.format(table))
            h.rollback()
            return True
        return False


@contextlib.contextmanager
def linked(ends: Ends) -> Iterator[Link]:
    """Connections, without leases until `hold` takes them."""
    link = connect(ends)
    try:
        yield link
    finally:
        link.close()


def refuse_unsafe(link: Link) -> None:
    """Refused where a server must not be written to: read-only, or a binary log that tears rows and base apart."""
    for connection, target in link.each:
        try:
            refuse_if_unsafe(connection, target)
        except DbauditError as error:
            raise Refused(error.what, error.hint) from None
        connection.rollback()


def hold(link: Link, kept: list[Lease]) -> None:
    """Take the leases, when the journal is there. BusyError where another sync or repair holds one.

    `kept` are leases of this process that a lost connection could not give back: they are, first.
    """
    link.kept = kept
    _give_back(link, kept)
    _lease(link)


def _give_back(link: Link, kept: list[Lease]) -> None:
    while kept:
        lease = kept[-1]
        near = link.ends.one or lease.name == link.ends.havana.database
        lease.release(link.h if near else link.g)
        kept.pop()


def connect(ends: Ends) -> Link:
    """Connections in a sync's session. Raises DbauditError where a server cannot be reached."""
    h = opened(ends.havana)
    if ends.one:
        return Link(ends, h, h)
    try:
        return Link(ends, opened(ends.grizzly), h)
    except BaseException:
        h.close()
        raise


def opened(target: Target) -> Connection:
    """One connection in a sync's session."""
    connection = target.connect()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SET {OWN} = 1, SESSION group_concat_max_len = {PACKED}, SESSION innodb_lock_wait_timeout = {LOCK_WAIT}"
        )
    return connection


def _lease(link: Link) -> None:
    ends = link.ends
    wanted = [(link.h, ends.havana.journal, ends.havana.database)]
    if ends.grizzly.database != ends.havana.database or not ends.one:
        journal = ends.havana.journal if ends.one else ends.grizzly.journal
        wanted.append((link.g, journal, ends.grizzly.database))
    for connection, journal, name in wanted:
        link.leases.append((connection, Lease.take(connection, journal, name, WORK)))
