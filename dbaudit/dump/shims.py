"""What is changed in a dump's statements so that another generation of server takes them.

Each shim is a function on the text of one statement that is not data, and never touches a string or a comment; the
rows are sent as they are. A shim returns the text unchanged where it has nothing to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dbaudit.dump.tokens import IDENT
from dbaudit.server.version import ServerVersion


@dataclass(frozen=True, slots=True)
class Target:
    """The server that is loaded: its version and the names of charsets and collations that it knows, lower case."""

    version: ServerVersion
    charsets: frozenset[str]
    collations: frozenset[str]
    schemas: Mapping[str, str] = field(default_factory=dict)  # a database of the dump -> the schema it goes to
    nameless: str | None = None  # the schema for a dump that does not name its database

    def knows(self, name: str) -> bool:
        """Whether it has that charset or collation."""
        return name in self.charsets or name in self.collations

    def schema(self, database: str | None) -> str | None:
        """The schema that a database of the dump is restored into; None when it is not restored."""
        return self.nameless if database is None else self.schemas.get(database)


Shim = Callable[[bytes, Target], bytes]

_KEPT = (
    rb"'(?:[^'\\]++|\\.)*+'|\"(?:[^\"\\]++|\\.)*+\"|`[^`]*+`|(?:--(?=\s)|\#)[^\n]*+|/\*(?!M?!)(?:[^*]++|\*(?!/))*+\*/"
)


def _pattern(code: bytes) -> re.Pattern[bytes]:
    """A pattern whose group `hit` is `code` outside strings, names and comments."""
    return re.compile(rb"(?P<hit>" + code + rb")|" + _KEPT, re.I | re.S)


def _rewrite(pattern: re.Pattern[bytes], sql: bytes, change: Callable[[re.Match[bytes]], bytes]) -> bytes:
    return pattern.sub(lambda match: match[0] if match["hit"] is None else change(match), sql)


_USER = rb"(?:`[^`]*`|'[^']*'|\"[^\"]*\"|[^\s@*/`'\"]+)"
_DEFINER = _pattern(
    rb"\bDEFINER\s*=\s*(?:CURRENT_USER(?:\s*\(\s*\))?|" + _USER + rb"(?:\s*@\s*" + _USER + rb")?)"
)  # fmt: skip
_COLLATION = _pattern(rb"\b(?:\w*uca1400_\w+|utf8mb4_\w*0900_\w+|utf8mb3_\w+)\b")
_UTF8MB3 = _pattern(rb"(?<![0-9A-Za-z$])_?utf8mb3\b")
_MODES = re.compile(rb"(SET\b.*?\bSQL_MODE\s*=\s*)'([^']*)'", re.I | re.S)
_STORED = _pattern(rb"(?<=\))\s*\bPERSISTENT\b")
_DIRECTORY = re.compile(rb",?\s*\b(?:DATA|INDEX)\s+DIRECTORY\s*=?\s*'(?:[^'\\]|\\.)*'", re.I)
_TABLESPACE = _pattern(rb"/\*!50100 TABLESPACE\s+" + IDENT + rb"\s*\*/|\bENCRYPTION\s*=\s*'[YyNn]'")
_QUALIFIER = re.compile(rb"(?P<hit>(?P<schema>" + IDENT + rb")\s*\.\s*(?=[`0-9A-Za-z_$\x80-\xff]))|" + _KEPT, re.S)

# sql_mode words that MySQL 8 no longer takes, and those that only one vendor has.
_GONE_IN_8 = frozenset(
    b"NO_AUTO_CREATE_USER POSTGRESQL ORACLE MSSQL DB2 MAXDB NO_KEY_OPTIONS NO_TABLE_OPTIONS NO_FIELD_OPTIONS MYSQL323 "
    b"MYSQL40".split()
)
_MARIADB_ONLY = frozenset(
    b"EMPTY_STRING_IS_NULL SIMULTANEOUS_ASSIGNMENT TIME_ROUND_FRACTIONAL IGNORE_BAD_TABLE_OPTIONS".split()
)
_MYSQL_ONLY = frozenset((b"TIME_TRUNCATE_FRACTIONAL",))


def definer(sql: bytes, target: Target) -> bytes:
    """Views, triggers, routines and events belong to the account that loads them, also in versioned comments."""
    return _rewrite(_DEFINER, sql, lambda match: b"DEFINER=CURRENT_USER")


def collation(sql: bytes, target: Target) -> bytes:
    """A collation that the server lacks becomes the nearest one that it has.

    MySQL's utf8mb4_0900_* (no padding) and MariaDB's uca1400 stand for each other, else Unicode 5.2 or bin.
    """
    return _rewrite(_COLLATION, sql, lambda match: nearest(match[0].decode("ascii").lower(), target).encode())


def nearest(name: str, target: Target) -> str:
    """The collation itself where the server has it, else the one most like it; itself again where there is none."""
    if target.knows(name):
        return name
    charset = name.partition("_")[0] if not name.startswith("uca1400") else "utf8mb4"
    if name.startswith("utf8mb3_") and "uca1400" not in name:
        return next((each for each in (f"utf8_{name[8:]}",) if target.knows(each)), name)
    sensitive = re.search(r"_a[is]_c[is]", name)
    tail = sensitive[0] if sensitive else "_ai_ci"
    exact = tail != "_ai_ci" or name.endswith("_bin")
    choices = (
        [f"{charset}_nopad_bin", f"{charset}_0900_bin"]
        if name.endswith("_bin")
        else [f"{charset}_uca1400_nopad{tail}", f"{charset}_0900{tail}", f"{charset}_uca1400{tail}"]
    )
    choices += [f"{charset}_bin"] if exact else [f"{charset}_unicode_520_ci", f"{charset}_unicode_ci"]
    return next((each for each in choices if target.knows(each)), name)


def utf8mb3(sql: bytes, target: Target) -> bytes:
    """Servers before MySQL 8 and MariaDB 10.6 know utf8mb3 only as utf8."""
    if "utf8mb3" in target.charsets:
        return sql
    return _rewrite(_UTF8MB3, sql, lambda match: match[0].lower().replace(b"utf8mb3", b"utf8"))


def sql_mode(sql: bytes, target: Target) -> bytes:
    """Words of sql_mode that the server does not know are left out."""
    unknown = _MYSQL_ONLY if target.version.vendor == "mariadb" else _MARIADB_ONLY
    if target.version.at_least(mysql=(8, 0)):
        unknown = unknown | _GONE_IN_8

    def known(match: re.Match[bytes]) -> bytes:
        words = [word for word in match[2].split(b",") if word.strip().upper() not in unknown]
        return match[1] + b"'" + b",".join(words) + b"'"

    return _MODES.sub(known, sql)


def generated(sql: bytes, target: Target) -> bytes:
    """MariaDB's old word for a stored generated column, PERSISTENT, becomes STORED."""
    if target.version.vendor == "mariadb" and not target.version.at_least(mariadb=(10, 2)):
        return sql
    return _rewrite(_STORED, sql, lambda match: b" STORED")


