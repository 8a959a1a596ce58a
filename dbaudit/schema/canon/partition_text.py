"""Partitions are printed with and without backticks and engine.

`PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (10) ENGINE = InnoDB)`: MySQL 5.x.
``PARTITION BY RANGE (`a`) (PARTITION `p0` VALUES LESS THAN (10) ENGINE = InnoDB)``: MariaDB and MySQL 8.
`HASH (a+1)`, ``HASH ((`a` + 1))``, ``HASH (`a` + 1)``: the expression by MySQL 5, MySQL 8 and MariaDB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dbaudit.schema.canon._change import changed
from dbaudit.schema.canon._expression import bracketed
from dbaudit.schema.model import Table
from dbaudit.schema.text import STRING, balanced

_NOISE = re.compile(rf"(?P<keep>{STRING})|`| ENGINE ?= ?\w+| (?=[,)])|(?<=[(,]) ", re.IGNORECASE)
_BY = re.compile(r"\b(?:HASH|RANGE|LIST) (?=\()", re.IGNORECASE)


def table(table: Table) -> Table:
    """Takes backticks, the repeated engine, brackets and blanks beside them off."""
    if table.partitions is None:
        return table
    text = _NOISE.sub(lambda match: match["keep"] or "", table.partitions)
    return changed(table, partitions="".join(_pieces(text)))


def _pieces(text: str) -> Iterator[str]:
    """The text with its expressions in their one form."""
    place = 0
    for match in _BY.finditer(text):
        end = balanced(text, match.end())
        inside = bracketed(text[match.end() + 1 : end - 1]) if end > 0 else None
        if inside is not None:
            yield f"{text[place : match.end()]}({inside})"
            place = end
    yield text[place:]
