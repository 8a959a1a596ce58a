"""A full ordered dump of a schema: definitions, and every row with its values in hex and NULL told from everything."""

from __future__ import annotations

import contextlib

from dbaudit.server.server import Server


def dump(server: Server, schema: str) -> list[str]:
    """Lines that are equal only where the contents are."""
    lines: list[str] = []
    with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() "
                       "ORDER BY TABLE_NAME, ORDINAL_POSITION")  # fmt: skip
        tables: dict[str, list[str]] = {}
        for table, column in cursor.fetchall():
            tables.setdefault(str(table), []).append(str(column))
        for table in tables:
            cursor.execute(f"SHOW CREATE TABLE `{table}`")
            lines.append(str((cursor.fetchone() or ("", ""))[1]))
        cursor.execute(" UNION ALL ".join(f"({_rows(*each)})" for each in tables.items()))
        lines += sorted(f"{table}: {row}" for table, row in cursor.fetchall())
    return lines


def _rows(table: str, columns: list[str]) -> str:
    values = ", ".join(f"IFNULL(HEX(CAST(`{column}` AS BINARY)), 'NULL')" for column in columns)
    return f"SELECT '{table}', CONCAT_WS(' ', {values}) FROM `{table}`"  # a row is one value to read, not forty
