"""`dbaudit ec2 sync`: one reconcile of both sides, planned or applied, and its result."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pymysql

from dbaudit.comparison.side import Side
from dbaudit.ec2.base import find_base, make_base, make_tables, recover
from dbaudit.ec2.digests import Digests, make_digests, read_digests
from dbaudit.ec2.fernet import Vault
from dbaudit.ec2.link import Ends, Link, hold, linked, open_ends, refuse_unsafe
from dbaudit.ec2.marks import delete_marks, read_marks
from dbaudit.ec2.owners import Census, census
from dbaudit.ec2.results import applied, planned
from dbaudit.ec2.round import Carrier, Limits
from dbaudit.ec2.ruling import Judge, Rules
from dbaudit.ec2.scan import scan
from dbaudit.ec2.sides import NEW, Pair, blob_columns, pair
from dbaudit.ec2.sight import Sight
from dbaudit.errors import DbauditError
from dbaudit.reconcile import Refused
from dbaudit.repair import faults
from dbaudit.repair.journal import SCHEMA
from dbaudit.repair.lease import Lease
from dbaudit.result import Result


@dataclass(frozen=True)
class Wishes:
    """What a sync is told beside its operands. `external`: users live elsewhere, so that none is taken for deleted."""

    key_file: Path
    vault: Vault = field(default_factory=Vault)
    rules: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)
    external: bool = False
    journal: str = SCHEMA
    reached: Callable[[str], None] = lambda _point: None
    stopped: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Work:
    """A sync's two databases, opened for writing, and what is wished."""

    pair: Pair
    ends: Ends
    wishes: Wishes

    @property
    def blobs(self) -> tuple[str, ...]:
        """The columns that hold blobs."""
        return blob_columns(self.pair.havana.schema.tables[NEW])

    def sight(self, digests: Digests, known: Census) -> Sight:
        """How rows are seen and judged."""
        writable = "encrypted_blob" not in self.blobs or self.wishes.vault.primary is not None
        rules = self.wishes.rules
        own = Rules(rules.policy, rules.skip_orphans, rules.prune, writable)
        return Sight(self.wishes.vault, Judge(digests, own, known), self.blobs, self.pair.single)

    def census(self, link: Link) -> Census:
        """Who is known where; nobody can be told to be missing where users live elsewhere."""
        return Census() if self.wishes.external else census(link)


def open_work(sides: Sequence[Side], wishes: Wishes) -> Work:
    """The two sides as a sync needs them. Refused where something stands against it before anything is read."""
    if wishes.external and wishes.rules.prune:
        raise Refused(
            "with --external-identity nobody can be told to be deleted, and --prune-orphans would delete valid keys",
            "leave one of them out",
        )
    both = pair(sides)
    return Work(both, open_ends(both, wishes.journal), wishes)


def plan(work: Work) -> Result:
    """What a sync would do. Reads only."""
    digests = read_digests(work.wishes.key_file)
    with failing(work.ends), linked(work.ends) as link:
        base = find_base(link.h, work.ends, digests)
        sight = work.sight(digests or Digests(b"only for comparing within one run"), work.census(link))
        seen = scan(link, base, sight)
    return planned(work, seen)


def apply(work: Work, begun: Callable[[], object] = lambda: None) -> Result:
    """Carry everything over once; `begun`: see `session`."""
    with failing(work.ends), session(work, begun=begun) as carrier:
        marks = read_marks(carrier.link)
        seen = scan(carrier.link, carrier.base, carrier.sight)
        done = carrier.full(seen)
        delete_marks(carrier.link, marks, but=done.left)
        return applied(work, done, list(carrier.book.open.values()), seen)


@contextlib.contextmanager
def session(
    work: Work, kept: list[Lease] | None = None, begun: Callable[[], object] = lambda: None
) -> Iterator[Carrier]:  # fmt: skip
    """Connections with leases, the base, and what an earlier run left unfinished settled.

    `kept`: see `hold`. `begun` is called as soon as the leases are held, before anything is read.
    """
    with linked(work.ends) as link:
        refuse_unsafe(link)
        digests = ready(work, link)
        hold(link, [] if kept is None else kept)
        begun()
        base = make_base(link.h, work.ends, digests)
        recover(link, base)
        wishes = work.wishes
        sight = work.sight(digests, work.census(link))
        yield Carrier(link, base, sight, wishes.limits, wishes.reached, wishes.stopped)


def ready(work: Work, link: Link) -> Digests:
    """The key of the base, and tables for it. A base without its key is refused, before a new key is made."""
    find_base(link.h, work.ends, read_digests(work.wishes.key_file))
    _tables(link)
    return make_digests(work.wishes.key_file)


@contextlib.contextmanager
def leased(ends: Ends, kept: list[Lease]) -> Iterator[Link]:
    """Connections with leases and nothing else, so that no other sync is at work; `kept`: see `hold`."""
    with linked(ends) as link:
        refuse_unsafe(link)
        _tables(link)
        hold(link, kept)
        yield link


def _tables(link: Link) -> None:
    make_tables(link.h, link.ends.havana, is_base=True)
    if not link.ends.one:
        make_tables(link.g, link.ends.grizzly, is_base=False)


@contextlib.contextmanager
def failing(ends: Ends) -> Iterator[None]:
    """What a server says against it is a DbauditError; its text may quote values, so that only some of it is told."""
    try:
        yield
    except pymysql.MySQLError as error:
        number = faults.number_of(error)
        if faults.is_denied(error) or faults.is_read_only(error) or faults.is_lost(error):
            raise ends.havana.failure(error) from None
        raise DbauditError(f"a server refused a statement of the sync with error {number}") from None
