"""Small dumps for tests, and a slow reader that shares nothing with the fast one."""

from __future__ import annotations

from pathlib import Path

from dbaudit.dump.index import DumpIndex, read_counts, read_layout
from dbaudit.dump.source import Dump, open_dump

HEAD = b"""-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version\t10.11.19-MariaDB-0+deb12u1

/*!40101 SET NAMES utf8mb4 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;
"""
FOOT = b"/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;\n\n-- Dump completed on 2024-01-01  0:00:00\n"


def table(name: str, *inserts: bytes, columns: str = "`id` int NOT NULL, `v` longblob") -> bytes:
    """A table as mysqldump writes it; `inserts` are what follows `INSERT INTO name `, without the semicolon."""
    create = f"DROP TABLE IF EXISTS `{name}`;\nCREATE TABLE `{name}` (\n  " + columns.replace(", ", ",\n  ")
    lines = [f"{create}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;\nLOCK TABLES `{name}` WRITE;\n".encode()]
    lines += [b"INSERT INTO `%s` %s;\n" % (name.encode(), insert) for insert in inserts]
    return b"".join((*lines, b"UNLOCK TABLES;\n"))


def opened(folder: Path, data: bytes, name: str = "shop.sql") -> Dump:
    """A file with these bytes, opened."""
    (folder / name).write_bytes(data)
    return open_dump(str(folder / name), folder)


def both(dump: Dump) -> DumpIndex:
    """The index with rows, after making sure that both depths agree on everything else."""
    layout, counts = read_layout(dump), read_counts(dump)
    assert places(layout) == places(counts)
    assert (layout.complete, layout.defect, layout.size) == (counts.complete, counts.defect, counts.size)
    assert layout.last_whole_table == counts.last_whole_table
    return counts


def places(index: DumpIndex) -> list[tuple[object, ...]]:
    """What an index says but for rows."""
    return [
        (entry.name, table.name, table.create, table.start, table.end, table.data_bytes)
        for entry in index.databases
        for table in entry.tables
    ] + [(each.name, each.views, each.triggers, each.routines, each.events) for each in index.databases]


def rows_of(index: DumpIndex, database: str | None = None) -> dict[str, int | None]:
    """Rows by table."""
    return {table.name: table.rows for table in index.database(database).tables}


def slow_statements(data: bytes) -> list[bytes]:
    """The statements of a file with the delimiter `;`, found byte by byte, without their delimiter."""
    found, now, place = [], bytearray(), 0
    while place < len(data):
        end = _token_end(data, place)
        if data[place : place + 1] == b";":
            found.append(bytes(now))
            now = bytearray()
        elif not (data[place : place + 1] in b"#-/" and end > place + 1):
            now += data[place:end]
        place = end
    return [each.strip(b" \r\n\t") for each in found if each.strip(b" \r\n\t")]


def _token_end(data: bytes, place: int) -> int:
    mark = data[place : place + 1]
    if mark in (b"'", b'"', b"`"):
        at = place + 1
        while at < len(data) and data[at : at + 1] != mark:
            at += 2 if data[at : at + 1] == b"\\" and mark != b"`" else 1
        return at + 1
    if mark == b"#" or (mark == b"-" and data[place + 1 : place + 2] == b"-" and data[place + 2 : place + 3] <= b" "):
        end = data.find(b"\n", place)
        return len(data) if end < 0 else end
    if data[place : place + 2] == b"/*" and data[place + 2 : place + 3] != b"!":
        end = data.find(b"*/", place + 2)
        return len(data) if end < 0 else end + 2
    return place + 1


def slow_rows(statement: bytes) -> int:
    """Rows of an INSERT ... VALUES, counted by depth of parens."""
    at, depth, rows = statement.upper().index(b"VALUES") + 6, 0, 0
    while at < len(statement):
        mark = statement[at : at + 1]
        rows += mark == b"(" and depth == 0
        depth += {b"(": 1, b")": -1}.get(mark, 0)
        if depth == 0 and mark.isalpha():
            break
        at = _token_end(statement, at)
    return rows
