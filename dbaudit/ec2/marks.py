"""The marks that triggers leave: read, and deleted by their own numbers once their keys were looked at.

Never by "greater than the last": a transaction that commits late has a lower number than one that was seen before. A
mark that comes while its key is looked at has another number, and stays for the next round.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
    """Marks that were read: keys by id and, for Grizzly's, access key; seconds since the oldest was made.

    `near` and `far` are the marks' own numbers, each with the id of its key, on Havana's server and on Grizzly's.
    """

    names: tuple[tuple[str, str], ...] = ()
    near: tuple[tuple[int, str], ...] = ()
    far: tuple[tuple[int, str], ...] = ()
    age: float = 0.0


def read_marks(link: Link) -> Marks:
    """The marks of both sides."""
    ends = link.ends
    names: dict[str, str] = {}
    # two nodes of one cluster share the table: each reads its own side's marks, so that each is deleted once
    here = (ends.grizzly.database, ends.havana.database) if ends.one else (ends.havana.database,)
    near, near_age = _read(link.h, ends.table("ec2_mark"), here, names)
    far, far_age = ((), 0.0) if ends.one else _read(link.g, ends.far("ec2_mark"), (ends.grizzly.database,), names)
    return Marks(tuple(names.items()), near, far, max(near_age, far_age))


def _read(
    connection: Connection, table: str, databases: Sequence[str], names: dict[str, str]
) -> tuple[tuple[tuple[int, str], ...], float]:  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT n, side, name, TIMESTAMPDIFF(MICROSECOND, at, UTC_TIMESTAMP(6)) FROM {table} "
            f"WHERE db IN %s ORDER BY n LIMIT {MOST}",
            (tuple(databases),),
        )
        rows = cursor.fetchall()
    connection.rollback()
    found = []
    for number, side, name, _age in rows:
        text = text_of(name)
        id = key_id(text) if side == "g" else text.lower()
        if side == "g":
            names[id] = text
        else:
            names.setdefault(id, "")
        found.append((int(number), id))
    return tuple(found), max((int(row[3]) / 1e6 for row in rows), default=0.0)


def delete_marks(link: Link, marks: Marks, but: Collection[str] = ()) -> None:
    """Delete the marks that were read, and only those; not those of the keys `but`, by id. Commits."""
    for connection, table, read in (
        (link.h, link.ends.table("ec2_mark"), marks.near),
        (link.g, link.ends.far("ec2_mark"), marks.far),
    ):
        if numbers := tuple(number for number, id in read if id not in but):
            with connection.cursor() as cursor:
                cursor.execute(f"DELETE FROM {table} WHERE n IN %s", (numbers,))
            connection.commit()
