"""What a function returns is printed with the width of integers and with charset and collation, or without.

`RETURNS int(11)`, `RETURNS varchar(9) CHARSET utf8`: MySQL 5. `RETURNS int`, `CHARSET utf8mb3`: MySQL 8.
`RETURNS int(11)`, `CHARSET utf8mb3 COLLATE utf8mb3_general_ci`: MariaDB. All else of a routine is its author's text.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from dbaudit.schema.canon._charsets import alias, default_collation
from dbaudit.schema.canon.integer_width import plain
from dbaudit.schema.model import Routine, Schema
from dbaudit.schema.text import STRING, balanced

_RETURNS = re.compile(
    rf"\s*RETURNS\s+(?P<type>\w+(?:\((?:[^()']|{STRING})*\))?(?:\s+unsigned)?(?:\s+zerofill)?)"
    r"(?:\s+(?:CHARSET|CHARACTER\s+SET)\s+(?P<charset>\w+))?(?:\s+COLLATE\s+(?P<collation>\w+))?(?=\s)",
    re.IGNORECASE | re.DOTALL,
)


def schema(schema: Schema) -> Schema:
    """Drops what is the default."""
    routines = {key: _routine(each) for key, each in schema.routines.items()}
    return replace(schema, routines=routines) if routines else schema


@lru_cache(maxsize=1024)  # the same ones come back with each comparison
def _routine(routine: Routine) -> Routine:
    end = balanced(routine.body, 0) if routine.kind == "FUNCTION" and routine.body.startswith("(") else -1
    match = _RETURNS.match(routine.body, end) if end > 0 else None
    if match is None:
        return routine
    type_ = match["type"] if "'" in match["type"] else " ".join(match["type"].lower().split())
    words = [f" RETURNS {plain(type_)}"]
    charset, collation = alias(_lower(match["charset"])), alias(_lower(match["collation"]))
    if charset is not None:
        words.append(f"CHARSET {charset}")
    if collation is not None and collation != default_collation(charset or ""):
        words.append(f"COLLATE {collation}")
    return replace(routine, body=routine.body[:end] + " ".join(words) + routine.body[match.end() :])


def _lower(text: str | None) -> str | None:
    return text.lower() if text else None
