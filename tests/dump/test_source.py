"""What may be opened as a dump, and what is told about all else."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
from pathlib import Path

import pytest

from dbaudit.dump.index import read_counts, require_complete
from dbaudit.dump.source import open_dump
from dbaudit.errors import DbauditError
from dbaudit.progress import Progress
from tests.dump.dump_samples import FOOT, HEAD, both, opened, rows_of, table

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SMALL = HEAD + table("t", b"VALUES (1,'a'),(2,'b')") + FOOT
PACK = {"": bytes, "gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "zst": zstd.compress}


@pytest.mark.parametrize("kind", PACK)
def test_every_compression_is_told_by_its_bytes(tmp_path: Path, kind: str) -> None:
    seen: list[Progress] = []
    dump = opened(tmp_path, PACK[kind](SMALL), "dump.of.some.kind")
    assert dump.compression == (kind or None)
    assert rows_of(both(dump)) == {"t": 2}
    read_counts(dump, seen.append)
    assert seen[-1].done == dump.size == seen[-1].total


@pytest.mark.parametrize("kind", [kind for kind in PACK if kind])
def test_truncated_archive_names_the_last_whole_table(tmp_path: Path, kind: str) -> None:
    noise = bytes((i * 7919 >> 3) % 251 for i in range(400_000)).hex().encode()
    whole = HEAD + table("first", b"VALUES (1,'a')") + table("last", *[b"VALUES (1,'%s')" % noise] * 9) + FOOT
    packed = PACK[kind](whole)
    index = both(opened(tmp_path, packed[: len(packed) * 2 // 3], f"t.sql.{kind}"))
    assert not index.complete
    if index.databases and index.size > 1000:  # bz2 and xz give out whole blocks only
        assert index.last_whole_table == "first"
        with pytest.raises(DbauditError, match=r"archive ends before its end mark; the last whole table is first"):
            require_complete(index)


def test_several_gz_members_are_one_dump(tmp_path: Path) -> None:
    half = SMALL.index(b"INSERT")
    packed = gzip.compress(SMALL[:half]) + gzip.compress(SMALL[half:])
    assert rows_of(both(opened(tmp_path, packed))) == {"t": 2}


def test_standard_input_is_spooled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(SMALL))))
    dump = open_dump("-", tmp_path / "spool")
    assert dump.name == "standard input"
    assert rows_of(both(dump)) == {"t": 2}
    assert dump.path is not None
    assert dump.path.parent == tmp_path / "spool"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (gzip.compress(b""), "holds an empty file"),
        (b"\x7fELF\x02\x01\x01" + bytes(100), "is a program"),
        (b"PK\x03\x04" + bytes(100), "zip archive"),
        (gzip.compress(b"\0" * 257 + b"ustar" + bytes(300)), "tar archive"),
        (bytes(range(256)) * 8, "it is binary"),
        (gzip.compress(SMALL)[:12], "archive"),
        (SMALL.decode().encode("utf-16"), "UTF-16"),
        (SMALL.decode().encode("utf-16-le"), "UTF-16"),
        (b"Dear Sir or Madam,\n" * 40, "no statement of one is in it"),
    ],
    ids=["empty", "empty-gz", "elf", "zip", "tar", "binary", "cut-gz", "utf-16", "utf-16-le", "letter"],
)
def test_no_dump(tmp_path: Path, data: bytes, told: str) -> None:
    with pytest.raises(DbauditError, match=told) as caught:
        require_complete(read_counts(opened(tmp_path, data)))
    assert caught.value.hint


def test_absent_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(DbauditError, match="no such file"):
        open_dump(str(tmp_path / "nothing.sql"), tmp_path)
    with pytest.raises(DbauditError, match="no mydumper dump"):
        open_dump(str(tmp_path), tmp_path)


def test_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    index = both(opened(tmp_path, b"\xef\xbb\xbf" + SMALL.replace(b"\n", b"\r\n")))
    assert index.complete
    assert index.server_version == "10.11.19-MariaDB-0+deb12u1"
    assert rows_of(index) == {"t": 2}
