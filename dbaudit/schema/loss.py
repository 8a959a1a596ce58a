"""What a change of a column can lose: a sentence, or nothing. In doubt it is a loss."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dbaudit.schema.canon._charsets import of_column
from dbaudit.schema.model import Column, Table

_TYPE = re.compile(r"(?P<word>\w+)(?:\((?P<inside>.*)\))?(?P<rest>.*)$", re.DOTALL)
_INTEGERS = {"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8}
# Bytes that a text or blob can hold.
_TEXTS = {"tinytext": 255, "text": 65_535, "mediumtext": 16_777_215, "longtext": 4_294_967_295}
_BLOBS = {"tinyblob": 255, "blob": 65_535, "mediumblob": 16_777_215, "longblob": 4_294_967_295}
_WIDEST = 4  # bytes a character takes in utf8mb4
_CHARSETS = {
    ("ascii", "latin1"), ("ascii", "utf8"), ("ascii", "utf8mb4"), ("latin1", "utf8"), ("latin1", "utf8mb4"),
    ("utf8", "utf8mb4"),
}  # fmt: skip
_TEXTUAL = re.compile(r"(?:(?:var)?char|(?:tiny|medium|long)?text|enum|set)\b")


def is_text(column: Column) -> bool:
    """Whether the column has a charset."""
    return _TEXTUAL.match(column.type) is not None


def losses(left: Table, before: Column, right: Table, after: Column) -> Iterator[str]:
    """Sentences about what the column's values may lose on the way from left to right."""
    if before.generated is not None:
        return
    name = f"{left.name}.{before.name}"
    if after.generated is not None:
        yield f"the values of {name} become computed ones"
        return
    if not fits(before.type, after.type):
        yield f"{name} from {before.type} to {after.type} may cut or refuse values"
    if is_text(before) and is_text(after):
        charsets = of_column(left, before)[0], of_column(right, after)[0]
        if charsets[0] != charsets[1] and charsets not in _CHARSETS:
            yield f"{name} from {charsets[0]} to {charsets[1]} may not hold every character"
    if before.null and not after.null:
        yield f"{name} refuses NULL from now on"


def fits(old: str, new: str) -> bool:
    """Whether every value of the one type is a value of the other."""
    if old == new:
        return True
    one, two = _TYPE.match(old), _TYPE.match(new)
    if one is None or two is None:
        return False
    word, other = one["word"], two["word"]
    if word in _INTEGERS and other in _INTEGERS:
        return _integer(word, one["rest"], other, two["rest"])
    length, room = _number(one["inside"]), _number(two["inside"])
    if word in ("char", "varchar", "binary", "varbinary"):
        if other == word or (word in ("char", "varchar") and other == "varchar") or other == f"var{word}":
            return room >= length
        holds = _TEXTS if word in ("char", "varchar") else _BLOBS
        return holds.get(other, -1) >= length * _WIDEST
    for sizes in (_TEXTS, _BLOBS):
        if word in sizes:
            return sizes.get(other, -1) >= sizes[word]
    if word != other or one["rest"].strip() != two["rest"].strip():
        return False
    if word in ("enum", "set"):
        return two["inside"].startswith(one["inside"])
    if word in ("datetime", "timestamp", "time", "bit"):
        return room >= length
    return word == "decimal" and _decimal(one["inside"], two["inside"])


def _integer(word: str, rest: str, other: str, other_rest: str) -> bool:
    unsigned, target = "unsigned" in rest, "unsigned" in other_rest
    if unsigned == target:
        return _INTEGERS[other] >= _INTEGERS[word]
    return unsigned and _INTEGERS[other] > _INTEGERS[word]


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def _decimal(old: str | None, new: str | None) -> bool:
    digits, scale = (_number(part) for part in f"{old or 10},0".split(",")[:2])
    room, finer = (_number(part) for part in f"{new or 10},0".split(",")[:2])
    return finer >= scale and room - finer >= digits - scale
