"""Compressed files as streams of what was compressed, each by the fastest well-kept binding.

An archive that was cut gives everything up to the cut, then its binding's error; which one is the caller's to know.
"""

from __future__ import annotations

import bz2
import io
import lzma
import sys
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

_MAGIC = (
    (b"\x1f\x8b", "gz"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bz2"),
    (b"\x28\xb5\x2f\xfd", "zst"),
)
# Bytes that are read at once when a damaged archive is gone through again.
_BLOCK = 1 << 16


def compression_of(head: bytes) -> str | None:
    """Which compression a file has, by its first bytes; None for plain text."""
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)


def decompressed(raw: io.RawIOBase, compression: str | None, path: str) -> BinaryIO:
    """What `raw` holds, decompressed; `path` is where it can be opened once more."""
    below = cast(BinaryIO, raw)
    if compression == "gz":
        return cast(BinaryIO, _Gzip(below, path))
    if compression == "xz":
        return cast(BinaryIO, lzma.open(below))
    if compression == "bz2":
        return cast(BinaryIO, bz2.open(below))
    return _zstd(below) if compression == "zst" else below


def _zstd(raw: BinaryIO) -> BinaryIO:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return cast(BinaryIO, zstd.open(raw))


class _Gzip(io.RawIOBase):
    """A gz archive by isal's threaded reader, which is twice as fast as zlib but drops what it holds when it fails.

    Then the archive is gone through again by zlib, up to the damage, so that the last whole table can be named.
    """

    def __init__(self, below: BinaryIO, path: str) -> None:
        from isal import igzip_threaded

        fast = igzip_threaded.open(below, "rb", threads=1)  # type: ignore[no-untyped-call]  # isal leaves it untyped
        self._fast = cast(BinaryIO, fast)
        self._path, self._given = path, 0
        self._rest: Iterator[bytes] | None = None
        self._piece = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._rest is None:
            try:
                data = self._fast.read(size)
            except Exception as error:  # noqa: BLE001 - told again behind what can still be read
                self._rest = self._again(error)
            else:
                self._given += len(data)
                return data
        if not self._piece:
            self._piece = next(self._rest)
        data, self._piece = (self._piece, b"") if size < 0 else (self._piece[:size], self._piece[size:])
        return data

    def _again(self, error: Exception) -> Iterator[bytes]:
        """What comes after the bytes that were given, as far as it goes; then the error."""
        skip = self._given
        for piece in _pieces(self._path):
            if len(piece) > skip:
                yield piece[skip:]
            skip = max(0, skip - len(piece))
        raise error

    def close(self) -> None:
        if not self.closed:
            self._fast.close()
        super().close()


def _pieces(path: str) -> Iterator[bytes]:
    """The archive's content up to its first damage; archives may follow each other in one file."""
    member = zlib.decompressobj(wbits=31)
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            while block:
                try:
                    yield member.decompress(block)
                except zlib.error:
                    return
                block = member.unused_data
                if member.eof:
                    member = zlib.decompressobj(wbits=31)
