"""A schema as SQL text: a canonical dump without data, which loads on MySQL 5.6 to 9 and MariaDB.

The text is for people and for git too: tables in alphabetical order, one line a column, and nothing in it depends on
when or where it was written. What `read` reads back is what was rendered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dbaudit.schema.model import (
    CheckConstraint,
    Column,
    Event,
    ForeignKey,
    Index,
    IndexKind,
    IndexPart,
    Routine,
    Schema,
    Table,
    Trigger,
    View,
)
from dbaudit.schema.text import name, quote

_KEYWORDS = {
    IndexKind.PRIMARY: "PRIMARY KEY",
    IndexKind.UNIQUE: "UNIQUE KEY",
    IndexKind.PLAIN: "KEY",
    IndexKind.FULLTEXT: "FULLTEXT KEY",
    IndexKind.SPATIAL: "SPATIAL KEY",
    IndexKind.VECTOR: "VECTOR KEY",
}
_WORD = re.compile(r"[\w.]+|\(.*\)")
# Types whose columns a server shows without DEFAULT NULL.
_NO_DEFAULT = ("text", "blob", "geometry", "point", "json", "linestring", "polygon")


def render(schema: Schema, header: str = "") -> str:
    """The whole schema as a script; `header` goes above it as a comment, line by line.

    Foreign keys are not checked while it loads, so that the alphabetical order of the tables works.
    """
    lines = [f"-- {line}".rstrip() for line in header.splitlines()]
    if schema.charset:
        collation = f" COLLATE {schema.collation}" if schema.collation else ""
        lines.append(f"-- default character set of the database: {schema.charset}{collation}")
    lines += ["", "/*!40101 SET NAMES utf8 */;", "SET FOREIGN_KEY_CHECKS = 0;", ""]
    for table in sorted(schema.tables):
        lines += [render_table(schema.tables[table]) + ";", ""]
    for view in sorted(schema.views.values(), key=lambda view: view.name):
        lines += [render_view(view) + ";", ""]
    bodies = [
        *(render_trigger(each) for _, each in sorted(schema.triggers.items())),
        *(render_routine(each) for _, each in sorted(schema.routines.items())),
        *(render_event(each) for _, each in sorted(schema.events.items())),
    ]
    if bodies:
        lines += ["DELIMITER ;;", *(f"{body};;" for body in bodies), "DELIMITER ;", ""]
    lines += ["SET FOREIGN_KEY_CHECKS = 1;", "", "-- Dump completed"]
    return "\n".join(lines) + "\n"


def render_view(view: View) -> str:
    """The CREATE VIEW statement of a view, without a semicolon."""
    words = [
        "CREATE",
        f"ALGORITHM={view.algorithm}" if view.algorithm else "",
        f"SQL SECURITY {view.security}" if view.security else "",
        f"VIEW {name(view.name)}" + (f" ({_names(view.columns)})" if view.columns else ""),
        f"AS {view.select}",
        f"WITH {view.check_option} CHECK OPTION" if view.check_option else "",
    ]
    return " ".join(word for word in words if word)


def render_trigger(each: Trigger) -> str:
    """The CREATE TRIGGER statement of a trigger, without a delimiter."""
    return f"CREATE TRIGGER {name(each.name)} {each.timing} {each.event} ON {name(each.table)} FOR EACH ROW {each.body}"


def render_routine(each: Routine) -> str:
    """The CREATE statement of a procedure, function or package, without a delimiter."""
    return f"CREATE {each.kind} {name(each.name)}{each.body}"


def render_event(each: Event) -> str:
    """The CREATE EVENT statement of an event, without a delimiter."""
    return f"CREATE EVENT {name(each.name)} {each.body}"


def render_others(schema: Schema) -> Iterator[tuple[str, str]]:
    """What is no table: names such as `view v` or `trigger g`, and CREATE statements, in alphabetical order."""
    for view in sorted(schema.views.values(), key=lambda each: each.name):
        yield f"view {view.name}", render_view(view)
    for _, trigger in sorted(schema.triggers.items()):
        yield f"trigger {trigger.name}", render_trigger(trigger)
    for _, routine in sorted(schema.routines.items()):
        yield f"{routine.kind.lower()} {routine.name}", render_routine(routine)
    for _, event in sorted(schema.events.items()):
        yield f"event {event.name}", render_event(event)


def render_table(table: Table) -> str:
    """The CREATE TABLE statement of a table, without a semicolon."""
    lines = [
        *(render_column(column, table.checks) for column in table.columns),
        *(render_index(index) for index in table.indexes),
        *(render_foreign_key(key) for key in table.foreign_keys),
        *(render_check(check) for check in table.checks if not check.column),
    ]
    body = ",\n".join(f"  {line}" for line in lines)
    return f"CREATE TABLE {name(table.name)} (\n{body}\n){render_options(table)}"


def render_options(table: Table) -> str:
    """The options and partitions of a table, as they stand behind the bracket of a CREATE TABLE."""
    words = [
        f"ENGINE={table.engine}" if table.engine else "",
        f"DEFAULT CHARSET={table.charset}" if table.charset else "",
        f"COLLATE={table.collation}" if table.collation else "",
        f"ROW_FORMAT={table.row_format}" if table.row_format else "",
        *(render_option(key, value) for key, value in table.options),
        f"COMMENT={quote(table.comment)}" if table.comment else "",
    ]
    text = "".join(f" {word}" for word in words if word)
    return f"{text}\n{table.partitions}" if table.partitions else text


def render_option(key: str, value: str) -> str:
    """An option of a table, as it stands behind the bracket."""
    if key == "versioning":  # MariaDB's WITH SYSTEM VERSIONING has no value
        return value
    return f"{key if key[0] == '`' else key.upper()}={value if _WORD.fullmatch(value) else quote(value)}"


def render_column(column: Column, checks: Iterable[CheckConstraint] = ()) -> str:
    """The definition of a column, as it stands in a CREATE TABLE, with those of the CHECKs that stand behind it."""
    words = [
        name(column.name),
        column.type,
        column.compressed.upper() if column.compressed else "",
        f"CHARACTER SET {column.charset}" if column.charset else "",
        f"COLLATE {column.collation}" if column.collation else "",
        f"GENERATED ALWAYS AS ({column.generated})" if column.generated is not None else "",
        ("STORED" if column.stored else "VIRTUAL") if column.generated is not None else "",
        "NOT NULL" if not column.null else ("NULL" if column.type.startswith("timestamp") else ""),
        f"/*!80003 SRID {column.srid} */" if column.srid is not None else "",
        _default(column),
        f"ON UPDATE {column.on_update}" if column.on_update else "",
        "AUTO_INCREMENT" if column.auto_increment else "",
        "INVISIBLE" if column.invisible else "",
        f"COMMENT {quote(column.comment)}" if column.comment else "",
        *(render_check(check) for check in checks if check.column == column.name),
    ]
    return " ".join(word for word in words if word)


def _default(column: Column) -> str:
    if column.default is not None:
        return f"DEFAULT {column.default}"
    shown = column.null and column.generated is None and not column.type.endswith(_NO_DEFAULT)
    return "DEFAULT NULL" if shown else ""


def render_index(index: Index) -> str:
    """The definition of an index, as it stands in a CREATE TABLE."""
    keyword = _KEYWORDS[index.kind]
    words = [
        keyword if index.kind is IndexKind.PRIMARY else f"{keyword} {name(index.name)}",
        f"({render_parts(index.parts)})",
        f"USING {index.using}" if index.using else "",
        f"KEY_BLOCK_SIZE={index.block_size}" if index.block_size else "",
        f"COMMENT {quote(index.comment)}" if index.comment else "",
        f"/*!50100 WITH PARSER {name(index.parser)} */" if index.parser else "",
        "" if index.visible else "/*!80000 INVISIBLE */ /*M!100600 IGNORED */",
    ]
    return " ".join(word for word in words if word)


def render_parts(parts: tuple[IndexPart, ...]) -> str:
    """The columns and expressions of an index, as they stand between its brackets."""
    return ",".join(_part(part) for part in parts)


def _part(part: IndexPart) -> str:
    text = f"({part.expression})" if part.column is None else name(part.column)
    length = f"({part.length})" if part.length is not None else ""
    return text + length + (" DESC" if part.descending else "")


def render_foreign_key(key: ForeignKey) -> str:
    """The definition of a foreign key, as it stands in a CREATE TABLE."""
    schema = f"{name(key.referred_schema)}." if key.referred_schema else ""
    words = [
        f"CONSTRAINT {name(key.name)}" if key.name else "",
        f"FOREIGN KEY ({_names(key.columns)})",
        f"REFERENCES {schema}{name(key.referred_table)} ({_names(key.referred_columns)})",
        f"ON DELETE {key.on_delete}" if key.on_delete else "",
        f"ON UPDATE {key.on_update}" if key.on_update else "",
    ]
    return " ".join(word for word in words if word)


def render_check(check: CheckConstraint) -> str:
    """The definition of a CHECK, as it stands in a CREATE TABLE."""
    named = f"CONSTRAINT {name(check.name)} " if check.name else ""
    return f"{named}CHECK ({check.expression})" + ("" if check.enforced else " /*!80016 NOT ENFORCED */")


def _names(columns: tuple[str, ...]) -> str:
    return ",".join(name(column) for column in columns)
