"""What may have been renamed, with the evidence for it: never acted upon, only shown.

A column or table that is gone and one that is new are a candidate when they are of one type; the same place and the
same values make it likelier. Values are compared by a checksum that does not depend on the order of rows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from dbaudit.comparison.side import Data, Side
from dbaudit.errors import DbauditError
from dbaudit.schema.canon import canonical_table
from dbaudit.schema.difference import Change, Difference, Kind
from dbaudit.schema.model import Column, Schema, Table

# Bytes of rows that are read for a checksum; above it the evidence says that the values were not compared. Python
# reads some 20 MB/s of a dump: half a minute for a table.
LIMIT = 512 << 20
_NUMBER = re.compile(r"(?:decimal|float|double|tinyint|smallint|mediumint|int|bigint|year)\b")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A likely rename. `evidence` are sentences, `score` counts them for the order; `sure` says that values agree."""

    kind: Kind
    table: str | None
    old: str
    new: str
    evidence: tuple[str, ...]
    score: int
    sure: bool = False

    def as_dict(self) -> dict[str, object]:
        """The candidate as JSON has it."""
        return {
            "kind": str(self.kind), "table": self.table, "left": self.old, "right": self.new,
            "evidence": list(self.evidence), "same_values": self.sure,
        }  # fmt: skip


def candidates(left: Side, right: Side, differences: Iterable[Difference]) -> tuple[Candidate, ...]:
    """Likely renames among what is only on one side, the likeliest first within its table."""
    gone: dict[tuple[Kind, str | None], list[str]] = {}
    new: dict[tuple[Kind, str | None], list[str]] = {}
    for each in differences:
        if each.kind in (Kind.COLUMN, Kind.TABLE) and each.change in (Change.ADDED, Change.REMOVED):
            where = gone if each.change is Change.REMOVED else new
            where.setdefault((each.kind, each.table if each.kind is Kind.COLUMN else None), []).append(each.name)
    found: list[Candidate] = []
    for (kind, table), olds in gone.items():
        news = new.get((kind, table), [])
        pairs = ((old, name) for old in olds for name in news)
        if kind is Kind.TABLE:
            found += _best(_table(left, right, old, name) for old, name in pairs)
        elif table is not None:
            found += _best(_column(left, right, table, old, name) for old, name in pairs)
    return tuple(found)


def _best(found: Iterable[Candidate | None]) -> Iterator[Candidate]:
    """The likeliest first; a name that a better candidate has taken is no candidate again."""
    taken: set[str] = set()
    for each in sorted(filter(None, found), key=lambda c: (not c.sure, -c.score, c.old, c.new)):
        if f"-{each.old}" not in taken and f"+{each.new}" not in taken:
            taken |= {f"-{each.old}", f"+{each.new}"}
            yield each


def _column(left: Side, right: Side, table: str, old: str, new: str) -> Candidate | None:
    before, after = left.schema.table(table), right.schema.table(table)
    if before is None or after is None:
        return None
    one, two = before.column(old), after.column(new)
    if one is None or two is None or _plain(before, one).type != _plain(after, two).type:
        return None
    evidence = [f"same type, {one.type}"]
    if replace(_plain(before, one), name="") == replace(_plain(after, two), name=""):
        evidence = [f"same definition, {one.type}"]
    if _neighbours(before, old, after) == _neighbours(after, new, before):
        evidence.append("same place among the columns")
    told, same = _values(left, right, (before.name, (old,)), (after.name, (new,)), (one,))
    if same is False or (same is None and len(evidence) < 2):
        return None  # other values, or nothing but a type that half the columns have
    evidence += told
    return Candidate(Kind.COLUMN, table, old, new, tuple(evidence), len(evidence) + 2 * bool(same), bool(same))


def _plain(table: Table, column: Column) -> Column:
    """The column in its one spelling, with the charset that it has."""
    return next(each for each in canonical_table(table).columns if each.name == column.name)


