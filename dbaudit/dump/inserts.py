"""INSERT statements at speed: whether one ends where its line ends, and how many rows it holds.

Two proofs, both over C loops of bytes methods. Where one cannot be had the answer is "not sure" (False, None) and the
caller walks the statement token by token, which is four times slower and always right.
"""

from __future__ import annotations

import re

from dbaudit.dump.tokens import IDENT, NOT_CODE

_BLANK = rb"(?:\s|/\*(?!M?!)[^*]*+\*/)"
# Everything up to the first row. Group 1 schema, 2 table, 3 columns.
HEAD = re.compile(
    rb"(?:INSERT|REPLACE)" + _BLANK + rb"++(?:(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY|IGNORE)" + _BLANK + rb"++)*+"
    rb"(?:INTO" + _BLANK + rb"++)?(?:(" + IDENT + rb")\s*+\.\s*+)?(" + IDENT + rb")" + _BLANK + rb"*+"
    rb"(?:\(([^()'\"\#*]*+)\)" + _BLANK + rb"*+)?",
    re.I,
)  # fmt: skip
VALUES = re.compile(rb"VALUES?" + _BLANK + rb"*+(?=\()", re.I)
# What a mysqldump line goes on with after an INSERT; anything else makes the fast proof give up.
NEXT = re.compile(
    rb"\r?\n?(?:(?:INSERT|REPLACE|UNLOCK|LOCK|CREATE|DROP|COMMIT|SET|USE|ALTER)\s"
    rb"|/\*!\d{5,6} (?:ALTER|SET|DROP|CREATE|COMMIT)\s)",
    re.I,
)
_DELETE = bytes(byte for byte in range(256) if byte not in b"'()\"`#;*=\\Gg")
_ODD = re.compile(rb"[\"`#;=\\Gg]|\*|--")


def ends_its_line(buffer: bytes, start: int, end: int) -> bool:
    """Whether no string of the rows in buffer[start:end] is open at `end`, `start` being the first row's paren.

    Sound because: a `"` outside a string cannot follow a backslash, so when every `"` does, only `'` opens strings;
    without `#`, `/*`, `` ` `` and `;` nothing else hides a quote but a `--` comment, which ends with its line: on the
    last line NEXT sees that the statement goes on. So the last line begins in code or in a string, and a quote of it
    that can only close tells which. Where it has none, all quotes are counted.
    """
    if any(buffer.find(mark, start, end) >= 0 for mark in (b";", b"#", b"*", b"`")):
        return False
    if _BARE.search(buffer, start, end):
        return False
    line = buffer.rfind(b"\n", start, end) + 1
    found = _closes_last(buffer, max(start, line), end)
    if found is not None:
        return found
    if line and buffer.find(b"--", start, end) >= 0:
        return False  # a comment that ends within may hold a quote
    return not _quotes(buffer[start:end]) % 2


def _closes_last(buffer: bytes, start: int, end: int) -> bool | None:
    """Whether no string is open behind the last quote in buffer[start:end]; None where that cannot be told.

    Looks for a quote near the end that can only close a string, by what stands before it; each quote behind that one
    opens or closes in turn.
    """
    behind, place = 0, end
    while behind < 40 and (quote := buffer.rfind(b"'", start, place)) >= 0:
        place = quote
        while place > start and buffer[place - 1] == 92:
            place -= 1
        if (quote - place) % 2:
            continue  # it is escaped, so a string's content
        if place < quote or _CLOSING.search(buffer, max(start, quote - 80), quote):
            return not behind % 2
        behind += 1
    return None


# A `"` that no backslash precedes. The mark comes first: a pattern that begins with a literal is searched by memchr.
_BARE = re.compile(rb'"(?<!\\")')
# Behind it no string can open, which needs a comma, a paren, a blank, an operator, or a word: an introducer (`x'`,
# `_utf8mb4'`) or a keyword, none of which holds a digit without beginning with `_`.
_CLOSING = re.compile(rb"(?:[\]}?.:]|[^0-9A-Za-z_$\x80-\xff][A-Za-z]*+[0-9][0-9A-Za-z]*+)\Z")


def _quotes(rows: bytes) -> int:
    """How many quotes in `rows` are not escaped."""
    return rows.replace(b"\\\\", b"").replace(b"\\'", b"").count(b"'")


def count_line(buffer: bytes, start: int, end: int) -> int | None:
    """Rows in buffer[start:end], from the first row's paren to the last row's; None where that is not certain.

    Escaped quotes are cut out first; then every `'` changes between inside and outside, given that the outside holds
    nothing else that opens a string or a comment, which is looked at last.
    """
    rows = buffer[start:end]
    if b"\\" in rows:
        rows = rows.replace(b"\\\\", b"").replace(b"\\'", b"")
    if rows.count(b"'") * 32 > len(rows) and b"--" not in rows:
        # Two quotes side by side change nothing for what is around them.
        rows = rows.translate(None, _DELETE).replace(b"''", b"")
    pieces = rows.split(b"'")
    if not len(pieces) % 2:
        return None
    outside = b"".join(pieces[::2])
    if _ODD.search(outside):
        return None
    opened = outside.count(b"(")
    if opened != outside.count(b")") or _NESTED.search(outside):
        return None
    return opened


_NESTED = re.compile(rb"\([^()]*+\(|\A[^(]*+\)|\([^()]*+\)[^()]*+\)")
_PAREN = re.compile(rb"[()]")
_WORD = re.compile(rb"[A-Za-z]")
_FIRST = re.compile(rb"\bVALUES?\b\s*+(?=\(|\Z)|\b(SET|SELECT|TABLE|WITH)\b", re.I)


class RowCounter:
    """Counts the rows of one INSERT that arrives in pieces, each a run of whole tokens outside strings."""

    def __init__(self) -> None:
        self._opened = 0
        self._listed = True
        self._head: bytes | None = b""
        self._depth = 0
        self._over = False

    @property
    def rows(self) -> int | None:
        """The rows so far; None when the statement does not list them (INSERT ... SELECT, VALUES ROW())."""
        return self._opened if self._listed and self._head is None else None

    def feed(self, code: bytes) -> None:
        """Take the next run of whole tokens."""
        outside = NOT_CODE.sub(b" ", code)
        if self._head is not None:
            self._head += outside
            found = _FIRST.search(re.sub(rb"\([^()]*+\)(?=\s*+(?:VALUE|SELECT|SET))", b"", self._head, flags=re.I))
            if found is None or (not found[1] and found.end() == len(found.string)):
                return
            outside, self._head = found.string[found.end() :], None
            if found[1]:
                self._listed, self._opened, self._over = found[1].upper() == b"SET", 1, True
        if not self._over:
            self._count(outside)

    def _count(self, outside: bytes) -> None:
        place = 0
        for match in _PAREN.finditer(outside):
            if self._depth == 0 and _WORD.search(outside, place, match.start()):
                self._over = True  # ON DUPLICATE KEY, AS, RETURNING: behind the rows
                return
            place = match.end()
            if match[0] == b"(":
                self._opened += self._depth == 0
                self._depth += 1
            else:
                self._depth -= 1
        self._over = self._depth == 0 and _WORD.search(outside, place) is not None
