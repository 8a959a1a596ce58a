"""What follows the closing bracket of a CREATE TABLE: engine, charset, other options and partitions.

SQLAlchemy looks for each option that it knows and drops the others. Here the text is read from left to
right and nothing is dropped: an option without a field in the model goes to `rest`, and what is no option
is reported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dbaudit.schema.text import IDENTIFIER, STRING, unquote, without_marks

_OPTION = re.compile(
    rf"\s*(?:DEFAULT )?(?P<key>DATA DIRECTORY|INDEX DIRECTORY|CHARACTER SET|[A-Z_0-9]+|{IDENTIFIER}) ?= ?"
    rf"(?P<value>{STRING}|{IDENTIFIER}|\([^)]*\)|[^\s,']+)",
    re.IGNORECASE | re.DOTALL,
)
_WORDS = re.compile(
    rf"\s*(?:(?P<versioning>WITH SYSTEM VERSIONING)|TABLESPACE (?P<tablespace>{IDENTIFIER}|\w+)"
    r"(?: STORAGE (?P<storage>DISK|MEMORY))?)",
    re.IGNORECASE,
)
_PARTITIONS = re.compile(r"\s*(PARTITION BY\b.*)", re.IGNORECASE | re.DOTALL)
_FIELDS = {
    "engine": "engine", "type": "engine", "charset": "charset", "character set": "charset",
    "collate": "collation", "row_format": "row_format", "comment": "comment",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TableOptions:
    """The options of a table; `rest` in the order in which they stand, keys in lower case."""

    engine: str | None = None
    charset: str | None = None
    collation: str | None = None
    row_format: str | None = None
    comment: str = ""
    rest: tuple[tuple[str, str], ...] = ()
    partitions: str | None = None
    unread: tuple[str, ...] = ()


def read_options(text: str) -> TableOptions:
    """Reads the options of a table from what follows the bracket; a semicolon at the end is allowed."""
    text = without_marks(text).strip().removesuffix(";").rstrip()
    fields: dict[str, str] = {}
    rest: list[tuple[str, str]] = []
    position = 0
    partitions = None
    while position < len(text):
        partition = _PARTITIONS.match(text, position)
        if partition is not None:
            partitions, position = " ".join(partition[1].split()), len(text)
            break
        match = _OPTION.match(text, position)
        if match is not None:
            key = match["key"].lower()
            value = unquote(match["value"]) if match["value"][0] in "'`" else match["value"]
            if key in _FIELDS:
                fields[_FIELDS[key]] = value
            else:
                rest.append((key, value))
        else:
            match = _WORDS.match(text, position)
            if match is None:
                break
            rest.extend((key, value) for key, value in match.groupdict().items() if value)
        position = match.end()
    return TableOptions(
        engine=fields.get("engine"),
        charset=_lower(fields.get("charset")),
        collation=_lower(fields.get("collation")),
        row_format=fields["row_format"].upper() if "row_format" in fields else None,
        comment=fields.get("comment", ""),
        rest=tuple(rest),
        partitions=partitions,
        unread=(text[position:].strip(),) if text[position:].strip() else (),
    )


def _lower(text: str | None) -> str | None:
    return text.lower() if text else None
