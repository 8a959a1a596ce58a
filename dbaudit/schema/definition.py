"""CREATE TABLE text into a table: one reader for a live SHOW CREATE TABLE, a dump and a shipped reference.

It stands on SQLAlchemy's `MySQLTableDefinitionParser`: its expressions read the lines of keys, foreign keys
and CHECKs. Where they are blind, this goes on: index parts that are expressions or descend, INVISIBLE and
IGNORED, what follows NOT ENFORCED, names behind escaped quotes, all table options and partitions
(SQLAlchemy drops the options that it does not list), and columns (see `column`). A line or a rest of a line
that nothing reads makes the table `unsupported`, with the reason; SQLAlchemy would warn and go on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache

from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.mysql.base import MySQLIdentifierPreparer
from sqlalchemy.dialects.mysql.reflection import MySQLTableDefinitionParser

from dbaudit.errors import DbauditError
from dbaudit.schema.column import read_column
from dbaudit.schema.model import CheckConstraint, Column, ForeignKey, Index, IndexKind, IndexPart, Table
from dbaudit.schema.options import read_options
from dbaudit.schema.text import IDENTIFIER, STRING, in_backticks, split, unquote

_CREATE = re.compile(
    r"\s*CREATE (?:OR REPLACE )?(?:TEMPORARY )?TABLE (?:IF NOT EXISTS )?"
    r"(?:(?:`(?:[^`]|``)+`|\"(?:[^\"]|\"\")+\"|\w+)\.)?(?P<name>`(?:[^`]|``)+`|\"(?:[^\"]|\"\")+\"|\w+)\s*\($",
    re.IGNORECASE,
)
_ANSI = re.compile(r"\s*CREATE (?:OR REPLACE )?(?:TEMPORARY )?TABLE (?:IF NOT EXISTS )?\"", re.IGNORECASE)
_PART = re.compile(rf"(?P<name>{IDENTIFIER}|\"(?:[^\"]|\"\")+\")(?:\((?P<length>\d+)\))?(?: (?P<order>ASC|DESC))?$")
_EXPRESSION = re.compile(r"\((?P<inside>.*)\)(?: (?P<order>ASC|DESC))?$", re.DOTALL)
_HIDDEN = re.compile(
    r"\s+(?:/\*M?!\d+ )?(?P<word>IGNORED|NOT IGNORED|INVISIBLE|VISIBLE)(?: \*/)?(?: /\*M!\d+ IGNORED \*/)?(?=,?$)"
)
_VERSIONED = re.compile(r"!\d+ |\*/ /\*|WITH PARSER +(?P<parser>\S+)|(?P<hidden>INVISIBLE)|\s")
_ENFORCED = re.compile(r"\s*(?:/\*!\d+ )?(?P<no>NOT )?ENFORCED(?: \*/)?$", re.IGNORECASE)
_BREAKS = re.compile(rf"{STRING}|{IDENTIFIER}|\n", re.DOTALL)
# Servers name every key and CHECK; rendered schemas leave out the names that the server made.
_UNNAMED = re.compile(r"  (?=FOREIGN KEY|CHECK )")
_KINDS = {
    None: IndexKind.PLAIN, "PRIMARY": IndexKind.PRIMARY, "UNIQUE": IndexKind.UNIQUE,
    "FULLTEXT": IndexKind.FULLTEXT, "SPATIAL": IndexKind.SPATIAL, "VECTOR": IndexKind.VECTOR,
}  # fmt: skip


@cache
def sqlalchemy_parser(ansi: bool = False) -> MySQLTableDefinitionParser:
    """SQLAlchemy's parser for names in backticks, or in double quotes (sql_mode ANSI_QUOTES)."""
    dialect = mysql.dialect()
    return MySQLTableDefinitionParser(dialect, MySQLIdentifierPreparer(dialect, server_ansiquotes=ansi))


@dataclass(slots=True)
class _Parts:
    """What has been read of a table so far."""

    columns: list[Column] = field(default_factory=list)
    indexes: list[Index] = field(default_factory=list)
    keys: list[ForeignKey] = field(default_factory=list)
    checks: list[CheckConstraint] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


@lru_cache(maxsize=4096)  # a database is read again and again, and most tables are the same each time
def read_table(create: str) -> Table:
    """The table that a CREATE TABLE statement in a server's own format defines.

    Raises DbauditError when it is no CREATE TABLE at all. What it holds beyond the model makes the table
    `unsupported`; all the rest is read.
    """
    if _ANSI.match(create):
        create = in_backticks(create)
    lines = _lines(create.strip())
    head = _CREATE.match(lines[0])
    if head is None:
        raise DbauditError(f"not a CREATE TABLE in the format of a server: {lines[0][:80]!r}")
    parts = _Parts()
    end = len(lines)
    for number, line in enumerate(lines[1:], 1):
        if line.startswith(")"):
            end = number
            break
        _read_line(line, parts)
    if end == len(lines):
        parts.unread.append("the definition ends before its closing bracket")
    options = read_options("\n".join(lines[end:])[1:])
    parts.unread.extend(options.unread)
    return Table(
        name=unquote(head["name"]) if head["name"][0] in '`"' else head["name"],
        columns=tuple(parts.columns),
        indexes=tuple(parts.indexes),
        foreign_keys=tuple(parts.keys),
        checks=tuple(parts.checks),
        engine=options.engine,
        charset=options.charset,
        collation=options.collation,
        row_format=options.row_format,
        comment=options.comment,
        options=options.rest,
        partitions=options.partitions,
        unsupported=_reason(parts.unread),
    )


