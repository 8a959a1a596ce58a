"""Builds the index of a dump from its statements, in one pass."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from dbaudit.dump import inserts
from dbaudit.dump.entries import DatabaseEntry, Definition, TableEntry
from dbaudit.dump.headers import Header
from dbaudit.dump.statements import Comment, Kind, Statement
from dbaudit.dump.tokens import IDENT, bare_name, code_of, text, unwrap
from dbaudit.errors import DbauditError

_QUALIFIED = rb"(?:(" + IDENT + rb")\s*+\.\s*+)?(" + IDENT + rb")"
_CREATE = re.compile(
    rb"CREATE\s+(?:OR\s+REPLACE\s+)?(?:ALGORITHM\s*=\s*\w+\s+)?(?:DEFINER\s*=\s*(?:CURRENT_USER(?:\s*\(\s*\))?|"
    rb"(?:`[^`]*`|'[^']*'|[^\s@]+)(?:\s*@\s*(?:`[^`]*`|'[^']*'|\S+))?)\s+)?(?:SQL\s+SECURITY\s+\w+\s+)?"
    rb"(?:AGGREGATE\s+)?(TABLE|VIEW|TRIGGER|FUNCTION|PROCEDURE|EVENT|DATABASE|SCHEMA|SEQUENCE|PACKAGE(?:\s+BODY)?)"
    rb"\s+(?:IF\s+NOT\s+EXISTS\s+)?" + _QUALIFIED,
    re.I,
)  # fmt: skip
_DROP = re.compile(rb"(?:DROP\s+(TABLE|VIEW)\s+(?:IF\s+EXISTS\s+)?|(TRUNCATE)\s+(?:TABLE\s+)?)" + _QUALIFIED, re.I)
# What follows the last row of a table, so that the table is whole.
_CLOSES = re.compile(rb"UNLOCK|CREATE|DROP|USE|COMMIT|ALTER\s+TABLE\s+\S+\s+ENABLE", re.I)
_USE = re.compile(rb"USE\s+(" + IDENT + rb")", re.I)
_DELETE = re.compile(rb"DELETE\s+FROM\s+" + _QUALIFIED + rb"\s*(WHERE)?", re.I)
_MODE = re.compile(rb"SET\b[^']*?\bSQL_MODE\s*=\s*['@\"]", re.I)
_CHARSET = re.compile(rb"(?:CHARACTER\s+SET|CHARSET)\s*=?\s*'?(\w+)", re.I)
_COLLATE = re.compile(rb"COLLATE\s*=?\s*'?(\w+)", re.I)
_PLACEHOLDER = re.compile(rb"\s+AS\s+SELECT\s+(?:1|NULL)\s+AS\s+`", re.I)
_KINDS = {b"TRIGGER": "triggers", b"EVENT": "events", b"FUNCTION": "routines", b"PROCEDURE": "routines"}


@dataclass
class _Table:
    name: str
    start: int
    end: int
    create: str = ""
    data_bytes: int = 0
    rows: int | None = 0
    placeholder: bool = False


@dataclass
class _Database:
    name: str | None
    explicit: bool = False
    charset: str | None = None
    collation: str | None = None
    tables: dict[str, _Table] = field(default_factory=dict)
    others: dict[str, dict[str, Definition]] = field(default_factory=dict)

    def entry(self, counted: bool) -> DatabaseEntry:
        """The value; tables that only hold the place of a view are left out."""
        views = self.others.get("views", {})
        tables = tuple(
            TableEntry(t.name, t.create, t.start, t.end, t.data_bytes, t.rows if counted else None)
            for t in self.tables.values()
            if not (t.placeholder and t.name in views)
        )
        of = {kind: tuple(self.others.get(kind, {}).values()) for kind in ("views", "triggers", "routines", "events")}
        return DatabaseEntry(self.name, self.explicit, self.charset, self.collation, tables, **of)


class Catalog:
    """Takes the statements and comments of a dump in order and knows what they define."""

    def __init__(self) -> None:
        self.header = Header()
        self.understood = 0  # statements that a dump may hold; zero means that the file is something else
        self.open_table: str | None = None  # the table that data was last seen for, until something else follows
        self.last_whole: str | None = None
        self._databases: dict[str | None, _Database] = {}
        self._current: _Database | None = None
        self._unescaped: int | None = None  # where a sql_mode was set under which a backslash is no escape

    def enter(self, database: str | None) -> None:
        """The statements that follow belong to this database (of a mydumper directory)."""
        if database is not None:
            self._current = self._database(database)

    def comment(self, item: Comment) -> None:
        """A comment between statements."""
        before = self.header.current
        self.header.comment(item.text)
        if self.header.current != before:
            self._current = self._database(self.header.current)

    def statement(self, item: Statement) -> None:
        """A statement."""
        if item.kind is Kind.DATA:
            self._data(item)
            return
        if item.kind is Kind.CLIENT:
            return
        if (cut := _runs_on(item.text)) > 0:
            self.statement(replace(item, end=item.start + cut, text=item.text[:cut], closed=False))
            self.statement(replace(item, start=item.start + cut, text=item.text[cut:]))
            return
        sql = unwrap(item.text[:HEAD]) if len(item.text) > HEAD else unwrap(item.text)
        word = sql[:6].upper()
        if self.open_table is not None and item.closed and _CLOSES.match(sql):
            self.last_whole, self.open_table = self.open_table, None
        if word.startswith(b"SET"):
            self.header.statement(sql)
            if _MODE.match(sql):
                self._unescaped = item.start if b"NO_BACKSLASH_ESCAPES" in sql.upper() else None
        elif word == b"CREATE":
            self._create(item, sql)
        elif match := _DROP.match(sql):
            self._drop(match)
        elif match := _USE.match(sql):
            self._current = self._database(bare_name(match[1]), True)
        elif match := _DELETE.match(sql):
            self._delete(match)
        self.understood += word[:3] in _WORDS

    def entries(self, counted: bool) -> tuple[DatabaseEntry, ...]:
        """The databases, those that hold nothing and are not created by the dump left out."""
        return tuple(
            found.entry(counted) for found in self._databases.values() if found.tables or found.others or found.explicit
        )

    def _database(self, name: str | None, explicit: bool = False) -> _Database:
        found = self._databases.setdefault(name, _Database(name))
        found.explicit |= explicit
        return found

    def _here(self, schema: bytes | None) -> _Database:
        if schema:
            return self._database(bare_name(schema))
        if self._current is None:
            self._current = self._database(self.header.host_database)
        return self._current

    def _table(self, schema: bytes | None, name: str, item: Statement) -> _Table:
        return self._here(schema).tables.setdefault(name, _Table(name, item.start, item.end))

    def _data(self, item: Statement) -> None:
        self.understood += 1
        if self._unescaped is not None:
            raise DbauditError(
                f"rows from byte {item.start} on are written under NO_BACKSLASH_ESCAPES (set at byte "
                f"{self._unescaped}), which is not read",
                "dump again with a client that does not set that sql_mode",
            )
        head = inserts.HEAD.match(item.text)
        if head is None:
            return
        table = self._table(head[1], bare_name(head[2]), item)
        table.end = item.end
        table.data_bytes += item.end - item.start
        table.rows = None if table.rows is None or item.rows is None else table.rows + item.rows
        if self.open_table not in (None, table.name):
            self.last_whole = self.open_table
        self.open_table = table.name

    def _create(self, item: Statement, sql: bytes) -> None:
        match = _CREATE.match(sql)
        if match is None:
            return
        kind, name = match[1].upper(), bare_name(match[3])
        if kind in (b"DATABASE", b"SCHEMA"):
            self._create_database(name, sql)
        elif kind == b"TABLE":
            self._create_table(item, match, name)
        elif kind == b"VIEW":
            database = self._here(match[2])
            database.others.setdefault("views", {})[name] = Definition(name, text(sql), item.start)
            if name in database.tables:
                database.tables[name].placeholder = True
        else:
            kinds = _KINDS.get(kind.split()[0], "routines")
            key = f"{text(kind)} {name}" if kinds == "routines" else name
            self._here(match[2]).others.setdefault(kinds, {})[key] = Definition(name, text(sql), item.start)

    def _create_database(self, name: str, sql: bytes) -> None:
        database = self._database(name, True)
        charset, collation = _CHARSET.search(sql), _COLLATE.search(sql)
        database.charset = text(charset[1]) if charset else database.charset
        database.collation = text(collation[1]) if collation else database.collation

    def _create_table(self, item: Statement, match: re.Match[bytes], name: str) -> None:
        database = self._here(match[2])
        old = database.tables.pop(name, None)
        table = database.tables[name] = _Table(name, item.start, item.end)
        if old and b"IF NOT EXISTS" in match[0].upper():
            table.start, table.data_bytes, table.rows = old.start, old.data_bytes, old.rows
        table.placeholder = item.text.startswith(b"/*!50001")
        whole = item.text.strip()
        table.create = text(match.string if whole.startswith(b"/*!") else whole)
        self.open_table = name

    def _drop(self, match: re.Match[bytes]) -> None:
        database, name = self._here(match[3]), bare_name(match[4])
        if match[2] and name in database.tables:
            database.tables[name].rows, database.tables[name].data_bytes = 0, 0
        elif match[1] and match[1].upper() == b"TABLE":
            database.tables.pop(name, None)

    def _delete(self, match: re.Match[bytes]) -> None:
        table = self._here(match[1]).tables.get(bare_name(match[2]))
        if table:
            table.rows = None if match[3] else 0


def _runs_on(sql: bytes) -> int:
    """Where a second CREATE TABLE begins in one that was not brought to its end; 0 where it was."""
    if sql[:12].upper() != b"CREATE TABLE" or b"\nCREATE TABLE " not in sql:
        return 0
    return code_of(sql).find(b"\nCREATE TABLE ") + 1


# A statement longer than this is looked at by its head alone, unless it is kept as a definition (never this long).
HEAD = 16 << 20
_WORDS = frozenset({b"SET", b"CRE", b"DRO", b"USE", b"LOC", b"UNL", b"ALT", b"TRU", b"DEL", b"UPD", b"COM", b"STA"})
