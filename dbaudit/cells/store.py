"""Rows of several tables, brought together by uuid in a file, since a database may hold millions.

Rows of a dump come in any order; SQLite sorts them on disk, so memory does not grow with their number.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

Part = list[Any]  # a mark of what it is, then whatever JSON can hold
_BATCH = 5_000  # rows put into the file at once


def keep(path: Path, parts: Iterable[tuple[str, Part]]) -> None:
    """Put parts into the file, those of one uuid together."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        for setting in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE", "cache_size = -16000"):
            file.execute(f"PRAGMA {setting}")
        file.execute("CREATE TABLE part (uuid TEXT, body TEXT)")
        file.execute("CREATE TABLE thing (uuid TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID")
        file.execute("BEGIN")
        _fill(file, "part", _written(parts))
        with closing(file.cursor()) as cursor:
            cursor.execute("SELECT uuid, body FROM part ORDER BY uuid")
            _fill(file, "thing", _joined(cursor))
        file.execute("DROP TABLE part")
        file.execute("COMMIT")


def things(path: Path) -> Iterator[tuple[str, list[Part]]]:
    """Every uuid in order, with its parts."""
    with closing(sqlite3.connect(path)) as file:
        for uuid, body in file.execute("SELECT uuid, body FROM thing ORDER BY uuid"):
            yield uuid, json.loads(body)


class Lookup:
    """Finds single things in such a file."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path)

    def find(self, uuid: str) -> list[Part]:
        """The parts of a uuid; none where it is not there."""
        row = self._file.execute("SELECT body FROM thing WHERE uuid = ?", (uuid,)).fetchone()
        return json.loads(row[0]) if row else []

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _written(parts: Iterable[tuple[str, Part]]) -> Iterator[tuple[str, str]]:
    """Parts as text; those of one uuid that come one behind the other, as most do, at once."""
    for uuid, group in groupby(parts, key=itemgetter(0)):
        yield uuid, json.dumps([part for _, part in group], separators=(",", ":"))[1:-1]


def _joined(rows: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for uuid, group in groupby(rows, key=itemgetter(0)):
        yield uuid, f"[{','.join(body for _, body in group)}]"


def _fill(file: sqlite3.Connection, table: str, rows: Iterator[tuple[str, str]]) -> None:
    while batch := list(islice(rows, _BATCH)):
        file.executemany(f"INSERT INTO {table} VALUES (?, ?)", batch)
