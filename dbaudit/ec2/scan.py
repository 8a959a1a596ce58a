"""Look at all keys of both sides and the base: which are to be looked at under locks, and what is to be told.

The rows are read without locks and at different instants, so a want is a suspicion, no decision. The keys are taken in
parts by the first digits of their ids, so that memory is bounded by a part and by what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbaudit.ec2.base import Base, Known
from dbaudit.ec2.fernet import Vault
from dbaudit.ec2.form import TYPE, Row, Trouble, grizzly_key, havana_row, key_id
from dbaudit.ec2.link import Link
from dbaudit.ec2.packed import Source, Values, rows
from dbaudit.ec2.ruling import KEPT, Judge, Ruling
from dbaudit.ec2.survey import Survey
from dbaudit.reconcile import Verb

if TYPE_CHECKING:
    from dbaudit.packs.keystone._ec2 import Key

# Keys in memory at a time, about 1 kB each.
PART = 50_000
_DIGITS = 4
# Keys between two rests of a scan beside other work: some milliseconds.
STRIDE = 1_000
NOTHING = Ruling(Verb.KEEP)


@dataclass(frozen=True, slots=True)
class Want:
    """A key that is to be looked at under locks: its id, its access key where that is known, what seemed to be due."""

    id: str
    access: str
    ruling: Ruling = NOTHING


@dataclass
class Scan:
    """What a scan saw: wants in key order, keys that something stands against, tallies, and the size of the base."""

    wants: list[Want] = field(default_factory=list)
    troubled: list[Want] = field(default_factory=list)
    survey: Survey = field(default_factory=Survey)
    base: int = 0


@dataclass(frozen=True)
class Sight:
    """What it takes to see: how blobs are read, who judges, whether blobs must be encoded once.

    `rest` is called every now and then: a scan beside other work lets that go first.
    """

    vault: Vault
    judge: Judge
    blobs: tuple[str, ...] = ("blob",)
    single: bool = True
    rest: Callable[[], None] = lambda: None


def scan(link: Link, base: Base | None, sight: Sight) -> Scan:
    """All keys, part by part. Without a base nothing is ever to be deleted."""
    found = Scan()
    strays: list[Row] = []
    with link.g.cursor() as g, link.h.cursor() as h:
        count = max(_count(g, link.ends.old), _count(h, link.ends.new), 1)
        for low, high in parts(-(-count // PART)):
            known = dict(_known(h, base, sight, low, high)) if base else {}
            found.base += len(known)
            right = dict(_right(h, link, sight, low, high, strays))
            _compare(found, _left(g, link, sight, low, high), right, known, sight)
    _note_strays(link, found.survey, strays)
    link.rollback()
    found.wants.sort(key=lambda want: want.id)
    return found


def parts(count: int) -> Iterator[tuple[str, str]]:
    """Bounds of ids, the low one included; empty at the ends."""
    edges = [f"{number * 16**_DIGITS // count:0{_DIGITS}x}" for number in range(1, count)]
    yield from zip(["", *edges], [*edges, ""], strict=True)


def _count(cursor: Any, table: str) -> int:
    cursor.execute(f"SELECT COUNT(*) FROM {table}")
    return int(cursor.fetchone()[0])


def _between(what: str, low: str, high: str) -> tuple[str, tuple[object, ...]]:
    wanted = [(f"{what} >= %s", low), (f"{what} < %s", high)]
    given = [(text, value) for text, value in wanted if value]
    return " AND ".join(("1 = 1", *(text for text, _ in given))), tuple(value for _, value in given)


def _left(cursor: Any, link: Link, sight: Sight, low: str, high: str) -> Iterator[Values]:
    where, values = _between("SHA2(CONVERT(access USING utf8mb4), 256)", low, high)
    columns = ("access", "secret", "user_id", "tenant_id")
    yield from rows(cursor, Source(link.ends.old, columns, "access", where, values), rest=sight.rest)


def _right(
    cursor: Any, link: Link, sight: Sight, low: str, high: str, strays: list[Row]
) -> Iterator[tuple[str, Values]]:  # fmt: skip
    where, values = _between("id", low, high)
    source = Source(
        link.ends.new, ("id", "user_id", "project_id", *sight.blobs), "id", f"type = '{TYPE}' AND {where}", values
    )
    for row in rows(cursor, source, rest=sight.rest):
        id = row[0] or ""
        if len(id) == 64:
            yield id.lower(), row
        else:
            strays.append(parsed(row, sight))


def parsed(row: Values, sight: Sight) -> Row:
    """A row of `credential` with the columns of a scan, decoded."""
    blobs = dict(zip(sight.blobs, row[3:], strict=True))
    return havana_row(row[0] or "", row[1], row[2], blobs.get("blob"), blobs.get("encrypted_blob"), sight.vault)


def _known(cursor: Any, base: Base, sight: Sight, low: str, high: str) -> Iterator[tuple[str, Values]]:
    where, values = _between("id", low, high)
    where = f"pair = {base.pair} AND {where}"
    source = Source(base.ends.table("ec2_base"), ("id", "digest", "seen"), "id", where, values)
    for row in rows(cursor, source, rest=sight.rest):
        yield row[0] or "", row


def _compare(
    found: Scan, left: Iterator[Values], right: dict[str, Values], known: dict[str, Values], sight: Sight
) -> None:
    survey, judge = found.survey, sight.judge
    survey.havana += len(right)
    digest, bits, prune = judge.digests.fast, judge.census.bits, judge.rules.prune
    for values in left:
        survey.grizzly += 1
        if not survey.grizzly % STRIDE:
            sight.rest()
        access, secret, user, project = values
        id = key_id(access or "")
        row, base = right.pop(id, None), known.pop(id, None)
        # most keys end here, so that this is written for speed: no key is made of them
        if row is not None and base is not None and not prune and _plainly(values, row):
            seen, wanted = bits(user, project)
            if base[1] == digest(access or "", secret, user, project) and not seen & ~int(base[2] or 0):
                survey.same += 1
                if seen != wanted:
                    _tell_orphan(survey, judge, grizzly_key(access or "", secret, user, project))
                continue
        _look(found, id, grizzly_key(access or "", secret, user, project), row, base, sight)
    for id, row in right.items():
        _look(found, id, None, row, known.pop(id, None), sight)
    for id, base in known.items():
        _look(found, id, None, None, base, sight)


def _plainly(values: Values, row: Values) -> bool:
    """Whether Havana's row says the same in one of the two usual spellings, which saves decoding it."""
    access, secret, user, project = values
    if row[1] != user or row[2] != project or not access or not secret or not (access.isalnum() and secret.isalnum()):
        return False
    head = f'{{"access": "{access}", "secret": "{secret}"'
    return row[3] == head + ', "trust_id": null}' or row[3] == head + "}"


