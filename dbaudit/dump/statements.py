"""A dump taken apart into statements, one after the other, in bounded memory.

`Reader.read` gives Statement and Comment values in the order of the file. INSERT statements take a fast path
(`dump.inserts`) where that is certain; everything else is walked token by token. It knows where statements end,
and no more than that about what they mean.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO

from dbaudit.dump import inserts
from dbaudit.dump.tokens import BLANK, INSIDE, SANDBOX, code_until

# Bytes read at a time. Smaller costs speed (each read copies the unread rest), larger only memory.
BLOCK = 4 << 20
# A statement up to this many bytes is kept whole; of a longer one only the head is, and memory stays bounded.
KEEP = 64 << 20
# Bytes that are walked and counted at a time; what a step takes apart needs some ten times its size.
STEP = 1 << 20
HEAD_KEPT = 64 << 10
# The longest INSERT that is searched for its end of line; mysqldump's own limit is 16 MiB but for single huge rows.
LINE = 16 << 20

_FAST = (b"INSERT INTO `", b"INSERT IGNORE INTO `", b"INSERT  IGNORE INTO `", b"REPLACE INTO `")
_DATA = re.compile(rb"(?:INSERT|REPLACE)\b", re.I)
_DELIMITER = re.compile(rb"delimiter[ \t]+([^\s]+)[^\n]*+\n?", re.I)
_CLIENT = re.compile(
    rb"(?:\\[^\s][^\n]*+|(?:source|system|tee|notee|pager|nopager|edit|ego|print|prompt|connect|rehash|charset|"
    rb"exit|quit|go|clear|nowarning|warnings|status|resetconnection)(?:[ \t][^\n]*+|[ \t]*;?)(?=\r?\n|\r?\Z))",
    re.I,
)
# The `;` behind the last row of several lines. It comes first: what a pattern begins with is searched by memchr.
_LAST_ROW = re.compile(rb";(?<=\);)(?=\r?\n)")
_COMMENT = re.compile(rb"(?:--(?=[\x00-\x20]|\Z)|\#)[^\n]*+\n?|/\*(?!M?!)(?:[^*]++|\*(?!/))*+\*/", re.S)


class Depth(Enum):
    """How closely INSERT statements are looked at."""

    LAYOUT = "where they are"
    COUNTS = "how many rows they hold"
    TEXT = "their text"


class Kind(Enum):
    """What the reader knows of a statement."""

    DATA = "INSERT or REPLACE"
    CLIENT = "a command to the client, which ends with its line"
    OTHER = "any other"


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement at [start, end) of the stream, its delimiter included in the range and not in `text`.

    `text` is the whole statement, or its head when `whole` is False (data at depth layout and counts, and what is
    longer than KEEP). `rows` is None when not counted or not countable; `closed` False when the file ends in it.
    """

    start: int
    end: int
    text: bytes
    kind: Kind = Kind.OTHER
    whole: bool = True
    rows: int | None = None
    closed: bool = True


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment between statements."""

    start: int
    text: bytes


class Reader:
    """Reads one part of a dump; `offset` is the place of its first byte in the whole dump."""

    def __init__(self, stream: BinaryIO, depth: Depth, offset: int = 0, delimiter: bytes = b";") -> None:
        self._stream, self._depth = stream, depth
        self._buffer, self._pos, self._base = b"", 0, offset
        self._eof = self._begun = False
        self.delimiter = delimiter

    @property
    def position(self) -> int:
        """The offset of the next byte that has not been given out."""
        return self._base + self._pos

    def _fill(self) -> bool:
        """Read one more block behind the unread bytes. False at the end of the stream.

        A plain file gives the unread bytes once more, which is cheaper than joining two pieces.
        """
        unread = len(self._buffer) - self._pos
        data = b"" if self._eof else self._read(unread)
        if len(data) <= unread:
            self._eof = True
            return False
        self._base += self._pos
        self._buffer, self._pos = data, 0
        return True

    def _read(self, unread: int) -> bytes:
        if unread and self._stream.seekable():
            self._stream.seek(-unread, os.SEEK_CUR)
            return self._stream.read(unread + BLOCK)
        data = self._stream.read(BLOCK)
        return self._buffer[self._pos :] + data if unread else data

    def read(self) -> Iterator[Statement | Comment]:
        """Every statement and every comment between them. Raises DamagedArchive where the file does."""
        while True:
            self._skip_blank()
            if len(self._buffer) - self._pos < 256 and self._fill():
                continue
            if self._pos >= len(self._buffer):
                return
            item = (self._insert() if self._at_fast() else None) or self._between() or self._walk()
            if not isinstance(item, Statement) or item.text or item.end - item.start > len(self.delimiter):
                yield item

    def _skip_blank(self) -> None:
        if not self._begun:
            self._begun = True
            self._pos = 3 if self._fill() and self._buffer.startswith(b"\xef\xbb\xbf") else 0
        while True:
            match = BLANK.match(self._buffer, self._pos)
            self._pos = match.end() if match else self._pos
            if self._pos < len(self._buffer) or not self._fill():
                return

    def _at_fast(self) -> bool:
        return self.delimiter == b";" and self._buffer.startswith(_FAST, self._pos)

    def _insert(self) -> Statement | None:
        """An INSERT that ends with its line, if that is certain."""
        end = self._line_end()
        if end < 0:
            return None
        buffer, start = self._buffer, self._pos
        head = inserts.HEAD.match(buffer, start, min(end, start + HEAD_KEPT))
        values = inserts.VALUES.match(buffer, head.end()) if head else None
        if values is None:
            return None
        rows = None
        last = end - 1  # the delimiter's place
        if self._depth is Depth.COUNTS:
            rows = inserts.count_line(buffer, values.end(), last)
            if rows is None:
                return None
        elif (
            not (inserts.ends_its_line(buffer, values.end(), last) and inserts.NEXT.match(buffer, end))
            and inserts.count_line(buffer, values.end(), last) is None
        ):
            return None
        whole = self._depth is Depth.TEXT
        text = buffer[start : last if whole else values.end()]
        self._pos = end
        return Statement(self._base + start, self._base + end, text, Kind.DATA, whole, rows)

    def _line_end(self) -> int:
        """Behind the `;` that ends the line, or that ends the last row where rows have lines of their own; or -1."""
        while True:
            end = self._buffer.find(b"\n", self._pos)
            if end >= 0:
                carriage = self._buffer[end - 1] == 13
                if self._buffer[end - 1 - carriage] == 59:
                    return end - carriage
                last = _LAST_ROW.search(self._buffer, end)
                if last is not None:
                    return last.end()
            if len(self._buffer) - self._pos > LINE or not self._fill():
                return -1

    def _between(self) -> Statement | Comment | None:
        """A comment, a DELIMITER line, or a client's command, when one stands at the position."""
        while True:
            buffer, start = self._buffer, self._pos
            for pattern in (SANDBOX, _COMMENT, _DELIMITER, _CLIENT):
                match = pattern.match(buffer, start)
                if match:
                    break
            if match is None or match.end() < len(buffer) or not self._fill():
                break
        if match is None:
            return None
        self._pos = match.end()
        if pattern is _CLIENT:
            return Statement(self._base + start, self._base + self._pos, match[0], Kind.CLIENT)
        if pattern is _DELIMITER:
            self.delimiter = match[1]
        return Comment(self._base + start, match[0])

    def _walk(self) -> Statement:
        return _Walk(self).run()