def _neighbours(table: Table, name: str, other: Table) -> tuple[str | None, str | None]:
    """The nearest columns before and after that the other side has too."""
    names = [column.name for column in table.columns]
    place = names.index(next(each for each in names if each.lower() == name.lower()))
    shared = {column.name.lower() for column in other.columns}
    before = next((each.lower() for each in reversed(names[:place]) if each.lower() in shared), None)
    after = next((each.lower() for each in names[place + 1 :] if each.lower() in shared), None)
    return before, after


def _table(left: Side, right: Side, old: str, new: str) -> Candidate | None:
    one, two = canonical_table(left.schema.tables[old]), canonical_table(right.schema.tables[new])
    names = {column.name: column.type for column in one.columns}
    shared = [column for column in two.columns if names.get(column.name) == column.type]
    whole = max(len(one.columns), len(two.columns))
    if not shared or len(shared) * 5 < whole * 4:  # below four of five it is another table with the usual columns
        return None
    evidence = [f"{len(shared)} of {whole} columns are the same"]
    if replace(one, name="", foreign_keys=(), checks=()) == replace(two, name="", foreign_keys=(), checks=()):
        evidence = [f"the same {whole} columns, indexes and options"]
    columns = tuple(column.name for column in shared)
    told, same = _values(left, right, (old, columns), (new, columns), tuple(shared))
    if same is False:
        return None
    if _referrers(left.schema, old) and _referrers(left.schema, old) == _referrers(right.schema, new):
        evidence.append("the same foreign keys refer to it")
    evidence += told
    return Candidate(Kind.TABLE, None, old, new, tuple(evidence), len(evidence) + 2 * bool(same), bool(same))


def _referrers(schema: Schema, name: str) -> set[tuple[str, tuple[str, ...]]]:
    return {
        (table.name, key.columns)
        for table in schema.tables.values()
        for key in table.foreign_keys
        if key.referred_table == name
    }


def _values(
    left: Side,
    right: Side,
    one: tuple[str, tuple[str, ...]],
    two: tuple[str, tuple[str, ...]],
    like: tuple[Column, ...],
) -> tuple[list[str], bool | None]:
    """What the rows say: a sentence, and whether the values agree; None where there is nothing to compare."""
    if left.data is None or right.data is None:
        return [], None
    try:
        sizes = left.data.size(one[0]), right.data.size(two[0])
        if sizes[0] is None or sizes[1] is None:
            return [], None
        if max(sizes[0], sizes[1]) > LIMIT:
            return [f"values not compared: more than {LIMIT >> 20} MB of rows"], None
        before, after = _checksum(left.data, *one, like), _checksum(right.data, *two, like)
    except DbauditError as error:
        return [f"values not compared: {error.what}"], None
    if before != after:
        return [], False
    rows, distinct = before[0], before[2]
    # One value in every row (NULL, 0) says nothing about which column it was.
    if distinct < 2:
        return [f"every one of {rows:,} rows has the same one value on both sides"], None
    return [f"same checksum of {rows:,} rows on both sides"], True


def _checksum(data: Data, table: str, columns: tuple[str, ...], like: tuple[Column, ...]) -> tuple[int, int, int]:
    """The number of rows, the sum of their hashes, and whether there are 0, 1 or 2 (or more) different rows."""
    rows, total = 0, 0
    seen: set[bytes] = set()
    numeric = tuple(bool(_NUMBER.match(column.type)) for column in like)
    for row in data.values(table, columns):
        digest = hashlib.blake2b(digest_size=16)
        for value, number in zip(row, numeric, strict=True):
            part = _bytes(value, number)
            digest.update(b"-" if part is None else b"%d:%b" % (len(part), part))
        rows += 1
        total += int.from_bytes(digest.digest(), "big")
        if len(seen) < 2:
            seen.add(digest.digest())
    return rows, total % (1 << 128), len(seen)


def _bytes(value: object, number: bool) -> bytes | None:
    """A value in one form, whether it is from a dump's text or from a driver."""
    if value is None or isinstance(value, bytes):
        return value
    if number:
        try:
            return str(Decimal(str(value)).normalize()).encode()
        except InvalidOperation:
            pass
    return str(value).encode("utf-8", "surrogateescape")
