"""The keys of a bucket compared: in step, suspected, or with something to be told.

A bucket is the keys whose ids begin alike. It is what a scan remembers of keys that nothing changed about, and small
enough that reading all of it for one change costs little.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbaudit.ec2.base import Known
from dbaudit.ec2.form import Row, Trouble, grizzly_key, key_id
from dbaudit.ec2.packed import Values
from dbaudit.ec2.ruling import KEPT, Judge
from dbaudit.ec2.sight import Sight, Want, parsed
from dbaudit.ec2.survey import Survey
from dbaudit.reconcile import Verb

if TYPE_CHECKING:
    from dbaudit.packs.keystone._ec2 import Key

# Digits of ids that name a bucket: 4,096 of them, 25 keys each where there are 100,000.
DIGITS = 3
# The bucket of rows whose ids are no hashes, which no EC2 API finds.
STRAYS = ""
# Keys between two rests of a scan beside other work: some milliseconds.
STRIDE = 1_000


@dataclass(frozen=True, slots=True)
class Stray:
    """A row whose id is no hash: what is odd, how it is named, its access key where that can be read."""

    trouble: Trouble
    named: str
    access: str | None


@dataclass(slots=True)
class Bucket:
    """What its keys came to: wants, keys that something stands against, strays, tallies, and keys in the base."""

    wants: list[Want] = field(default_factory=list)
    troubled: list[Want] = field(default_factory=list)
    strays: list[Stray] = field(default_factory=list)
    survey: Survey = field(default_factory=Survey)
    base: int = 0

    def add(self, other: Bucket) -> None:
        """Take another's in."""
        self.wants += other.wants
        self.troubled += other.troubled
        self.strays += other.strays
        self.survey.add(other.survey)
        self.base += other.base


# By name; a bucket that is not there yet is made.
Buckets = defaultdict[str, Bucket]


def bucket_of(id: str) -> str:
    """The bucket of a row of `credential`."""
    return id[:DIGITS].lower() if len(id) == 64 and id.isascii() else STRAYS


def stray(row: Row) -> Stray:
    """A row as a bucket remembers it, without its secret."""
    return Stray(row.trouble or Trouble.RANDOM_ID, row.named, None if row.key is None else row.key.access)


def compare(
    found: Buckets, left: Iterable[Values], right: dict[str, Values], known: dict[str, Values], sight: Sight
) -> None:
    """Put keys into their buckets: Grizzly's rows, and by id Havana's and the base's, which are used up."""
    judge = sight.judge
    digest, bits, prune = judge.digests.fast, judge.census.bits, judge.rules.prune
    for id in right:
        found[id[:DIGITS]].survey.havana += 1
    for id in known:
        found[id[:DIGITS]].base += 1
    for number, values in enumerate(left, 1):
        if not number % STRIDE:
            sight.rest()
        access, secret, user, project = values
        id = key_id(access or "")
        bucket = found[id[:DIGITS]]
        survey = bucket.survey
        survey.grizzly += 1
        row, base = right.pop(id, None), known.pop(id, None)
        # most keys end here, so that this is written for speed: no key is made of them
        if row is not None and base is not None and not prune and _plainly(values, row):
            seen, wanted = bits(user, project)
            if base[1] == digest(access or "", secret, user, project) and not seen & ~int(base[2] or 0):
                survey.same += 1
                if seen != wanted:
                    _tell_orphan(survey, judge, grizzly_key(access or "", secret, user, project))
                continue
        _look(bucket, id, grizzly_key(access or "", secret, user, project), row, base, sight)
    for id, row in right.items():
        _look(found[id[:DIGITS]], id, None, row, known.pop(id, None), sight)
    for id, base in known.items():
        _look(found[id[:DIGITS]], id, None, None, base, sight)


def _plainly(values: Values, row: Values) -> bool:
    """Whether Havana's row says the same in one of the two usual spellings, which saves decoding it."""
    access, secret, user, project = values
    if row[1] != user or row[2] != project or not access or not secret or not (access.isalnum() and secret.isalnum()):
        return False
    head = f'{{"access": "{access}", "secret": "{secret}"'
    return row[3] == head + ', "trust_id": null}' or row[3] == head + "}"


def _look(bucket: Bucket, id: str, left: Key | None, values: Values | None, base: Values | None, sight: Sight) -> None:
    survey, judge = bucket.survey, sight.judge
    row = None if values is None else parsed(values, sight)
    if row is not None:
        if row.trouble is not None:
            survey.note(row.trouble, row.named)
        elif row.encodings > 1 and sight.single:
            survey.note(Trouble.TWICE, row.named)
    key = left or (row.key if row else None)
    ruling = judge.rule(left, row, None if base is None else Known(str(base[1]), int(base[2] or 0)))
    if key is not None:
        _tell_orphan(survey, judge, key)
    if ruling.trouble is not None and (row is None or row.trouble is None or left is not None):
        survey.note(ruling.trouble, key.access if key else id)
    if ruling.trouble is not None and ruling.clash is not None:
        bucket.troubled.append(Want(id, key.access if key else "", ruling))
    if ruling.verb is Verb.KEEP and ruling.trouble is None:
        survey.same += 1
    elif ruling.verb is not Verb.KEEP:
        bucket.wants.append(Want(id, key.access if key else "", ruling))


def _tell_orphan(survey: Survey, judge: Judge, key: Key) -> None:
    if missing := judge.census.orphan(key):
        survey.note(Trouble.ORPHAN, key.access, f"{key.access}: {missing}")
        if judge.rules.prune and (unsure := judge.census.unsure(key)):
            survey.note(KEPT, key.access, f"{key.access}: {missing}; {unsure}")
