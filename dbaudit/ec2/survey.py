"""What two sides of EC2 keys look like: what differs, what cannot be carried over and why, what is odd.

It is fed with rows and keeps counts and the first keys by kind; it opens nothing and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbaudit.ec2.form import Row, Trouble, key_id, obstacle_in_grizzly, obstacle_in_havana
from dbaudit.finding import KEYS_SHOWN

if TYPE_CHECKING:
    from dbaudit.packs.keystone._ec2 import Key

ONLY_GRIZZLY, ONLY_HAVANA, DIFFERENT = "only-grizzly", "only-havana", "different"
# Lines of detail kept for a kind.
DETAILS = 20


@dataclass
class Tally:
    """How often something was seen, the keys of the first, and lines about some of them. No secret."""

    count: int = 0
    keys: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)

    def add(self, key: str, detail: str = "") -> None:
        """Count one."""
        self.count += 1
        if len(self.keys) < KEYS_SHOWN:
            self.keys.append(key)
        if detail and len(self.details) < DETAILS:
            self.details.append(detail)

    def merge(self, other: Tally) -> None:
        """Take another's count in, and of its keys and details as many as are kept."""
        self.count += other.count
        self.keys += other.keys[: KEYS_SHOWN - len(self.keys)]
        self.details += other.details[: DETAILS - len(self.details)]


@dataclass(frozen=True, slots=True)
class Owners:
    """The users and projects that a side knows; None where that cannot be told (LDAP, no such table)."""

    users: frozenset[str] | None = None
    projects: frozenset[str] | None = None

    def missing(self, key: Key) -> tuple[str, ...]:
        """Which of the owners of a key are not there: user, project."""
        found = []
        if self.users is not None and key.user is not None and key.user not in self.users:
            found.append("user")
        if self.projects is not None and key.project is not None and key.project not in self.projects:
            found.append("project")
        return tuple(found)


@dataclass
class Survey:
    """Counts of rows, of keys in step, and tallies by kind."""

    grizzly: int = 0
    havana: int = 0
    same: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)

    def note(self, kind: str, key: str, detail: str = "") -> None:
        """Count one key of a kind."""
        self.tallies.setdefault(str(kind), Tally()).add(key, detail)

    def add(self, other: Survey) -> None:
        """Take in what another saw of other keys."""
        self.grizzly += other.grizzly
        self.havana += other.havana
        self.same += other.same
        for kind, tally in other.tallies.items():
            self.tallies.setdefault(kind, Tally()).merge(tally)


@dataclass(frozen=True, slots=True)
class Views:
    """What is known beside the rows: owners by side, what a collation calls equal, whether one encoding must be."""

    owners: Mapping[str, Owners] = field(default_factory=dict)
    fold: Callable[[str], str] = str
    single: bool = True


def survey(grizzly: Iterable[Key], havana: Iterable[Row], views: Views) -> Survey:
    """Everything that is to be said about two sides, in key order."""
    found = Survey()
    left = {key_id(key.access): key for key in grizzly}
    rows = list(havana)
    found.grizzly, found.havana = len(left), len(rows)
    right = place_rows(rows, found, views.single)
    for id in sorted({*left, *right}, key=lambda id: _access(id, left, right)):
        _judge(found, id, left.get(id), right.get(id))
    _orphans(found, left, right, views.owners)
    _collisions(found, left, right, views.fold)
    return found


def place_rows(rows: Iterable[Row], found: Survey, single: bool) -> dict[str, Row]:
    """The rows by the id under which the EC2 API looks for them; what is odd about them is noted."""
    placed: dict[str, Row] = {}
    strays: list[Row] = []
    for row in rows:
        if row.trouble in (Trouble.RANDOM_ID, Trouble.WRONG_ID):
            strays.append(row)
        if row.trouble is not None:
            found.note(row.trouble, row.named, _about(row))
        elif single and row.encodings > 1:
            found.note(Trouble.TWICE, row.named)
        if row.trouble is not Trouble.RANDOM_ID:
            placed[row.id.lower()] = row
    note_strays(strays, placed, found)
    return placed


def note_strays(strays: Iterable[Row], placed: Mapping[str, Row], found: Survey) -> None:
    """Note keys that have more than one row."""
    several: dict[str, int] = {}
    for row in strays:
        assert row.key is not None
        several[row.key.access] = several.get(row.key.access, 0) + 1
    for access, count in sorted(several.items()):
        twin = placed.get(key_id(access))
        rows = count + (twin is not None and twin.trouble is None)
        if rows > 1:
            found.note(Trouble.SEVERAL, access, f"{access} has {rows} rows")


def _about(row: Row) -> str:
    return "" if row.key is None else f"{row.key.access} stands under the id {row.id}"


def _access(id: str, left: Mapping[str, Key], right: Mapping[str, Row]) -> str:
    return left[id].access if id in left else right[id].named


def _judge(found: Survey, id: str, left: Key | None, row: Row | None) -> None:
    right = None if row is None or row.trouble is not None else row.key
    if left is not None and right is not None:
        if left == right:
            found.same += 1
        else:
            found.note(
                DIFFERENT, left.access, f"{left.access}: another {' and another '.join(left.differences(right))}"
            )
            if right.limits:
                found.note(Trouble.TRUST, right.access)
    elif left is not None:
        found.note(ONLY_GRIZZLY, left.access)
        if trouble := obstacle_in_havana(left):
            found.note(trouble, left.access)
    elif right is not None:
        found.note(ONLY_HAVANA, right.access)
        if trouble := obstacle_in_grizzly(right):
            found.note(trouble, right.access)


def _orphans(found: Survey, left: Mapping[str, Key], right: Mapping[str, Row], owners: Mapping[str, Owners]) -> None:
    for id in sorted({*left, *right}, key=lambda id: _access(id, left, right)):
        key = left[id] if id in left else right[id].key
        if key is None:
            continue
        lines = [f"{what} in {side}" for side, known in owners.items() for what in known.missing(key)]
        if lines:
            found.note(Trouble.ORPHAN, key.access, f"{key.access}: no {', no '.join(lines)}")


def _collisions(
    found: Survey, left: Mapping[str, Key], right: Mapping[str, Row], fold: Callable[[str], str]
) -> None:  # fmt: skip
    """Keys that `ec2_credential` cannot hold beside each other."""
    groups: dict[str, list[str]] = {}
    for id in {*left, *right}:
        key = left[id] if id in left else right[id].key
        if key is not None:
            groups.setdefault(fold(key.access), []).append(key.access)
    for group in sorted(sorted(each) for each in groups.values() if len(each) > 1):
        for access in group:
            found.note(Trouble.COLLIDING, access, f"{' = '.join(group)} for the collation of `ec2_credential`")
