"""Conflicts that are open, kept in the journal, so that each is reported once, however many rounds see it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dbaudit.ec2.base import Base, text_of
from dbaudit.ec2.exchange import Outcome
from dbaudit.ec2.link import Link
from dbaudit.reconcile import Verb


@dataclass(frozen=True, slots=True)
class Conflict:
    """A key that waits for somebody to say which side is right. `stamp` tells one dispute about a key from the next."""

    access: str
    kind: str
    stamp: str = field(repr=False)
    since: str
    new: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The conflict as JSON has it."""
        return {"access": self.access, "why": self.kind, "since": self.since, "new": self.new}


@dataclass
class Book:
    """The open conflicts by id."""

    link: Link
    base: Base
    open: dict[str, Conflict] = field(default_factory=dict)

    def load(self) -> Book:
        """Read those of earlier rounds."""
        with self.link.h.cursor() as cursor:
            cursor.execute(
                f"SELECT id, access, kind, stamp, since FROM {self.base.ends.table('ec2_conflict')} WHERE pair = %s",
                (self.base.pair,),
            )
            self.open = {
                str(id): Conflict(text_of(access), str(kind), str(stamp), str(since))
                for id, access, kind, stamp, since in cursor.fetchall()
            }
        self.link.h.rollback()
        return self

    def tell(self, outcomes: Iterable[Outcome]) -> tuple[list[Conflict], list[Conflict]]:
        """Take in what became of keys; gives conflicts that are new, and those that are over. Commits."""
        new: dict[str, Outcome] = {}
        over: list[str] = []
        for each in outcomes:
            known = self.open.get(each.want.id)
            if each.ruling.verb is Verb.CONFLICT and each.ruling.clash is not None:
                if known is None or (known.stamp, known.kind) != (each.stamp, each.ruling.clash.value):
                    new[each.want.id] = each
            elif known is not None and each.ruling.trouble is None:
                over.append(each.want.id)
        return self._write(new, over)

    def close(self, ids: Iterable[str]) -> list[Conflict]:
        """These conflicts are over, a full scan met none of their keys. Commits."""
        return self._write({}, sorted(self.open.keys() & set(ids)))[1]

    def _write(self, new: dict[str, Outcome], over: list[str]) -> tuple[list[Conflict], list[Conflict]]:
        if not new and not over:
            return [], []
        table = self.base.ends.table("ec2_conflict")
        with self.link.h.cursor() as cursor:
            cursor.execute("SELECT UTC_TIMESTAMP(6)")
            (now,) = cursor.fetchone() or ("",)
            for id, each in new.items():
                assert each.ruling.clash is not None
                kind, access = each.ruling.clash.value, each.access.encode("utf-8", "surrogateescape")
                cursor.execute(
                    f"REPLACE INTO {table} (pair, id, access, kind, stamp, since) VALUES (%s, %s, %s, %s, %s, %s)",
                    (self.base.pair, id, access, kind, each.stamp, now),
                )
                self.open[id] = Conflict(each.access, kind, each.stamp, str(now), new=True)
            if over:
                cursor.execute(f"DELETE FROM {table} WHERE pair = %s AND id IN %s", (self.base.pair, tuple(over)))
            self.link.renew(cursor)
        self.link.h.commit()
        return [self.open[id] for id in new], [self.open.pop(id) for id in over]
