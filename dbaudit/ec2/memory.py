"""What a scan remembers, so that the next one reads only what changed: a print of each bucket on each side.

A print is made by the server: how many rows, and the salted hashes of all their columns added up without carrying. The
salt is this process' own, so that nobody can choose values whose change does not show. Keys of a bucket whose prints
are as they were, and for which nothing was to be done, are in step as they were: none of their rows is read, decoded or
hashed again. The base of such keys changes only together with their rows. Prints are kept in memory alone.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dbaudit.ec2.bucket import DIGITS, Bucket, Buckets
from dbaudit.ec2.owners import Census

# Rows, and the sum of their hashes.
Print = tuple[int, str]
Prints = Mapping[str, Print]


@dataclass(frozen=True, slots=True)
class Table:
    """A table as prints are made of it: what names a row's bucket, its columns, a condition."""

    name: str
    bucket: str
    columns: tuple[str, ...]
    where: str = "1 = 1"


def prints(cursor: Any, table: Table, salt: str) -> dict[str, Print]:
    """The prints of a table by bucket. Lengths stand before the values, so that no two rows make one text."""
    lengths = ", ".join(f"IFNULL(LENGTH(`{name}`), -1)" for name in table.columns)
    texts = ", ".join(f"IFNULL(`{name}`, '')" for name in table.columns)
    text = f"CONCAT(CONCAT_WS(',', %s, {lengths}), ',', {texts})"
    hash = f"CAST(CONV(LEFT(SHA2({text}, 256), 16), 16, 10) AS UNSIGNED)"
    cursor.execute(  # a text too long for the server (max_allowed_packet) has no hash: its bucket is always another
        f"SELECT {table.bucket}, COUNT(*), BIT_XOR(IFNULL({hash}, UUID_SHORT())) "
        f"FROM {table.name} WHERE {table.where} GROUP BY 1",
        (salt,),
    )
    return {str(bucket): (int(count), str(sum)) for bucket, count, sum in cursor.fetchall()}


@dataclass
class Memory:
    """The buckets of the last scan and their prints; nothing of it holds for another census."""

    census: Census = field(default_factory=Census)
    buckets: Buckets = field(default_factory=lambda: defaultdict(Bucket))
    left: Prints = field(default_factory=dict)
    right: Prints = field(default_factory=dict)
    salt: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def empty(self) -> bool:
        """Whether there was no scan yet."""
        return not self.buckets

    def begin(self, census: Census) -> None:
        """Forget everything where owners came or went: rulings and what is told of keys rest on them."""
        if self.census != census:
            self.census, self.left, self.right = census, {}, {}
            self.buckets.clear()

    def due(self, left: Prints, right: Prints) -> list[str]:
        """The buckets that must be looked at: another print than before, or something was to be done."""
        names = self.left.keys() | self.right.keys() | left.keys() | right.keys() | self.buckets.keys()
        return sorted(
            name
            for name in names
            if left.get(name) != self.left.get(name)
            or right.get(name) != self.right.get(name)
            or self.buckets[name].wants
        )

    def take(self, names: Iterable[str], seen: Buckets, left: Prints, right: Prints) -> None:
        """Remember the buckets of these names and all that were seen, and the prints that were made before that."""
        for name in {*names, *seen}:
            self.buckets[name] = seen[name]
        self.left, self.right = left, right


def groups(names: Iterable[str], left: Prints, right: Prints, most: int) -> list[list[str]]:
    """The buckets in groups of about so many rows."""
    found: list[list[str]] = []
    held = 0
    for name in names:
        count = max(left.get(name, (0, ""))[0], right.get(name, (0, ""))[0])
        if not found or held + count > most:
            found.append([])
            held = 0
        found[-1].append(name)
        held += count
    return found


# What names the bucket of a row, the same as `bucket_of` and as the first digits of `key_id`.
OLD_BUCKET = f"LEFT(SHA2(CONVERT(access USING utf8mb4), 256), {DIGITS})"
NEW_BUCKET = (
    "IF(CHAR_LENGTH(id) = 64 AND LENGTH(CONVERT(id USING utf8mb4)) = 64, "
    f"LOWER(CONVERT(LEFT(id, {DIGITS}) USING utf8mb4)) COLLATE utf8mb4_bin, '')"
)
BASE_BUCKET = f"LEFT(id, {DIGITS})"
