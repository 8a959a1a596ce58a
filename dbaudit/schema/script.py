"""A schema from a script that `render` wrote: the shipped references and snapshots.

Only for text in that form. Dumps of any other tool are split by `dump`, which knows what a dump may hold.
"""

from __future__ import annotations

import re

from dbaudit.schema.model import Schema
from dbaudit.schema.read import Definitions, read_schema

_CHARSET = re.compile(r"^-- default character set of the database: (\w+)(?: COLLATE (\w+))?$", re.MULTILINE)
_KIND = re.compile(r"CREATE (?:ALGORITHM=\w+ )?(?:SQL SECURITY \w+ )?(\w+)")
_END = re.compile(r";;?\n(?=\n|CREATE |DELIMITER )")


def read_script(text: str) -> Schema:
    """The schema of a rendered script; its database has no name. Raises DbauditError for what cannot be read."""
    charset = _CHARSET.search(text)
    statements = [part.strip() for part in _END.split(text)]
    of: dict[str, list[str]] = {"TABLE": [], "VIEW": [], "TRIGGER": [], "EVENT": []}
    routines: list[str] = []
    for statement in statements:
        statement = statement.removeprefix("DELIMITER ;;\n")
        if statement.startswith("CREATE "):
            match = _KIND.match(statement)
            of.get(match[1] if match else "", routines).append(statement)
    return read_schema(
        None,
        charset[1] if charset else None,
        charset[2] if charset else None,
        of["TABLE"],
        Definitions(of["VIEW"], of["TRIGGER"], routines, of["EVENT"]),
    )
