"""Names of charsets and collations, and which collation a charset has when none is named."""

from __future__ import annotations

from dbaudit.schema.model import Column, Table

# What `CHARSET=x` without COLLATE means in every server's SHOW CREATE TABLE. MySQL 8 changed the default of
# utf8mb4 to utf8mb4_0900_ai_ci, and MariaDB 11.5 that of all Unicode charsets, but both then always print
# COLLATE.
_OTHERS = {
    "big5": "big5_chinese_ci", "binary": "binary", "cp932": "cp932_japanese_ci", "dec8": "dec8_swedish_ci",
    "eucjpms": "eucjpms_japanese_ci", "euckr": "euckr_korean_ci", "gb18030": "gb18030_chinese_ci",
    "gb2312": "gb2312_chinese_ci", "gbk": "gbk_chinese_ci", "hp8": "hp8_english_ci", "latin1": "latin1_swedish_ci",
    "latin5": "latin5_turkish_ci", "sjis": "sjis_japanese_ci", "swe7": "swe7_swedish_ci", "tis620": "tis620_thai_ci",
    "ujis": "ujis_japanese_ci",
}  # fmt: skip


def alias(name: str | None) -> str | None:
    """The charset or collation by its old name: `utf8mb3` is `utf8`."""
    if name is not None and name.startswith("utf8mb3"):
        return "utf8" + name[len("utf8mb3") :]
    return name


def default_collation(charset: str) -> str:
    """The collation that a charset stands for when none is printed."""
    return _OTHERS.get(charset, f"{charset}_general_ci")


def charset_of(collation: str) -> str:
    """The charset of a collation."""
    return collation.partition("_")[0]


def of_table(table: Table) -> tuple[str | None, str | None]:
    """The charset and collation that columns of the table inherit, by their old names."""
    return _pair(table.charset, table.collation)


def of_column(table: Table, column: Column) -> tuple[str | None, str | None]:
    """The charset and collation that a column has, inherited or its own, by their old names."""
    if column.charset is None and column.collation is None:
        return of_table(table)
    return _pair(column.charset, column.collation)


def _pair(charset: str | None, collation: str | None) -> tuple[str | None, str | None]:
    charset, collation = alias(charset), alias(collation)
    if charset is None and collation is not None:
        charset = charset_of(collation)
    if charset is not None and collation is None:
        collation = default_collation(charset)
    return charset, collation
