"""The marks that triggers leave: read, and deleted by their own numbers once their keys were looked at.

Never by "greater than the last": a transaction that commits late has a lower number than one that was seen before. A
mark that comes while its key is looked at has another number, and stays for the next round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbaudit.ec2.base import text_of
from dbaudit.ec2.form import key_id
from dbaudit.ec2.link import Link

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# Marks of one round; more wait for the next.
MOST = 5_000


@dataclass(frozen=True, slots=True)
class Marks:
    """Marks that were read: keys by id and, for Grizzly's, access key; seconds since the oldest was made."""

    names: tuple[tuple[str, str], ...] = ()
    near: tuple[int, ...] = ()
    far: tuple[int, ...] = ()
    age: float = 0.0


def read_marks(link: Link) -> Marks:
    """The marks of both sides."""
    ends = link.ends
    names: dict[str, str] = {}
    near, near_age = _read(link.h, ends.table("ec2_mark"), (ends.grizzly.database, ends.havana.database), names)
    far, far_age = ((), 0.0) if ends.one else _read(link.g, ends.far("ec2_mark"), (ends.grizzly.database,), names)
    return Marks(tuple(names.items()), near, far, max(near_age, far_age))


def _read(
    connection: Connection, table: str, databases: Sequence[str], names: dict[str, str]
) -> tuple[tuple[int, ...], float]:  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT n, side, name, TIMESTAMPDIFF(MICROSECOND, at, UTC_TIMESTAMP(6)) FROM {table} "
            f"WHERE db IN %s ORDER BY n LIMIT {MOST}",
            (tuple(databases),),
        )
        rows = cursor.fetchall()
    connection.rollback()
    for _, side, name, _age in rows:
        text = text_of(name)
        if side == "g":
            names[key_id(text)] = text
        else:
            names.setdefault(text.lower(), "")
    return tuple(int(row[0]) for row in rows), max((int(row[3]) / 1e6 for row in rows), default=0.0)


def delete_marks(link: Link, marks: Marks) -> None:
    """Delete the marks that were read, and only those. Commits."""
    for connection, table, numbers in (
        (link.h, link.ends.table("ec2_mark"), marks.near),
        (link.g, link.ends.far("ec2_mark"), marks.far),
    ):
        if numbers:
            with connection.cursor() as cursor:
                cursor.execute(f"DELETE FROM {table} WHERE n IN %s", (numbers,))
            connection.commit()
