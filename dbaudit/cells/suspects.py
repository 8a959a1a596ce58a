"""Which instances may differ between live databases: by checksums of ranges of uuids, cut down to single instances.

The top is gone through once, a sum for each of its cells; where a cell's own sum is another, `checksum` bisects. What
is told is a superset: rows that are suspects are read and judged one by one, all others are the same on both sides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbaudit.cells.checksum import CHUNK, Compared, Range, Rows, Sums, ranges, shown, within
from dbaudit.cells.mirrored import Compared as Columns
from dbaudit.cells.rowhash import collation, hashes
from dbaudit.cells.source import KEYS_AT_ONCE, snapshot
from dbaudit.comparison.live import LiveData
from dbaudit.comparison.side import Side
from dbaudit.schema.model import Schema
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

_INSTANCES = "instances"
# Instances of a cell by which its name at the top is found out: uuids are drawn by lot, so these are a fair sample.
SAMPLE = 1_000
# More suspects than that are no suspects: then everything is read.
MOST = 20_000
_NO_FLAVOR = "LOCATE(CAST('instance_type_' AS BINARY), CAST(`key` AS BINARY)) = 0"
_NAME = "CAST(instances.cell_name AS BINARY)"
_HOMELESS = "SELECT uuid FROM instances WHERE deleted = 0 AND uuid IS NOT NULL AND cell_name IS NULL"
_SAMPLED = f"SELECT uuid FROM instances WHERE deleted = 0 AND uuid IS NOT NULL ORDER BY uuid LIMIT {SAMPLE}"


@dataclass(frozen=True, slots=True)
class Suspects:
    """Uuids to be read, the cells' names at the top, and the top's live instances of cells that were not named."""

    uuids: frozenset[str]
    names: tuple[str | None, ...]
    unseen: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one table that are compared: which of them, and the hash of each on every side."""

    table: str
    which: str
    hashed: tuple[str, ...]

    @property
    def key(self) -> tuple[str]:
        """By what rows belong to an instance."""
        return ("uuid",) if self.table == _INSTANCES else ("instance_uuid",)

    def rows(self, connection: Connection, number: int, cell: str | None = None) -> Rows:
        """Those of live instances on a side; only of the cell that is named."""
        of = "" if cell is None else f" AND {_NAME} = CAST({connection.escape(cell)} AS BINARY)".replace("%", "%%")
        alive = f"instances.deleted = 0 AND instances.uuid IS NOT NULL{of}"
        if self.table != _INSTANCES:
            alive = f"EXISTS (SELECT 1 FROM instances WHERE instances.uuid = {self.table}.instance_uuid AND {alive})"
        return Rows(connection, quoted(self.table), self.key, self.hashed[number], f"{self.which} AND {alive}")

    def by_cell(self, top: Connection, part: Range) -> dict[str | None, Sums]:
        """The sums of a range of the top for each of its cells."""
        where, values = within(self.key, part)
        if self.table == _INSTANCES:
            cell, which = _NAME, "deleted = 0 AND uuid IS NOT NULL"
        else:
            mine = f"instances.uuid = {self.table}.instance_uuid AND instances.deleted = 0"
            cell, which = f"(SELECT {_NAME} FROM instances WHERE {mine})", self.which
        rows = f"SELECT {cell} AS cell, {self.hashed[0]} AS hashed FROM {quoted(self.table)} WHERE {which} AND {where}"
        sums = f"SELECT cell, COUNT(*), SUM(hashed) FROM ({rows}) AS found GROUP BY cell"
        return {
            None if cell is None else shown(cell): (str(count), str(total))
            for cell, count, total in _ask(top, sums, values)
        }


def suspects(sides: Sequence[Side], columns: Columns) -> Suspects | None:
    """Those of a top and its cells; None where everything has to be read: dumps, tables or keys that are no match."""
    live = [side.data for side in sides if isinstance(side.data, LiveData)]
    schemas = [side.schema for side in sides]
    if len(live) < len(sides) or not _fits(schemas):
        return None
    parts = [
        Part(name, which, hashes([schema.tables[name] for schema in schemas], compared))
        for name, compared, which in _tables(columns)
    ]
    with ExitStack() as stack:
        opened = [stack.enter_context(data.connected()) for data in live]
        for connection in opened:
            stack.enter_context(snapshot(connection))
        names = tuple(_name(opened[0], connection) for connection in opened[1:])
        if None in names or len(set(names)) < len(names):
            return None
        pool = stack.enter_context(ThreadPoolExecutor(len(sides)))
        found = {shown(uuid) for (uuid,) in _ask(opened[0], _HOMELESS)}
        for uuid in _differing(parts, opened, names, pool):
            found.add(uuid)
            if len(found) > MOST:
                return None
        for connection in opened[1:]:
            found |= set(_sharing(connection, sorted(found)))
        return Suspects(frozenset(found), names, _unseen(opened[0], names))