class _Walk:
    """One statement token by token, from the reader's position, in blocks."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._start = reader.position
        self._place = 0  # of the next byte to look at, from the reader's position
        self._dropped = 0  # bytes of the statement that are no longer in the buffer
        self._head = b""
        is_data = reader.delimiter == b";" and _DATA.match(reader._buffer, reader._pos) is not None
        self._kind = Kind.DATA if is_data else Kind.OTHER
        counting = is_data and reader._depth is Depth.COUNTS
        self._counter = inserts.RowCounter() if counting else None

    def run(self) -> Statement:
        """The statement; the reader stands behind it."""
        reader = self._reader
        pattern, delimiter = code_until(reader.delimiter), reader.delimiter
        while True:
            start = reader._pos + self._place
            match = pattern.match(reader._buffer, start, start + STEP)
            at = match.end() if match else start
            if at == start and (match := pattern.match(reader._buffer, start)):
                at = match.end()  # one token longer than a step, or none
            self._seen(start, at)
            if reader._buffer.startswith(delimiter, at):
                return self._finish(at, len(delimiter), True)
            if at > start and start + STEP < len(reader._buffer):
                continue
            if len(reader._buffer) - at < 4 + len(delimiter) and self._more():
                continue
            if at >= len(reader._buffer):
                return self._finish(at, 0, False)
            if not self._inside(at):
                return self._finish(len(reader._buffer), 0, False)

    def _seen(self, start: int, end: int) -> None:
        """Bytes [start, end) of the buffer are whole tokens."""
        if self._counter and end > start:
            self._counter.feed(self._reader._buffer[start:end])
        self._place = end - self._reader._pos

    def _inside(self, at: int) -> bool:
        """Walk to the end of a token that is longer than the buffer. False when the file ends in it."""
        reader = self._reader
        mark = reader._buffer[at : at + 1]
        if mark == b"-":
            mark = b"#" if reader._buffer[at + 1 : at + 2] == b"-" else b""
        elif mark == b"/":
            mark = b"*" if reader._buffer[at + 1 : at + 2] == b"*" else b""
        closing = {b"#": b"\n", b"*": b"*/"}.get(mark, mark)
        self._place += 2 if mark == b"*" else 1
        if mark not in INSIDE:
            return True
        while True:
            match = INSIDE[mark].match(reader._buffer, reader._pos + self._place)
            self._place = (match.end() if match else 0) - reader._pos
            if reader._buffer.startswith(closing, reader._pos + self._place):
                self._place += len(closing)
                return True
            if not self._more():
                return mark == b"#"

    def _more(self) -> bool:
        """Read on; forget what lies behind when the statement has become too long to keep."""
        reader = self._reader
        limit = KEEP if self._kind is Kind.OTHER or reader._depth is Depth.TEXT else BLOCK
        if self._place > limit:
            self._head = self._head or reader._buffer[reader._pos : reader._pos + HEAD_KEPT]
            self._dropped += self._place
            reader._pos += self._place
            self._place = 0
        return reader._fill()

    def _finish(self, at: int, delimiter: int, closed: bool) -> Statement:
        reader = self._reader
        kept = reader._buffer[reader._pos : at]
        whole = not self._dropped
        if whole and self._kind is Kind.DATA and reader._depth is not Depth.TEXT:
            kept, whole = kept[:HEAD_KEPT], False
        reader._pos = at + delimiter
        rows = self._counter.rows if self._counter else None
        text = kept if not self._dropped else self._head
        return Statement(self._start, reader.position, text, self._kind, whole, rows, closed)
