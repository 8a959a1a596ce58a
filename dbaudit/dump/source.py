"""What a dump is on disk: one file, plain or compressed, standard input, or a directory that mydumper wrote.

Everything above reads a dump as a row of parts (one for a file, one for each file of a mydumper directory), and
knows positions as byte offsets into the decompressed parts laid end to end. Compression is told by the first bytes,
never by the name.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from dbaudit.dump.archive import compression_of, decompressed
from dbaudit.errors import DbauditError
from dbaudit.progress import Progress, Watch, silent

# Bytes handed out by a read; large enough that system calls do not show, small enough to stay in the L2 cache.
CHUNK = 1 << 20
_FOREIGN = (
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf", "a 7-zip archive"),
    (b"XBSTCK", "a physical backup (xbstream)"),
    (b"\x7fELF", "a program"),
    (b"PGDMP", "a PostgreSQL archive"),
    (b"SQLite format 3", "an SQLite database"),
)


class DamagedArchive(Exception):
    """The compressed file ends early or is corrupt; the text is for people."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a dump. `database` is the schema that its statements go to, None when the statements say so."""

    path: Path
    size: int
    compression: str | None
    database: str | None = None
    delimiter: bytes = b";"  # that ends its statements until a DELIMITER line says otherwise

    def open(self, watch: Watch = silent, done: int = 0, total: int | None = None) -> BinaryIO:
        """The decompressed bytes from the start; `watch` hears of `done` + the compressed bytes read so far."""
        raw = _Counted(self.path.open("rb", buffering=0))
        told = Watched(watch, done, self.size if total is None else total)
        stream = decompressed(raw, self.compression, str(self.path))
        return cast(BinaryIO, _Told(stream, raw, told, self.compression))


@dataclass(frozen=True, slots=True)
class Metadata:
    """What mydumper's `metadata` says: whether it came to its end, and the rows of each (database, table)."""

    finished: bool
    gtid: str | None
    rows: Mapping[tuple[str, str], int]
    started: str | None = None


@dataclass(frozen=True, slots=True)
class Dump:
    """A dump that can be read as often as wanted. `size` counts bytes on disk, `name` is for people."""

    name: str
    path: Path | None
    size: int
    compression: str | None
    mydumper: bool
    parts: tuple[Part, ...]
    metadata: Metadata | None = None

    def open(self, watch: Watch = silent) -> BinaryIO:
        """All parts end to end, decompressed. Raises DamagedArchive while reading."""
        return cast(BinaryIO, io.BufferedReader(_Joined(self, watch), CHUNK))


@dataclass(frozen=True, slots=True)
class Watched:
    """Who is told how far a file was read: `done` bytes of `total` were read before it."""

    watch: Watch
    done: int
    total: int


class _Counted(io.RawIOBase):
    """A file that knows how far it was read, also by another thread."""

    def __init__(self, file: io.FileIO) -> None:
        self.file, self.count = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.count = self.file.seek(offset, whence)
        return self.count

    def tell(self) -> int:
        return self.file.tell()

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size) or b""
        self.count += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # BufferedReader gives no other buffer
        count = self.file.readinto(buffer) or 0
        self.count += count
        return count

    def close(self) -> None:
        self.file.close()
        super().close()


class _Joined(io.RawIOBase):
    """The parts of a dump as one stream."""

    def __init__(self, dump: Dump, watch: Watch) -> None:
        self._streams = self._open_all(dump, watch)
        self._now: BinaryIO | None = next(self._streams, None)

    @staticmethod
    def _open_all(dump: Dump, watch: Watch) -> Iterator[BinaryIO]:
        done = 0
        for part in dump.parts:
            with part.open(watch, done, dump.size) as stream:
                yield stream
            done += part.size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # BufferedReader gives no other buffer
        while self._now is not None:
            data = self._now.read(len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)
            self._now = next(self._streams, None)
        return 0


