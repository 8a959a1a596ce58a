"""The dump reader under fire: whatever it is given, it answers with an index or with a DbauditError, in time.

Not collected by a plain run; `make soak` runs it. `DBAUDIT_SOAK_SECONDS` is the time for each of the three.
"""

from __future__ import annotations

import gzip
import os
import random
import time
import zlib
from pathlib import Path

import pytest

from dbaudit.dump.index import read_counts, read_layout
from dbaudit.dump.rows import read_rows
from dbaudit.dump.source import open_dump
from dbaudit.errors import DbauditError

SECONDS = float(os.environ.get("DBAUDIT_SOAK_SECONDS", "60"))
SAMPLES = sorted((Path(__file__).resolve().parents[2] / "fixtures" / "dumps").glob("*.sql.gz"))
# Processor seconds for one reading of 200 kB, which takes 0.1: time that grows with the square is a fault too.
PATIENCE = 3
SMALL = b"""-- MySQL dump 10.13  Distrib 5.6.24, for Linux (x86_64)
-- Host: localhost    Database: shop
/*!40101 SET NAMES utf8 */;
CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 DEFAULT CHARACTER SET utf8 */;
USE `shop`;
CREATE TABLE `t` (
  `id` int(11) NOT NULL,
  `v` varchar(20) DEFAULT 'it''s; \\'',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;
LOCK TABLES `t` WRITE;
INSERT INTO `t` VALUES (1,'a;\\'b'),(2,NULL),(3,_binary '\\0\xff'),(4,0x1F);
UNLOCK TABLES;
DELIMITER ;;
CREATE TRIGGER `tr` BEFORE INSERT ON `t` FOR EACH ROW BEGIN SET NEW.v = ';'; END ;;
DELIMITER ;
/*!50001 CREATE VIEW `w` AS SELECT `id` AS `id` FROM `t` */;
-- Dump completed on 2013-05-01  5:00:00
"""
# What dumps are made of: putting one of these anywhere is likelier to hurt than a random byte.
PIECES = [b"'", b"\\", b'"', b"`", b"/*!", b"*/", b"--", b"-- ", b"#", b";", b"\n", b"\0", b"\xff", b"(", b")", b",",
          b"DELIMITER ", b"INSERT INTO `t` VALUES ", b"CREATE TABLE ", b"/*M!", b"_binary ", b"0x", b"\r\n",
          b"USE `x`;\n", b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b"]  # fmt: skip


def read(content: bytes, folder: Path, name: str = "d.sql") -> bool:
    """Read it in every way; whether it was taken for a whole dump. Fails for anything but an answer."""
    path = folder / name
    path.write_bytes(content)
    began, whole = time.process_time(), False
    try:
        for depth in (read_layout, read_counts):
            index = depth(open_dump(str(path), folder))
            whole = index.complete
            for database in index.databases:
                for table in database.tables:
                    assert 0 <= table.start <= table.end <= index.size
                    if depth is read_counts:
                        for _ in read_rows(index, database, table):
                            pass
    except DbauditError:
        pass  # an answer
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what this looks for
        pytest.fail(f"{type(error).__name__}: {error}; the dump is {keep(content, name)}")
    if (took := time.process_time() - began) > PATIENCE:
        pytest.fail(f"{len(content)} bytes took {took:.1f} s; the dump is {keep(content, name)}")
    return whole


def keep(content: bytes, name: str) -> Path:
    """A dump that breaks the reader, for whoever looks into it."""
    kept = Path(os.environ.get("DBAUDIT_SOAK_KEEP", "/tmp")) / f"dbaudit-soak-{zlib.crc32(content):x}-{name}"
    kept.write_bytes(content)
    return kept


def test_truncated_at_every_position(tmp_path: Path) -> None:
    assert read(SMALL, tmp_path)
    taken = [size for size in range(len(SMALL)) if read(SMALL[:size], tmp_path)]
    mark = SMALL.rindex(b"-- Dump completed") + len(b"-- Dump completed")
    assert [size for size in taken if size < mark] == []
    packed = gzip.compress(SMALL, mtime=0)
    assert not [size for size in range(len(packed) - 8) if read(packed[:size], tmp_path, "d.sql.gz")]


def test_random_bytes(tmp_path: Path) -> None:
    seed = int(os.environ.get("DBAUDIT_SOAK_SEED", str(time.time_ns())))
    print(f"seed {seed}")
    chance, end = random.Random(seed), time.monotonic() + SECONDS
    while time.monotonic() < end:
        size = chance.choice((1, 10, 100, 1000, 10000))
        name = chance.choice(("d.sql", "d.sql.gz", "d.sql.xz", "d.sql.zst", "d.sql.bz2"))
        read(chance.randbytes(size), tmp_path, name)
        read(b"".join(chance.choice(PIECES) for _ in range(size // 4 + 1)), tmp_path)


@pytest.mark.parametrize("path", [None, *SAMPLES], ids=lambda path: path.name if path else "small")
def test_mutated_dumps(path: Path | None, tmp_path: Path) -> None:
    seed = int(os.environ.get("DBAUDIT_SOAK_SEED", str(time.time_ns())))
    print(f"seed {seed}")
    chance, end = random.Random(seed), time.monotonic() + SECONDS
    whole = gzip.decompress(path.read_bytes())[:200_000] if path else SMALL
    while time.monotonic() < end:
        content = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 5, 20))):
            if not content:  # all of it was cut away
                break
            at = chance.randrange(len(content))
            match chance.randrange(4):
                case 0:
                    content[at] = chance.randrange(256)
                case 1:
                    content[at:at] = chance.choice(PIECES)
                case 2:
                    del content[at : at + chance.randrange(1, 200)]
                case _:
                    content[at:at] = content[at : at + chance.randrange(1, 2000)]
        read(bytes(content), tmp_path)
