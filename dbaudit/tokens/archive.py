"""The file that keeps rows before they go: chunks, each safe on disk before its rows are deleted.

`.sql` and `.sql.gz` hold INSERTs, every other name JSON lines; a name that ends in `.gz` is gzipped, a member a chunk.
After a kill the last chunk may hold rows that were not deleted: `mend` takes them out, so that none is there twice.
Only one connection may work into an archive, since what was rolled back is cut off at the end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

from dbaudit.errors import BusyError, DbauditError
from dbaudit.tokens.chunk import Rows
from dbaudit.tokens.record import JSON, SQL, Row

# A gzip member's header with one extra field: `DA`, four bytes, the length of the whole member. So chunks can be
# found from the beginning without unpacking one.
_HEAD = struct.Struct("<4sIBBHccHI")
_MAGIC, _EXTRA = b"\x1f\x8b\x08\x04", 8
_FIXED = _HEAD.pack(_MAGIC, 0, 0, 255, _EXTRA, b"D", b"A", 4, 0)[:-4]  # the header up to the length
# How a plain file marks the end of a chunk: a blank that ends its last line, which neither JSON nor SQL minds.
_MARK = b" \n"
_STEP = 1 << 20  # bytes read at a time


class Archive:
    """An open archive, locked against other runs."""

    def __init__(self, path: Path) -> None:
        """Open or make it. Raises DbauditError where it cannot be, BusyError where another run writes to it."""
        self.path = path
        self._form = SQL if path.name.removesuffix(".gz").endswith(".sql") else JSON
        self._packed = path.name.endswith(".gz")
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.open(path, flags, 0o600)
        except OSError as error:
            raise DbauditError(f"the archive {path} cannot be written: {error.strerror}", "name another file") from None
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, self._file)
            if not stat.S_ISREG(os.fstat(self._file).st_mode):
                raise DbauditError(f"the archive {path} is no file", "name a file")
            self._lock()
            size = os.fstat(self._file).st_size
            self._begin, self._end = self._last_member(size) if self._packed else self._last_lines(size)
            self._check()  # what is not ours is refused before anything of it is changed
            os.fchmod(self._file, 0o600)
            if self._end < size:  # what a kill left behind the last whole chunk
                os.ftruncate(self._file, self._end)
                os.fsync(self._file)
            undo.pop_all()
        self.rows = 0
        self._pending: int | None = None  # rows of the chunk of which it is not known whether it goes through
        _sync_folder(path)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BusyError(f"another process writes to the archive {self.path}", "try again") from None

    def close(self) -> None:
        """Close it."""
        os.close(self._file)

    def keep(self, found: Sequence[Rows]) -> None:
        """Append a chunk and return when it is on disk. Raises DbauditError where it cannot be written."""
        self._append(self._form.text(found))
        self._pending = sum(len(each.values) for each in found)

    def settle(self, committed: bool) -> None:
        """The chunk's rows are gone, or they are still there and the chunk is cut off again."""
        if self._pending is not None and committed:
            self.rows += self._pending
        elif self._pending is not None:
            self._cut(self._begin)
        self._pending = None

    def tail(self) -> list[Row]:
        """The rows of the last chunk, which a killed run may not have deleted."""
        if self._begin == self._end:
            return []
        raw = os.pread(self._file, self._end - self._begin, self._begin)
        content = zlib.decompress(raw, 31) if self._packed else raw
        return list(self._form.rows(content.decode()))

    def mend(self, gone: Sequence[Row]) -> None:
        """Write the last chunk again with these rows alone."""
        self._cut(self._begin)
        if gone:
            self._append(self._form.text([Rows(each.table, each.columns, [each.values]) for each in gone]))

    def _append(self, text: str) -> None:
        data = _member(text.encode()) if self._packed else text.encode()[:-1] + _MARK
        self._begin = self._end
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self._end + written)
            os.fsync(self._file)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._begin)
            raise DbauditError(
                f"the archive {self.path} cannot be written: {error.strerror}; nothing of this chunk was deleted",
                "make room, or name another file, and run it again",
            ) from None
        self._end += len(data)

    def _cut(self, at: int) -> None:
        os.ftruncate(self._file, at)
        os.fsync(self._file)
        self._begin = self._end = at

    def _check(self) -> None:
        """Raise DbauditError unless the last whole chunk, and what is cut short behind it, are what is written here."""
        try:
            self.tail()
            if not self._packed:
                self._check_lines(self._end)
        except (DbauditError, zlib.error, UnicodeDecodeError):
            raise self._foreign() from None

    def _check_lines(self, at: int) -> None:
        """The same for plain text from `at` on, where a chunk without its mark begins.

        Whole rows up to the end of the file were not cut short by a kill: somebody wrote them without marks.
        """
        with os.fdopen(os.dup(self._file), "rb") as file:
            for place in (0, at):
                file.seek(place)
                if not self._form.opening.encode().startswith(file.read(len(self._form.opening))):
                    raise self._foreign()
            file.seek(at + len(self._form.head))
            for line in file:
                if line.endswith(b"\n"):
                    self._form.read(line[:-1].decode())
                    if file.peek(1) == b"":
                        raise self._foreign()
                elif not self._form.begun(line.decode(errors="replace")):
                    raise self._foreign()

    def _last_member(self, size: int) -> tuple[int, int]:
        begin = end = 0
        while end < size:
            head = os.pread(self._file, _HEAD.size, end)
            if not _FIXED.startswith(head[: len(_FIXED)]):
                raise self._foreign()
            if len(head) == _HEAD.size:
                length = _HEAD.unpack(head)[-1]
                if length <= _HEAD.size:
                    raise self._foreign()
                if end + length <= size:
                    begin, end = end, end + length
                    continue
            break  # cut short by a kill
        return begin, end

    def _last_lines(self, size: int) -> tuple[int, int]:
        """The same for plain text: between the last two marks."""
        end = self._before(size, size)
        return (self._before(end - len(_MARK), size) if end else 0), end

    def _before(self, at: int, size: int) -> int:
        """The place behind the last mark that ends at or before `at`; 0 where there is none."""
        high = at
        while high > 0:
            low = max(high - _STEP, 0)
            found = os.pread(self._file, high - low, low).rfind(_MARK)
            if found >= 0:
                return low + found + len(_MARK)
            high = low + 1 if low else 0
        return 0

    def _foreign(self) -> DbauditError:
        return DbauditError(f"{self.path} is there already and is no archive of dbaudit's", "name another file")


def _member(content: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    body = packer.compress(content) + packer.flush()
    end = struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)
    length = _HEAD.size + len(body) + len(end)
    return _HEAD.pack(_MAGIC, 0, 0, 255, _EXTRA, b"D", b"A", 4, length) + body + end


def _sync_folder(path: Path) -> None:
    """A new file's name is on disk only when its folder is."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
