"""A full ordered dump of a schema: definitions, and every row with its values in hex and NULL told from everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def dump(execute: Callable[..., list[tuple[Any, ...]]]) -> list[str]:
    """Lines that are equal only where the contents are."""
    lines: list[str] = []
    tables = sorted(str(row[0]) for row in execute("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'"))
    for table in tables:
        lines.append(str(execute(f"SHOW CREATE TABLE `{table}`")[0][1]))
        columns = [str(row[0]) for row in execute(f"SHOW COLUMNS FROM `{table}`")]
        values = ", ".join(f"IFNULL(HEX(CAST(`{column}` AS BINARY)), 'NULL')" for column in columns)
        lines += sorted(f"{table}: " + " ".join(map(str, row)) for row in execute(f"SELECT {values} FROM `{table}`"))
    return lines
