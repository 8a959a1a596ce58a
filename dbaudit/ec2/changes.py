"""What a chunk writes, and the statements for it: rows as the releases themselves would write them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbaudit.ec2.base import Base, forget, record
from dbaudit.ec2.form import EXTRA, TYPE, blob_of
from dbaudit.ec2.link import Ends
from dbaudit.ec2.ruling import HAVANA, Judge, Ruling
from dbaudit.ec2.sight import Sight, Want
from dbaudit.reconcile import Verb

if TYPE_CHECKING:
    from dbaudit.packs.keystone._ec2 import Key

Entry = tuple[str, str, str, int]


@dataclass
class Changes:
    """The writes of a chunk, by table.

    `agreed` and `gone` are of the base, in the transaction of Havana's rows. `intended` (and `undone`, by id) are what
    the base says when Grizzly's server has written. `kept` goes to the base first: a key that is to be deleted on both
    servers, which must not be taken for a new one if only the first delete happens.
    """

    old_new: list[Key] = field(default_factory=list)
    old_changed: list[Key] = field(default_factory=list)
    old_gone: list[str] = field(default_factory=list)
    new_new: list[Key] = field(default_factory=list)
    new_changed: list[Key] = field(default_factory=list)
    new_gone: list[str] = field(default_factory=list)
    agreed: list[Entry] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    intended: list[Entry] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    kept: list[Entry] = field(default_factory=list)

    @property
    def far(self) -> bool:
        """Whether Grizzly's table is written."""
        return bool(self.old_new or self.old_changed or self.old_gone)

    def add(self, want: Want, ruling: Ruling, left: Key | None, right: Key | None, judge: Judge) -> None:
        """Add what a ruling means."""
        if ruling.prune:
            self._prune(want.id, left, right, judge)
        elif ruling.verb is Verb.FORGET:
            self.gone.append(want.id)
        elif ruling.verb is Verb.AGREE:
            self.agreed.append(_entry(want.id, left, judge))
        elif ruling.verb is Verb.DELETE and ruling.target is HAVANA:
            self.new_gone.append(want.id)
            self.gone.append(want.id)
        elif ruling.verb is Verb.DELETE and left is not None:
            self.old_gone.append(left.access)
            self._undo(want.id, left)
        elif ruling.verb in (Verb.CREATE, Verb.UPDATE):
            self._copy(want.id, ruling, left, right, judge)

    def _copy(self, id: str, ruling: Ruling, left: Key | None, right: Key | None, judge: Judge) -> None:
        create = ruling.verb is Verb.CREATE
        if ruling.target is HAVANA:
            assert left is not None
            (self.new_new if create else self.new_changed).append(left)
            self.agreed.append(_entry(id, left, judge))
        else:
            assert right is not None
            (self.old_new if create else self.old_changed).append(right)
            self.intended.append(_entry(id, right, judge))

    def _prune(self, id: str, left: Key | None, right: Key | None, judge: Judge) -> None:
        if right is not None:
            self.new_gone.append(id)
        if left is None:
            self.gone.append(id)
            return
        if right is not None:
            self.kept.append(_entry(id, left, judge))
        self.old_gone.append(left.access)
        self._undo(id, left)

    def _undo(self, id: str, left: Key) -> None:
        self.undone.append(id)
        self.names[id] = left.access


def _entry(id: str, key: Key | None, judge: Judge) -> Entry:
    assert key is not None
    return id, key.access, judge.digests.of(key), judge.census.seen(key)


def put_in_base(cursor: Any, base: Base, changes: Changes) -> None:
    """What the base learns together with Havana's rows."""
    record(cursor, base, [*changes.agreed, *changes.kept])
    forget(cursor, base, changes.gone)


def mend(cursor: Any, base: Base, changes: Changes, nonce: str) -> None:
    """The intents of what Grizzly's server is to write."""
    intents: list[tuple[object, ...]] = [
        (base.pair, id, nonce, _bytes(access), digest, seen) for id, access, digest, seen in changes.intended
    ]
    intents += [(base.pair, id, nonce, _bytes(changes.names[id]), None, 0) for id in changes.undone]
    if intents:
        cursor.executemany(
            f"INSERT INTO {base.ends.table('ec2_intent')} (pair, id, nonce, access, digest, seen) "
            "VALUES (%s, %s, %s, %s, %s, %s)",
            intents,
        )


def _bytes(access: str) -> bytes:
    return access.encode("utf-8", "surrogateescape")


def write_grizzly(cursor: Any, ends: Ends, changes: Changes) -> None:
    """Delete, change and make rows of `ec2_credential`."""
    if changes.old_gone:
        cursor.execute(f"DELETE FROM {ends.old} WHERE access IN %s", (tuple(changes.old_gone),))
    for key in changes.old_changed:
        cursor.execute(
            f"UPDATE {ends.old} SET secret = %s, user_id = %s, tenant_id = %s WHERE access = %s",
            (key.secret, key.user, key.project, key.access),
        )
    if changes.old_new:
        cursor.executemany(
            f"INSERT INTO {ends.old} (access, secret, user_id, tenant_id) VALUES (%s, %s, %s, %s)",
            [(key.access, key.secret, key.user, key.project) for key in changes.old_new],
        )


def write_havana(cursor: Any, ends: Ends, changes: Changes, sight: Sight) -> None:
    """Delete, change and make rows of `credential`."""
    if changes.new_gone:
        cursor.execute(f"DELETE FROM {ends.new} WHERE id IN %s", (tuple(changes.new_gone),))
    columns = _columns(sight)
    for key in changes.new_changed:
        pairs = ", ".join(f"`{name}` = %s" for name in ("user_id", "project_id", *columns))
        cursor.execute(
            f"UPDATE {ends.new} SET {pairs} WHERE id = %s", (key.user, key.project, *_blob(key, sight), key.id)
        )
    if changes.new_new:
        names = ("id", "user_id", "project_id", "type", "extra", *columns)
        cursor.executemany(
            f"INSERT INTO {ends.new} ({', '.join(f'`{name}`' for name in names)}) "
            f"VALUES ({', '.join(['%s'] * len(names))})",
            [(key.id, key.user, key.project, TYPE, EXTRA, *_blob(key, sight)) for key in changes.new_new],
        )


def _columns(sight: Sight) -> tuple[str, ...]:
    """Both where both are there (between Newton's expand and its contract), for nodes of either release."""
    plain = ("blob",) if "blob" in sight.blobs else ()
    return (*plain, "encrypted_blob", "key_hash") if "encrypted_blob" in sight.blobs else plain


def _blob(key: Key, sight: Sight) -> tuple[str, ...]:
    plain = (blob_of(key),) if "blob" in sight.blobs else ()
    return (*plain, *sight.vault.seal(blob_of(key))) if "encrypted_blob" in sight.blobs else plain
