"""The words of MySQL's SQL, as far as a dump needs them: strings, names, comments, and where a statement ends.

Patterns are possessive (Python 3.11), so that none can backtrack over a large value. This is no SQL parser.
"""

from __future__ import annotations

import re
from functools import lru_cache

_STRING = rb"'(?:[^'\\]++|\\.)*+'"
_DOUBLE = rb'"(?:[^"\\]++|\\.)*+"'
_NAME = rb"`[^`]*+`"
# `--` opens a comment only before a blank or the end; `/*!` and `/*M!` are SQL for some servers, not comments.
_LINE_COMMENT = rb"(?:--(?=[\x00-\x20]|\Z)|\#)[^\n]*+"
_BLOCK_COMMENT = rb"/\*(?!M?!)(?:[^*]++|\*(?!/))*+\*/"
# What is opened and never closed: the rest. Without it, each quote behind it would be tried up to the end again.
_OPEN = rb"(?P<open>['\"`].*+|/\*(?!M?!).*+)"

# What is not code: removed to look at the bare statement, which is of whole tokens. Names are kept by the third.
NOT_CODE = re.compile(rb"|".join((_STRING, _DOUBLE, _NAME, _LINE_COMMENT, _BLOCK_COMMENT)), re.S)
_NOT_CODE_OR_OPEN = re.compile(NOT_CODE.pattern + rb"|" + _OPEN, re.S)
_PIECES = re.compile(
    rb"(" + rb"|".join((_STRING, _DOUBLE, _NAME)) + rb")|(" + rb"|".join((_LINE_COMMENT, _BLOCK_COMMENT)) + rb")"
    rb"|(/\*M?!\d*+ ?|\*/)|" + _OPEN,
    re.S,
)
BLANK = re.compile(rb"[\s\x00]*+")
# An identifier as it is written: quoted by ` (or by "), or bare.
IDENT = rb"(?:`(?:[^`]|``)++`|\"[^\"]++\"|[0-9A-Za-z_$\x80-\xff]++)"
SANDBOX = re.compile(rb"/\*M?!999999\\- enable the sandbox mode \*/[ \t]*;?")
INSIDE = {
    b"'": re.compile(rb"(?:[^'\\]++|\\.)*+", re.S),
    b'"': re.compile(rb'(?:[^"\\]++|\\.)*+', re.S),
    b"`": re.compile(rb"[^`]*+", re.S),
    b"#": re.compile(rb"[^\n]*+", re.S),
    b"*": re.compile(rb"(?:[^*]++|\*(?!/|\Z))*+", re.S),
}


@lru_cache(maxsize=16)
def code_until(delimiter: bytes) -> re.Pattern[bytes]:
    """Matches complete tokens up to the delimiter, to a token that is not closed, or to where more must be read."""
    first, rest = re.escape(delimiter[:1]), re.escape(delimiter[1:])
    short = b"|.{0,%d}\\Z" % (len(delimiter) - 2) if len(delimiter) > 1 else b""
    alternatives = [rb"[^'\"`#/\-" + first + rb"]++", _STRING, _DOUBLE, _NAME]
    for mark, opens in ((b"/", rb"\*|\Z"), (b"-", rb"-(?:[\x00-\x20]|\Z)|\Z"), (delimiter[:1], b"")):
        if mark != delimiter[:1]:
            alternatives.append(re.escape(mark) + rb"(?!" + opens + rb")")
        elif rest:
            not_before = rb"|".join(filter(None, (opens, rest))) + short
            alternatives.append(re.escape(mark) + rb"(?!" + not_before + rb")")
    alternatives += [rb"/\*M?!", _LINE_COMMENT + rb"\n", _BLOCK_COMMENT]
    return re.compile(rb"(?:" + rb"|".join(alternatives) + rb")*+", re.S)


def unwrap(sql: bytes) -> bytes:
    """The statement with the marks of versioned comments removed and plain comments replaced by a blank."""

    def piece(match: re.Match[bytes]) -> bytes:
        return match[1] or match["open"] or (b" " if match[2] else b"")

    return _PIECES.sub(piece, sql).strip()


def code_of(sql: bytes) -> bytes:
    """The statement with as many blanks for strings, names and comments; from one that is not closed, as it is."""
    return _NOT_CODE_OR_OPEN.sub(lambda match: match["open"] or b" " * len(match[0]), sql)


def bare_name(written: bytes) -> str:
    """An identifier without its quotes."""
    if written[:1] in (b"`", b'"'):
        quote = written[:1]
        written = written[1:-1].replace(quote * 2, quote)
    return text(written)


def text(data: bytes) -> str:
    """Bytes of a dump as text; what is not UTF-8 survives a round trip."""
    return data.decode("utf-8", "surrogateescape")
