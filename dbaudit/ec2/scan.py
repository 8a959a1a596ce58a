"""Look at all keys of both sides and the base: which are to be looked at under locks, and what is to be told.

The rows are read without locks and at different instants, so a want is a suspicion, no decision. The keys are taken in
parts by the first digits of their ids, so that memory is bounded by a part and by what differs; with a `Memory` only
those parts whose rows changed since the last scan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from dbaudit.ec2.base import Base
from dbaudit.ec2.bucket import STRAYS, Bucket, Buckets, Stray, bucket_of, compare, stray
from dbaudit.ec2.form import TYPE, Trouble, key_id
from dbaudit.ec2.link import Link
from dbaudit.ec2.memory import BASE_BUCKET, NEW_BUCKET, OLD_BUCKET, Memory, Prints, Table, groups, prints
from dbaudit.ec2.packed import Source, Values, rows
from dbaudit.ec2.sight import Sight, Want, parsed
from dbaudit.ec2.survey import Survey

# Keys in memory at a time, about 1 kB each.
PART = 50_000
_DIGITS = 4
T = TypeVar("T")
# A condition on the rows of a table, and its values: what to read of a table whose ids, or buckets, are these.
Where = tuple[str, tuple[object, ...]]


@dataclass
class Scan:
    """What a scan saw: wants in key order, keys that something stands against, tallies, and the size of the base."""

    wants: list[Want] = field(default_factory=list)
    troubled: list[Want] = field(default_factory=list)
    survey: Survey = field(default_factory=Survey)
    base: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """Which keys are read: by conditions on the rows of Grizzly, of Havana, and of the base."""

    old: Where
    new: Where
    base: Where


def scan(link: Link, base: Base | None, sight: Sight, memory: Memory | None = None) -> Scan:
    """All keys, part by part. Without a base nothing is ever to be deleted."""
    with ThreadPoolExecutor(1, thread_name_prefix="ec2-read") as pool:
        if memory is None:
            found = _buckets(pool, link, base, sight, _everything(link))
        else:
            found = _remembered(pool, link, base, sight, memory)
    whole = Bucket()
    for name in sorted(found):
        whole.add(found[name])
    _note_strays(link, whole.survey, whole.strays)
    link.rollback()
    whole.wants.sort(key=lambda want: want.id)
    return Scan(whole.wants, whole.troubled, whole.survey, whole.base)


def _remembered(pool: ThreadPoolExecutor, link: Link, base: Base | None, sight: Sight, memory: Memory) -> Buckets:
    """All buckets: what changed since the last scan is read, the rest is as it was."""
    memory.begin(sight.judge.census)
    left, right = _prints(pool, link, sight, memory.salt)
    due = memory.due(left, right)
    parts = _everything(link) if memory.empty else map(_among, groups(due, left, right, PART))
    memory.take(due, _buckets(pool, link, base, sight, parts), left, right)
    return memory.buckets


def _prints(pool: ThreadPoolExecutor, link: Link, sight: Sight, salt: str) -> tuple[Prints, Prints]:
    old = Table(link.ends.old, OLD_BUCKET, ("access", "secret", "user_id", "tenant_id"))
    new = Table(link.ends.new, NEW_BUCKET, ("id", "user_id", "project_id", *sight.blobs), f"type = '{TYPE}'")
    with link.g.cursor() as g, link.h.cursor() as h:
        left = _beside(pool, link, lambda: prints(g, old, salt))
        return left(), prints(h, new, salt)


def _beside(pool: ThreadPoolExecutor, link: Link, work: Callable[[], T]) -> Callable[[], T]:
    """Do something on Grizzly's connection, beside what Havana's does where that is another one."""
    if link.g is link.h:
        return work
    future: Future[T] = pool.submit(work)
    return future.result


def _buckets(
    pool: ThreadPoolExecutor, link: Link, base: Base | None, sight: Sight, parts: Iterable[Part]
) -> Buckets:  # fmt: skip
    found: Buckets = defaultdict(Bucket)
    with link.g.cursor() as g, link.h.cursor() as h:
        for part in parts:
            left = _beside(pool, link, partial(_left, g, link, sight, part))
            right = dict(_right(h, link, sight, part, found))
            known = dict(_known(h, base, sight, part)) if base else {}
            compare(found, left(), right, known, sight)
    return found


def _everything(link: Link) -> Iterator[Part]:
    with link.g.cursor() as g, link.h.cursor() as h:
        count = max(_count(g, link.ends.old), _count(h, link.ends.new), 1)
    for low, high in parts(-(-count // PART)):
        access = "SHA2(CONVERT(access USING utf8mb4), 256)"
        yield Part(_between(access, low, high), _between("id", low, high), _between("id", low, high))


def parts(count: int) -> Iterator[tuple[str, str]]:
    """Bounds of ids, the low one included; empty at the ends."""
    edges = [f"{number * 16**_DIGITS // count:0{_DIGITS}x}" for number in range(1, count)]
    yield from zip(["", *edges], [*edges, ""], strict=True)


def _count(cursor: Any, table: str) -> int:
    cursor.execute(f"SELECT COUNT(*) FROM {table}")
    return int(cursor.fetchone()[0])


def _between(what: str, low: str, high: str) -> Where:
    wanted = [(f"{what} >= %s", low), (f"{what} < %s", high)]
    given = [(text, value) for text, value in wanted if value]
    return " AND ".join(("1 = 1", *(text for text, _ in given))), tuple(value for _, value in given)


def _among(names: list[str]) -> Part:
    values = (tuple(names),)
    old, new, base = ((f"{bucket} IN %s", values) for bucket in (OLD_BUCKET, NEW_BUCKET, BASE_BUCKET))
    return Part(old, new, base)


def _left(cursor: Any, link: Link, sight: Sight, part: Part) -> list[Values]:
    where, values = part.old
    columns = ("access", "secret", "user_id", "tenant_id")
    return list(rows(cursor, Source(link.ends.old, columns, "access", where, values), rest=sight.rest))


def _right(cursor: Any, link: Link, sight: Sight, part: Part, found: Buckets) -> Iterator[tuple[str, Values]]:
    where, values = part.new
    columns = ("id", "user_id", "project_id", *sight.blobs)
    source = Source(link.ends.new, columns, "id", f"type = '{TYPE}' AND {where}", values)
    for row in rows(cursor, source, rest=sight.rest):
        id = row[0] or ""
        if bucket_of(id) == STRAYS:
            found[STRAYS].strays.append(stray(parsed(row, sight)))
        else:
            yield id.lower(), row


def _known(cursor: Any, base: Base, sight: Sight, part: Part) -> Iterator[tuple[str, Values]]:
    where, values = part.base
    source = Source(
        base.ends.table("ec2_base"), ("id", "digest", "seen"), "id", f"pair = {base.pair} AND {where}", values
    )
    for row in rows(cursor, source, rest=sight.rest):
        yield row[0] or "", row


def _note_strays(link: Link, survey: Survey, strays: list[Stray]) -> None:
    """Rows whose ids are no hashes: no EC2 API sees them, nor does a sync."""
    survey.havana += len(strays)
    several: dict[str, int] = {}
    for row in strays:
        survey.note(row.trouble, row.named)
        if row.access is not None:
            several[row.access] = several.get(row.access, 0) + 1
    twins = _there(link, [key_id(access) for access in several])
    for access, count in sorted(several.items()):
        count += key_id(access) in twins
        if count > 1:
            survey.note(Trouble.SEVERAL, access, f"{access} has {count} rows")


def _there(link: Link, ids: list[str]) -> set[str]:
    """Which of these ids `credential` has."""
    found: set[str] = set()
    with link.h.cursor() as cursor:
        for start in range(0, len(ids), 1_000):
            cursor.execute(f"SELECT id FROM {link.ends.new} WHERE id IN %s", (tuple(ids[start : start + 1_000]),))
            found |= {str(id).lower() for (id,) in cursor.fetchall()}
    return found
