"""Partitions are printed with and without backticks and engine.

`PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (10) ENGINE = InnoDB)`: MySQL 5.x.
``PARTITION BY RANGE (`a`) (PARTITION `p0` VALUES LESS THAN (10) ENGINE = InnoDB)``: MariaDB and MySQL 8.
"""

from __future__ import annotations

import re
from dataclasses import replace

from dbaudit.schema.model import Table
from dbaudit.schema.text import STRING

_NOISE = re.compile(rf"(?P<keep>{STRING})|`| ENGINE ?= ?\w+| (?=[,)])|(?<=[(,]) ", re.IGNORECASE)


def table(table: Table) -> Table:
    """Takes backticks, the repeated engine and blanks beside brackets off."""
    if table.partitions is None:
        return table
    return replace(table, partitions=_NOISE.sub(lambda match: match["keep"] or "", table.partitions))