def _look(found: Scan, id: str, left: Key | None, values: Values | None, base: Values | None, sight: Sight) -> None:
    survey, judge = found.survey, sight.judge
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
        found.troubled.append(Want(id, key.access if key else "", ruling))
    if ruling.verb is Verb.KEEP and ruling.trouble is None:
        survey.same += 1
    elif ruling.verb is not Verb.KEEP:
        found.wants.append(Want(id, key.access if key else "", ruling))


def _tell_orphan(survey: Survey, judge: Judge, key: Key) -> None:
    if missing := judge.census.orphan(key):
        survey.note(Trouble.ORPHAN, key.access, f"{key.access}: {missing}")
        if judge.rules.prune and (unsure := judge.census.unsure(key)):
            survey.note(KEPT, key.access, f"{key.access}: {missing}; {unsure}")


def _note_strays(link: Link, survey: Survey, strays: list[Row]) -> None:
    """Rows under random ids: no EC2 API sees them, nor does a sync."""
    survey.havana += len(strays)
    several: dict[str, int] = {}
    for row in strays:
        survey.note(row.trouble or Trouble.RANDOM_ID, row.named)
        if row.key is not None:
            several[row.key.access] = several.get(row.key.access, 0) + 1
    for access, count in sorted(several.items()):
        with link.h.cursor() as cursor:
            twin = cursor.execute(f"SELECT 1 FROM {link.ends.new} WHERE id = %s", (key_id(access),))
        if count + int(twin) > 1:
            survey.note(Trouble.SEVERAL, access, f"{access} has {count + int(twin)} rows")
