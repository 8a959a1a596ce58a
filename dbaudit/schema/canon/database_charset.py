"""A database's charset is spelled like a table's: utf8mb3 for utf8, and the default collation named or not.

`utf8mb3` with `utf8mb3_general_ci`: information_schema of MariaDB 10.6 and MySQL 8; `utf8`: CREATE DATABASE
of older.
"""

from __future__ import annotations

from dataclasses import replace

from dbaudit.schema.canon._charsets import alias, charset_of, default_collation
from dbaudit.schema.model import Schema


def schema(schema: Schema) -> Schema:
    """Keeps the charset by its old name, and the collation only where it is another than the charset's
    own.
    """
    charset, collation = alias(schema.charset), alias(schema.collation)
    if collation is not None:
        charset = charset or charset_of(collation)
        collation = None if collation == default_collation(charset) else collation
    return replace(schema, charset=charset, collation=collation)
