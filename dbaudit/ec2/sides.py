"""Which operand is which side, and its rows as the survey wants them. Reads only; takes dumps as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbaudit.comparison.side import Side
from dbaudit.ec2.fernet import Vault
from dbaudit.ec2.form import TYPE, Row, grizzly_key, havana_row
from dbaudit.ec2.survey import Owners
from dbaudit.errors import DbauditError
from dbaudit.proof.token import folded_text
from dbaudit.reconcile import Refused
from dbaudit.result import DatabaseResult

if TYPE_CHECKING:
    from dbaudit.packs.keystone._ec2 import Key
    from dbaudit.schema.model import Table

GRIZZLY, HAVANA = "Grizzly", "Havana"
OLD, NEW = "ec2_credential", "credential"
# Migration number of keystone at Havana: later ones write blobs that are encoded twice, and read both.
LAST_SINGLE = 36
# Migration that drops `ec2_credential`.
DROPS_OLD = 33


@dataclass(frozen=True, slots=True)
class Pair:
    """The two sides; one and the same where a single operand holds both tables."""

    grizzly: Side
    havana: Side

    @property
    def sides(self) -> tuple[Side, ...]:
        """Grizzly first; one where both are the same database."""
        return (self.grizzly,) if self.grizzly is self.havana else (self.grizzly, self.havana)

    @property
    def single(self) -> bool:
        """Whether rows of `credential` must be encoded once: up to Havana, and where no number says which it is."""
        number = self.havana.versions.numbers.get("keystone")
        return number is None or number <= LAST_SINGLE


def pair(sides: Sequence[Side]) -> Pair:
    """Which is which: the one that has `ec2_credential` is Grizzly. Refused, saying why, where that cannot be told."""
    if len(sides) == 1:
        only = sides[0]
        missing = [name for name in (OLD, NEW) if name not in only.schema.tables]
        if missing:
            raise Refused(
                f"{only.label} has no table {' and no '.join(missing)}",
                "name the database of the other side too: dbaudit ec2 check LEFT RIGHT",
            )
        return _checked(Pair(only, only))
    old = [side for side in sides if OLD in side.schema.tables]
    if len(old) != 1:
        has = "both databases have" if old else "neither database has"
        raise Refused(
            f"{has} `{OLD}`, so that none can be told to be Grizzly's", "name a Grizzly and a Havana database"
        )
    new = sides[1] if old[0] is sides[0] else sides[0]
    if NEW not in new.schema.tables:
        raise Refused(f"{new.label} has no table `{NEW}`", "name Havana's keystone database")
    return _checked(Pair(old[0], new))


def _checked(found: Pair) -> Pair:
    wanted = (
        (found.grizzly, OLD, ("access", "secret", "user_id", "tenant_id")),
        (found.havana, NEW, ("id", "user_id", "project_id", "type")),
    )
    for side, table, columns in wanted:
        absent = [name for name in columns if side.schema.tables[table].column(name) is None]
        if absent:
            raise Refused(f"{side.label}: `{table}` has no column {', '.join(absent)}", "it is not keystone's table")
    return found


def grizzly_keys(side: Side) -> Iterator[Key]:
    """The rows of `ec2_credential`."""
    for access, secret, user, tenant in _values(side, OLD, ("access", "secret", "user_id", "tenant_id")):
        yield grizzly_key(access or "", secret, user, tenant)


def blob_columns(table: Table) -> tuple[str, ...]:
    """The columns of `credential` that hold blobs; `encrypted_blob` comes with Newton, `blob` goes."""
    return tuple(name for name in ("blob", "encrypted_blob") if table.column(name) is not None)


def havana_rows(side: Side, vault: Vault) -> Iterator[Row]:
    """The rows of `credential` that are EC2 keys."""
    blobs = blob_columns(side.schema.tables[NEW])
    for id, user, project, type, *held in _values(side, NEW, ("id", "user_id", "project_id", "type", *blobs)):
        if type == TYPE:
            found = dict(zip(blobs, held, strict=True))
            yield havana_row(id or "", user, project, found.get("blob"), found.get("encrypted_blob"), vault)


def owners(side: Side) -> Owners:
    """The users and projects of a side; None for a table that is not there or empty, as with LDAP."""
    return Owners(_ids(side, "user"), _ids(side, "project"))


def _ids(side: Side, table: str) -> frozenset[str] | None:
    if table not in side.schema.tables:
        return None
    return frozenset(id for (id,) in _values(side, table, ("id",)) if id is not None) or None


def _values(side: Side, table: str, columns: tuple[str, ...]) -> Iterator[tuple[str | None, ...]]:
    if side.data is None:
        raise DbauditError(f"{side.label} has no rows", "name a dump, a URL or a configuration file")
    for row in side.data.values(table, columns):
        yield tuple(_text(value) for value in row)


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def fold(side: Side) -> Callable[[str], str]:
    """About what the collation of `access` calls equal: case where it ignores it, and blanks at the end."""
    table = side.schema.tables[OLD]
    column = table.column("access")
    collation = (column and column.collation) or table.collation or ""
    return _padded if collation.endswith(("_bin", "_cs", "_as_cs")) or collation == "binary" else folded_text


def _padded(text: str) -> str:
    return text.rstrip(" ")


def described(side: Side) -> DatabaseResult:
    """A side as reports name it."""
    release = side.release.name if side.release else None
    return DatabaseResult(
        side.schema.name, side.operand, side.service, release, dict(side.versions.numbers), side.server
    )
