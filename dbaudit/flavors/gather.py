"""What a check needs of one database, in a file of its own: instances by uuid with what they embed.

Rows of a dump come in any order and a cell may hold millions, so they are sorted and joined in an SQLite file; memory
does not grow with the number of instances.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from dbaudit.cells.instant import newest
from dbaudit.cells.source import Instant, Only, Source, opened
from dbaudit.comparison.side import Side
from dbaudit.flavors.embedded import Embedded, is_part, read_embedded
from dbaudit.flavors.flavor import TIMES, Definitions, read_definitions

SIZES = ("vcpus", "memory_mb", "root_gb", "ephemeral_gb")
_COLUMNS = ("uuid", "id", "deleted", "instance_type_id", *SIZES, "vm_state", "task_state", "cell_name", *TIMES)
_BATCH = 5_000  # rows put into the file at once


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance that is not reclaimed. `live` is False for one that is only marked, as Liberty's script counts it."""

    uuid: str
    number: int  # its id
    live: bool
    type_id: str | None
    sizes: tuple[str | None, ...]
    vm_state: str | None
    task_state: str | None
    newest: str | None
    embedded: Embedded


@dataclass(frozen=True, slots=True)
class Gathered:
    """One database, ready to be judged."""

    label: str
    path: Path
    instant: Instant
    definitions: Definitions
    kilo: bool  # instance_extra.flavor exists
    version: int | None  # nova's migration number


def gather(side: Side, label: str, path: Path, uuids: frozenset[str] | None = None) -> Gathered:
    """Read a database into the file `path`; only the instances of `uuids` where that is given."""
    with opened(side) as source, closing(sqlite3.connect(path, isolation_level=None)) as file:
        for setting in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE", "cache_size = -16000"):
            file.execute(f"PRAGMA {setting}")
        file.execute("CREATE TABLE part (uuid TEXT, body TEXT)")
        file.execute("CREATE TABLE instance (uuid TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID")
        file.execute("BEGIN")
        _fill(file, "part", _parts(source, uuids))
        _fill(file, "instance", _joined(file))
        file.execute("COMMIT")
        kilo = "flavor" in source.tables.get("instance_extra", ())
        number = side.versions.numbers.get("nova")
        return Gathered(label, path, source.instant, read_definitions(source), kilo, number)


def instances(path: Path) -> Iterator[Instance]:
    """The instances of a gathered database, by uuid."""
    with closing(sqlite3.connect(path)) as file:
        for uuid, body in file.execute("SELECT uuid, body FROM instance ORDER BY uuid"):
            yield _instance(uuid, body)


class Lookup:
    """Finds single instances of a gathered database."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path)

    def find(self, uuid: str) -> Instance | None:
        """The instance of a uuid."""
        row = self._file.execute("SELECT body FROM instance WHERE uuid = ?", (uuid,)).fetchone()
        return _instance(uuid, row[0]) if row else None

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _fill(file: sqlite3.Connection, table: str, rows: Iterator[tuple[str, str]]) -> None:
    batch: list[tuple[str, str]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            file.executemany(f"INSERT INTO {table} VALUES (?, ?)", batch)
            batch.clear()
    file.executemany(f"INSERT INTO {table} VALUES (?, ?)", batch)


def _parts(source: Source, uuids: frozenset[str] | None) -> Iterator[tuple[str, str]]:
    """Every row that tells something of an instance: its uuid, and a mark with the rest."""
    by_uuid = Only("uuid", uuids) if uuids is not None else None
    others = Only("instance_uuid", uuids) if uuids is not None else None
    for uuid, id_, deleted, *rest in source.rows("instances", _COLUMNS, by_uuid):
        if uuid is not None and deleted is not None and deleted != id_:
            yield uuid, json.dumps(["0", int(id_ or 0), deleted == "0", *rest])
    columns = ("instance_uuid", "key", "value", "deleted", "id", *TIMES)
    for uuid, key, value, deleted, id_, *times in source.rows("instance_system_metadata", columns, others):
        if uuid is not None and is_part(key) and deleted == "0":
            yield uuid, json.dumps(["1", int(id_ or 0), key, value, newest(*times)])
    for uuid, flavor, deleted, *times in source.rows("instance_extra", ("instance_uuid", "flavor", "deleted", *TIMES)):
        if uuid is not None and deleted == "0" and flavor is not None and (uuids is None or uuid in uuids):
            yield uuid, json.dumps(["2", flavor, newest(*times)])


def _joined(file: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """One body for each instance: its own row, metadata by key in order of id, texts of instance_extra, newest."""
    rows = closing(file.cursor())
    with rows as cursor:
        cursor.execute("SELECT uuid, body FROM part ORDER BY uuid")
        for uuid, group in groupby(cursor, key=lambda row: row[0]):
            parts = sorted((json.loads(body) for _, body in group), key=lambda part: (part[0], _order(part)))
            if parts[0][0] != "0":
                continue
            _, number, live, *own = parts[0]
            metadata: dict[str, list[str | None]] = {}
            extra = [part[1] for part in parts if part[0] == "2"]
            for part in parts:
                if part[0] == "1":
                    metadata.setdefault(part[2], []).append(part[3])
            latest = newest(*own[-3:], *(part[-1] for part in parts if part[0] != "0"))
            yield uuid, json.dumps([number, live, *own[:-3], latest, metadata, extra])


def _order(part: list[Any]) -> int:
    return int(part[1]) if part[0] == "1" else 0


def _instance(uuid: str, body: str) -> Instance:
    number, live, type_id, *rest = json.loads(body)
    sizes, (vm_state, task_state, _cell, latest, metadata, extra) = rest[: len(SIZES)], rest[len(SIZES) :]
    return Instance(
        uuid, number, live, type_id, tuple(sizes), vm_state, task_state, latest, read_embedded(metadata, extra)
    )  # fmt: skip
