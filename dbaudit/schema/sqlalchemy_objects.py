"""Columns, tables and indexes of the model as those of SQLAlchemy; None where SQLAlchemy would say something else.

Whether it says the same is not guessed: what it compiles is read back and compared with what was wanted.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.mysql.reflection import ReflectedState
from sqlalchemy.exc import SAWarning, SQLAlchemyError
from sqlalchemy.schema import CreateColumn

from dbaudit.schema.canon import canonical_table
from dbaudit.schema.column import read_column
from dbaudit.schema.definition import sqlalchemy_parser
from dbaudit.schema.model import Column, Index, IndexKind, IndexPart, Table
from dbaudit.schema.render import render_column
from dbaudit.schema.text import name

_DIALECT = mysql.dialect()
# Words that SQLAlchemy prints, as servers print them.
_WORDS = {"integer": "int", "numeric": "decimal", "bool": "tinyint(1)", "real": "double"}


def column(wanted: Column, table: Table) -> sa.Column[Any] | None:
    """The column; None where SQLAlchemy has no words for all of it."""
    found = _column(wanted)
    if found is None or not _says(found, wanted, table):
        return None
    return _column(wanted)  # a new one: the one that was tried belongs to a table already


def _column(wanted: Column) -> sa.Column[Any] | None:
    state = ReflectedState()
    text = render_column(wanted)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SAWarning)
        try:
            sqlalchemy_parser()._parse_column(f"  {text},", state)
        except (SAWarning, SQLAlchemyError, ValueError, TypeError):
            return None
    if not state.columns:
        return None
    read: Any = state.columns[0]
    if read.get("computed"):
        return None
    default = wanted.default
    if default is not None and wanted.on_update:
        default = f"{default} ON UPDATE {wanted.on_update}"
    return sa.Column(
        wanted.name,
        read["type"],
        nullable=wanted.null,
        server_default=sa.text(_escaped(default)) if default is not None else None,
        comment=wanted.comment or None,
        autoincrement=wanted.auto_increment,
    )


def _says(found: sa.Column[Any], wanted: Column, table: Table) -> bool:
    keyed = [sa.PrimaryKeyConstraint(found.name)] if wanted.auto_increment else []
    sa.Table("t", sa.MetaData(), found, *keyed)
    said = str(CreateColumn(found).compile(dialect=_DIALECT)).strip()
    rest = re.sub(r"^(?:`(?:[^`]|``)+`|\S+) ", "", said)
    word = re.match(r"\w+", rest)
    if word is None:
        return False
    lower = word[0].lower()
    read = read_column(f"{name(wanted.name)} {_WORDS.get(lower, lower)}{rest[word.end() :]}".replace("%%", "%"))
    if read.unread:
        return False

    def plain(each: Column) -> Column:
        return canonical_table(replace(table, columns=(each,), indexes=(), foreign_keys=(), checks=())).columns[0]

    return plain(read.column) == plain(wanted)


def _escaped(sql: str) -> str:
    """SQL for sa.text(), which takes `:word` for a parameter."""
    return re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", sql)


def table(wanted: Table) -> sa.Table | None:
    """The table with its primary key, without other keys; None where SQLAlchemy has no words for all of it."""
    if wanted.partitions or wanted.options or wanted.checks or wanted.unsupported:
        return None
    columns = [column(each, wanted) for each in wanted.columns]
    keys = wanted.primary_key
    counted = tuple(each.name for each in wanted.columns if each.auto_increment)
    if any(each is None for each in columns) or (counted and (keys is None or counted != keys.columns)):
        return None
    if keys is not None and keys != Index("PRIMARY", IndexKind.PRIMARY, tuple(map(IndexPart, keys.columns))):
        return None
    options: dict[str, Any] = {
        "mysql_engine": wanted.engine, "mysql_default_charset": wanted.charset, "mysql_collate": wanted.collation,
        "mysql_row_format": wanted.row_format, "comment": wanted.comment or None,
    }  # fmt: skip
    items: list[Any] = [*columns, *([sa.PrimaryKeyConstraint(*keys.columns)] if keys else [])]
    return sa.Table(wanted.name, sa.MetaData(), *items, **{key: value for key, value in options.items() if value})


def index_options(index: Index) -> dict[str, Any] | None:
    """What op.create_index takes besides name, table and columns; None where that does not say all."""
    plain = all(part.column and not part.descending and not part.expression for part in index.parts)
    if not plain or index.comment or not index.visible or index.block_size or index.using:
        return None
    options: dict[str, Any] = {}
    lengths = {str(part.column): part.length for part in index.parts if part.length}
    if lengths:
        options["mysql_length"] = lengths
    if index.kind is IndexKind.FULLTEXT:
        options["mysql_prefix"] = "FULLTEXT"
        if index.parser:
            options["mysql_with_parser"] = index.parser
    elif index.kind not in (IndexKind.PLAIN, IndexKind.UNIQUE):
        return None
    return options