class _Told(io.RawIOBase):
    """A part's decompressed bytes. Tells the watch, and turns the many ways in which an archive fails into one."""

    def __init__(self, stream: BinaryIO, below: _Counted, told: Watched, kind: str | None) -> None:
        self._stream, self._below, self._told, self._kind = stream, below, told, kind

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._kind is None

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._stream.read(size)
        except EOFError:
            raise DamagedArchive(f"the {self._kind} archive ends before its end mark") from None
        except Exception as error:  # noqa: BLE001  each binding has error classes of its own (isal, lzma, zstd)
            raise DamagedArchive(f"the {self._kind or 'file'} cannot be read on: {error}") from None
        told = self._told
        told.watch(Progress("read", told.done + self._below.count, told.total))
        return data

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            self._below.close()
        super().close()


def open_dump(operand: str, spool: Path) -> Dump:
    """The dump that `operand` names: a file, a mydumper directory, or `-`, which is first copied into `spool`.

    Raises DbauditError when it is absent, unreadable, empty or no dump.
    """
    if operand == "-":
        return _from_stdin(spool)
    path = Path(operand)
    try:
        if path.is_dir():
            from dbaudit.dump.mydumper import open_directory

            return open_directory(path)
        part = make_part(path)
    except FileNotFoundError:
        raise DbauditError(f"no such file: {operand}", "name a dump file, a mydumper directory, or `-`") from None
    except PermissionError:
        raise DbauditError(f"{operand} cannot be read: permission denied", "run as a user who may read it") from None
    except OSError as error:
        raise DbauditError(f"{operand} cannot be read: {error.strerror}") from None
    return _of_file(operand, part)


def make_part(path: Path, database: str | None = None, delimiter: bytes = b";") -> Part:
    """A part for a file; its compression is read from its first bytes. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(16)
        size = file.seek(0, 2)
    return Part(path, size, compression_of(head), database, delimiter)


def _of_file(name: str, part: Part) -> Dump:
    if part.size == 0:
        raise DbauditError(f"{name} is empty", "the command that wrote it failed; look at its messages")
    _check_text(name, part)
    return Dump(name, part.path, part.size, part.compression, False, (part,))


def _check_text(name: str, part: Part) -> None:
    """Refuse what is no SQL text, by its first bytes; a damaged archive is left to the index, which knows more."""
    try:
        with part.open() as stream:
            head = stream.read(4096)
    except DamagedArchive as error:
        raise DbauditError(f"{name}: {error}", "nothing of it can be read; copy the dump again") from None
    what = foreign(head)
    if what:
        raise DbauditError(f"{name} is not an SQL dump: it is {what}", what_dumps_are())
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or head[1:64:2].count(0) > 20 or head[:64:2].count(0) > 20:
        raise DbauditError(
            f"{name} is UTF-16 text, as a redirection in PowerShell writes it",
            "write the dump with --result-file=FILE instead of `> FILE`, or convert it: iconv -f UTF-16 -t UTF-8",
        )
    if not head:
        raise DbauditError(f"{name} holds an empty file", "the command that wrote it failed; look at its messages")
    if any(byte < 32 and byte not in b"\t\r\n\f" for byte in head[:256]):
        raise DbauditError(f"{name} is not an SQL dump: it is binary", what_dumps_are())


def foreign(head: bytes) -> str | None:
    """What else these first bytes are known to belong to."""
    if head[257:262] == b"ustar":
        return "a tar archive"
    return next((what for magic, what in _FOREIGN if head.startswith(magic)), None)


def what_dumps_are() -> str:
    """The hint of every error about a thing that is no dump."""
    return "a dump is what mysqldump, mariadb-dump or mydumper writes; plain, gz, xz, bz2 or zst"


def _from_stdin(spool: Path) -> Dump:
    spool.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.NamedTemporaryFile(dir=spool, prefix="stdin-", delete=False) as file:
            while data := sys.stdin.buffer.read(CHUNK):
                file.write(data)
    except OSError as error:
        raise DbauditError(f"standard input cannot be kept in {spool}: {error.strerror}") from None
    return _of_file("standard input", make_part(Path(file.name)))