def _tables(columns: Columns) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Each table, what the hash of a row is made of, and which rows. The uuid is in it: rows may not change places."""
    yield _INSTANCES, ("uuid", *columns[0]), "1"
    yield "block_device_mapping", ("instance_uuid", "device_name", *columns[1]), "deleted = 0"
    for table in ("instance_metadata", "instance_system_metadata"):
        yield table, ("instance_uuid", "key", "value"), f"deleted = 0 AND {_NO_FLAVOR}"


def _fits(schemas: Sequence[Schema]) -> bool:
    """Whether every database has every table with an index of the uuid, and all uuids are ordered alike."""
    orders = set()
    for schema in schemas:
        for name, *_ in _tables(((), ())):
            table, key = schema.tables.get(name), "uuid" if name == _INSTANCES else "instance_uuid"
            if table is None or not any(each.columns[:1] == (key,) for each in table.indexes):
                return False
            orders.add(collation(table, key))
    return len(orders) == 1


def _differing(
    parts: Sequence[Part], opened: Sequence[Connection], names: Sequence[str | None], pool: Executor
) -> Iterator[str]:
    """Uuids of ranges of the top in which a cell's sums are others than the top's for it, cut down by bisection."""
    top, *cells = opened
    for within_ in ranges(_ruler(top), Range(None, None), CHUNK):
        for part in parts:
            own = [part.rows(cell, number) for number, cell in enumerate(cells, 1)]
            above = pool.submit(part.by_cell, top, within_)
            below = list(pool.map(Rows.sums, own, [within_] * len(own)))
            for name, rows, sums in zip(names, own, below, strict=True):
                if _plain(sums) != _plain(above.result().get(name, ("0",))):
                    compared = Compared(part.rows(top, 0, name), rows, pool, _ruler(rows.connection))
                    yield from (each.key[0] for each in compared.differences(within_))


def _ruler(connection: Connection) -> Rows:
    return Rows(connection, _INSTANCES, ("uuid",), "0", "deleted = 0 AND uuid IS NOT NULL")


def _plain(sums: Sums) -> Sums:
    """No rows are no rows, whether their sum is NULL or there is none."""
    return ("0",) if sums[0] == "0" else sums


def _ask(connection: Connection, sql: str, values: Sequence[str] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, tuple(values))
        return list(cursor.fetchall())


def _name(top: Connection, cell: Connection) -> str | None:
    """The cell_name that the top gives most of a cell's instances."""
    sample = [shown(uuid) for (uuid,) in _ask(cell, _SAMPLED)]
    counts: Counter[str] = Counter()
    for some in _some(sample):
        sql = f"SELECT {_NAME}, COUNT(*) FROM instances WHERE uuid IN ({_marks(some)}) GROUP BY {_NAME}"
        counts.update({shown(name): int(count) for name, count in _ask(top, sql, some) if name})
    return counts.most_common(1)[0][0] if counts else None


def _sharing(cell: Connection, uuids: Sequence[str]) -> Iterator[str]:
    """Instances that have a volume of one of these, which is told as one fault of both."""
    for some in _some(uuids):
        sql = (
            "SELECT DISTINCT other.instance_uuid FROM block_device_mapping own JOIN block_device_mapping other "
            "ON other.volume_id = own.volume_id AND other.deleted = 0 "
            f"WHERE own.deleted = 0 AND own.instance_uuid IN ({_marks(some)}) AND other.instance_uuid IS NOT NULL"
        )
        yield from (shown(uuid) for (uuid,) in _ask(cell, sql, some))


def _unseen(top: Connection, names: Sequence[str | None]) -> dict[str, int]:
    sql = f"SELECT {_NAME}, COUNT(*) FROM instances WHERE deleted = 0 AND cell_name IS NOT NULL GROUP BY {_NAME}"
    counts = {shown(name): int(count) for name, count in _ask(top, sql)}
    return {name: count for name, count in counts.items() if name not in names}


def _some(uuids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (uuids[start : start + KEYS_AT_ONCE] for start in range(0, len(uuids), KEYS_AT_ONCE))


def _marks(uuids: Sequence[str]) -> str:
    return ", ".join(["%s"] * len(uuids))