def directory(sql: bytes, target: Target) -> bytes:
    """DATA DIRECTORY and INDEX DIRECTORY name places on the old server: left out."""
    return _DIRECTORY.sub(b"", sql) if sql[:64].upper().find(b"TABLE") >= 0 else sql


def tablespace(sql: bytes, target: Target) -> bytes:
    """General tablespaces and encryption of the old server are left out."""
    return _rewrite(_TABLESPACE, sql, lambda match: b"") if b"TABLE" in sql[:64].upper() else sql


def schema_names(sql: bytes, target: Target) -> bytes:
    """A database of the dump that is restored under another name is renamed where it stands before a dot."""
    if all(old == new for old, new in target.schemas.items()):
        return sql

    def renamed(match: re.Match[bytes]) -> bytes:
        written = match["schema"]
        name = written.strip(b"`").decode("utf-8", "surrogateescape")
        if name not in target.schemas:
            return match[0]
        new = target.schemas[name].encode("utf-8", "surrogateescape")
        return b"`" + new.replace(b"`", b"``") + b"`."

    return _rewrite(_QUALIFIER, sql, renamed)


SHIMS: tuple[tuple[Shim, str], ...] = (
    (definer, "definers were replaced by the account that loads"),
    (collation, "collations that the server lacks were replaced by the nearest ones"),
    (utf8mb3, "the charset utf8mb3 was written utf8"),
    (sql_mode, "words of sql_mode that the server does not know were left out"),
    (generated, "generated columns that are PERSISTENT were written STORED"),
    (directory, "DATA DIRECTORY and INDEX DIRECTORY were left out"),
    (tablespace, "tablespaces and encryption options were left out"),
    (schema_names, "names of databases were changed to those that they are restored into"),
)

# Statements that are left out, by what they begin with once unwrapped, and the sentence that says so.
_LEFT_OUT = (
    # mydumper 0.10 writes these for the routines of MySQL 8 and later
    (re.compile(rb"SET\s+\w+\s*=\s*\Z", re.I), "settings without a value were left out"),
    (re.compile(rb"SET\b[^=]*\b(?:GTID_PURGED|GTID_SLAVE_POS|GTID_MODE)\b", re.I), "GTID positions were left out"),
    (re.compile(rb"SET\b(?:(?!@)[^=]|@@)*\bSQL_LOG_BIN\b", re.I), "SQL_LOG_BIN was left as it is"),
    (re.compile(rb"(?:LOCK\s+TABLES?|UNLOCK\s+TABLES?)\b", re.I), "LOCK TABLES was left out"),
    (re.compile(rb"ALTER\s+TABLE\s+\S+\s+(?:DISABLE|ENABLE)\s+KEYS\Z", re.I), "DISABLE KEYS was left out"),
    (
        re.compile(rb"SET\b.*?\b(?:FOREIGN_KEY_CHECKS|UNIQUE_CHECKS)\b", re.I | re.S),
        "foreign keys and unique keys were not checked row by row while loading",
    ),
    (
        re.compile(rb"(?:SET\b.*?\bAUTOCOMMIT\b|COMMIT\b|BEGIN\b|START\s+TRANSACTION\b)", re.I),
        "transactions of the dump were left out: each statement commits",
    ),
)


def left_out(sql: bytes) -> str | None:
    """The sentence for a statement (unwrapped) that is not needed here; None for all others."""
    return next((sentence for pattern, sentence in _LEFT_OUT if pattern.match(sql)), None)


def apply(sql: bytes, target: Target, applied: dict[str, None]) -> bytes:
    """The statement as this server takes it; the sentences of the shims that changed it are added to `applied`."""
    for shim, sentence in SHIMS:
        changed = shim(sql, target)
        if changed != sql:
            applied[sentence] = None
            sql = changed
    return sql
