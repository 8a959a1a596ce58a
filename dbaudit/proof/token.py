"""What is kept of one value: enough to say how it changed, not what it was.

Numbers, times and choices are kept as they are. Of text only lengths and keyed hashes are kept, so that a password, a
key or a token cannot be read from a manifest; of text that is a JSON object or list, also the names in it.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dbaudit.proof.value import Kind

# Bytes of a hash. Eight make an accidental equality in a table of a million rows a matter of 1 in 10^7.
_HASH = 8
# Characters of JSON beyond which a text is not looked into.
_JSON_LIMIT = 1_000_000
# Names kept of one JSON value.
_JSON_NAMES = 200
_JSON = json.JSONEncoder(separators=(",", ":"), sort_keys=True)
# Values of which the same ones come back in many rows: how many tokens are remembered, of how many characters at most.
_REMEMBERED = 1 << 15
_SHORT = 512

Token = str | None


@dataclass(frozen=True, slots=True)
class Text:
    """A text's token, taken apart. `fold` is the hash of what a collation that ignores case would compare."""

    chars: int
    bytes: int
    questions: int
    digest: str
    fold: str
    json: dict[str, str] | None


def digest(value: str | bytes, key: bytes) -> str:
    """The keyed hash of a value: 16 hex digits."""
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return hashlib.blake2b(data, digest_size=_HASH, key=key).hexdigest()


def token(value: str | None, kind: Kind, key: bytes) -> Token:
    """The token of a canonical value."""
    if value is None or kind not in (Kind.TEXT, Kind.BINARY):
        return value
    if kind is Kind.BINARY:
        return _packed(len(value) // 2, len(value) // 2, 0, digest(bytes.fromhex(value), key), "")
    return text_token(value, key)


def text_token(value: str, key: bytes) -> str:
    """The token of a text."""
    return _short_token(value, key) if len(value) <= _SHORT else _text_token(value, key)


@lru_cache(maxsize=_REMEMBERED)
def _short_token(value: str, key: bytes) -> str:
    return _text_token(value, key)


def _text_token(value: str, key: bytes) -> str:
    own = digest(value, key)
    folded = folded_text(value)
    fold = digest(folded, key) if folded != value else ""
    size = len(value) if value.isascii() else len(value.encode("utf-8", "surrogateescape"))
    packed = _packed(len(value), size, value.count("?"), own, fold)
    if value[:1] in ("{", "[") and len(value) <= _JSON_LIMIT:
        names = json_names(value, key)
        if names is not None:
            return packed + "|" + _JSON.encode(names)
    return packed


def _packed(chars: int, size: int, questions: int, own: str, fold: str) -> str:
    return f"{chars}.{size}.{questions}.{own}.{fold}"


def read_text(packed: str) -> Text:
    """A text's token, taken apart."""
    head, _, names = packed.partition("|")
    chars, size, questions, own, fold = head.split(".")
    return Text(int(chars), int(size), int(questions), own, fold or own, json.loads(names) if names else None)


def folded_text(value: str) -> str:
    """About what collations without case and accents compare: near enough to find keys that they call equal."""
    if value.isascii():
        return value.lower().rstrip(" ")
    plain = unicodedata.normalize("NFKD", value)
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).casefold().rstrip(" ")


def json_names(value: str, key: bytes) -> dict[str, str] | None:
    """Hashes of the leaves of a JSON text by their place (`a.b`, `a[]`); None where it is no JSON."""
    try:
        parsed = json.loads(value)
    except ValueError:
        return None
    found: dict[str, str] = {}
    for place, leaf in _leaves(parsed, ""):
        if len(found) == _JSON_NAMES:
            break
        number = 1
        while place in found:
            number += 1
            place = f"{place.split('#')[0]}#{number}"
        text = json.dumps(leaf)
        found[place] = _short_digest(text, key) if len(text) <= _SHORT else digest(text, key)
    return found


@lru_cache(maxsize=_REMEMBERED)
def _short_digest(value: str, key: bytes) -> str:
    return digest(value, key)


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name in sorted(value):
            yield from _leaves(value[name], f"{place}.{name}" if place else name)
    elif isinstance(value, list) and value:
        for each in value:
            yield from _leaves(each, f"{place}[]")
    else:
        yield place, value