def _reason(unread: list[str]) -> str | None:
    return "cannot represent: " + "; ".join(unread) if unread else None


def _lines(create: str) -> list[str]:
    """The lines of the statement; a line break inside of quotes does not end one."""
    create = create.replace("\r\n", "\n")
    lines = create.split("\n")
    if not any(line.count("'") % 2 for line in lines):
        return [line for line in lines if line]
    lines, begin = [], 0
    for match in _BREAKS.finditer(create):
        if match.group() == "\n":
            lines.append(create[begin : match.start()])
            begin = match.end()
    return [line for line in (*lines, create[begin:]) if line]


def _read_line(line: str, parts: _Parts) -> None:
    if line[2:3] in ("`", '"'):
        read = read_column(line)
        parts.columns.append(read.column)
        parts.checks.extend(CheckConstraint("", check, column=read.column.name) for check in read.checks)
        if read.unread:
            parts.unread.append(f"column {read.column.name}: {read.unread}")
        return
    found = _constraint(line)
    if isinstance(found, Index):
        parts.indexes.append(found)
    elif isinstance(found, ForeignKey):
        parts.keys.append(found)
    elif isinstance(found, CheckConstraint):
        parts.checks.append(found)
    else:
        parts.unread.append(line.strip().rstrip(","))


def _constraint(line: str) -> Index | ForeignKey | CheckConstraint | None:
    parser = sqlalchemy_parser('"' in line and "`" not in line)
    unnamed = _UNNAMED.match(line)
    if unnamed:
        found = _constraint(f"  CONSTRAINT `x` {line[2:]}")
        return None if found is None else replace(found, name="")
    if line.startswith("  CONSTRAINT"):
        match = parser._re_fk_constraint.match(line)
        if match is not None:
            return _foreign_key(line, match)
        match = parser._re_ck_constraint.match(line)
        return _check(line, match) if match is not None else None
    hidden = _HIDDEN.search(line)
    if hidden is not None:
        line = line[: hidden.start()] + line[hidden.end() :]
    match = parser._re_key.match(line.rstrip(", "))
    if match is None or (match["type"] or "").upper() not in {kind or "" for kind in _KINDS}:
        return None
    return _index(match, hidden is None or hidden["word"] in ("NOT IGNORED", "VISIBLE"))


def _index(match: re.Match[str], visible: bool) -> Index | None:
    kind = _KINDS[match["type"].upper() if match["type"] else None]
    parts = tuple(_index_part(text) for text in split(match["columns"]))
    rest = match["version_sql"] or ""
    parser = match["parser"]
    for versioned in _VERSIONED.finditer(rest):
        parser = versioned["parser"] or parser
        visible = visible and versioned["hidden"] is None
    if _VERSIONED.sub("", rest) or None in parts:
        return None
    using = match["using_pre"] or match["using_post"]
    return Index(
        name="PRIMARY" if kind is IndexKind.PRIMARY else unquote(f"`{match['name']}`"),
        kind=kind,
        parts=tuple(part for part in parts if part is not None),
        using=using.upper() if using else None,
        parser=parser.strip("`") if parser else None,
        comment=unquote(match["comment"]) if match["comment"] else "",
        visible=visible,
        block_size=int(match["keyblock"]) if match["keyblock"] else None,
    )


def _index_part(text: str) -> IndexPart | None:
    match = _PART.match(text)
    if match is not None:
        length = int(match["length"]) if match["length"] else None
        return IndexPart(unquote(match["name"]), length, match["order"] == "DESC")
    match = _EXPRESSION.match(text)
    if match is None:
        return None
    return IndexPart(None, descending=match["order"] == "DESC", expression=match["inside"])


def _foreign_key(line: str, match: re.Match[str]) -> ForeignKey | None:
    if line[match.end() :].strip(", ") or match["match"]:
        return None
    schema, _, table = match["table"].rpartition("`.`" if "`" in match["table"] else '"."')
    return ForeignKey(
        name=unquote(f"`{match['name']}`"),
        columns=tuple(unquote(column) for column in split(match["local"])),
        referred_table=table.strip('`"'),
        referred_columns=tuple(unquote(column) for column in split(match["foreign"])),
        referred_schema=schema.strip('`"') or None,
        on_delete=match["ondelete"],
        on_update=match["onupdate"],
    )


def _check(line: str, match: re.Match[str]) -> CheckConstraint | None:
    rest = line[match.end() :].rstrip(", ")
    enforced = _ENFORCED.match(rest)
    if rest and enforced is None:
        return None
    return CheckConstraint(unquote(f"`{match['name']}`"), match["sqltext"], enforced is None or not enforced["no"])


def read_index(text: str) -> Index:
    """An index from its line in a CREATE TABLE. Raises DbauditError when it is none."""
    found = _constraint("  " + text.strip())
    if not isinstance(found, Index):
        raise DbauditError(f"not the definition of an index: {text!r}")
    return found


def read_foreign_key(text: str) -> ForeignKey:
    """A foreign key from its CONSTRAINT line in a CREATE TABLE. Raises DbauditError when it is none."""
    found = _constraint("  " + text.strip())
    if not isinstance(found, ForeignKey):
        raise DbauditError(f"not the definition of a foreign key: {text!r}")
    return found
