"""What a dump has no business doing on a server: recognised before it is sent, and listed.

This is courtesy, not the boundary: the boundary is the account that loads the dump, which may touch nothing but the
restored schemas. `Filter.OFF` exists so that tests can show that the account suffices.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum

from dbaudit.dump.tokens import IDENT, bare_name, code_of, text, unwrap


class Filter(Enum):
    """Whether statements that reach out are skipped before they are sent."""

    ON = "skip what reaches out"
    OFF = "send everything"


@dataclass(frozen=True, slots=True)
class Refused:
    """A statement that was not executed: its place in bytes, its first 80 characters without secrets, and why."""

    offset: int
    statement: str
    reason: str


# What a dump needs; a statement that begins otherwise is refused.
_ALLOWED = re.compile(
    rb"(?:CREATE|DROP|ALTER|INSERT|REPLACE|SET|USE|LOCK\s+TABLES?|UNLOCK|TRUNCATE|DELETE|UPDATE|COMMIT|BEGIN|"
    rb"START\s+TRANSACTION|RENAME\s+TABLE|ANALYZE|OPTIMIZE|(?:DO|SELECT)\s+SETVAL|ROLLBACK|SAVEPOINT|RELEASE)\b",
    re.I,
)
_ACCOUNTS = re.compile(
    rb"(?:GRANT|REVOKE)\b|(?:CREATE|ALTER|DROP|RENAME)\s+(?:OR\s+REPLACE\s+)?(?:USER|ROLE)\b"
    rb"|SET\s+(?:PASSWORD|ROLE|DEFAULT\s+ROLE)\b",
    re.I,
)
_GLOBAL = re.compile(rb"SET\b.*?(?:\bGLOBAL\b|\bPERSIST(?:_ONLY)?\b)", re.I | re.S)
_SERVER = re.compile(
    rb"(?:CREATE|ALTER|DROP)\s+(?:OR\s+REPLACE\s+)?(?:SERVER|(?:UNDO\s+)?TABLESPACE|LOGFILE|INSTANCE|RESOURCE|"
    rb"SPATIAL\s+REFERENCE)\b|CREATE\s+(?:OR\s+REPLACE\s+)?(?:AGGREGATE\s+)?FUNCTION\b[^()]*\bSONAME\b",
    re.I,
)
_FILES = re.compile(rb"\bINTO\s+(?:OUTFILE|DUMPFILE)\b|\bLOAD_FILE\s*\(|\ALOAD\s", re.I)
_ENGINE = re.compile(rb"(?:\bENGINE\s*=?|\bTYPE\s*=)\s*[`'\"]?(FEDERATED|CONNECT|SPIDER|S3|MERGE|MRG_MYISAM)\b", re.I)
# Where a schema's name may stand before a table's or routine's.
_QUALIFIED = re.compile(
    rb"(?:\b(?:FROM|JOIN|INTO|REFERENCES|UPDATE|TABLE|EXISTS|ON|VIEW|TRIGGER|PROCEDURE|FUNCTION|EVENT|CALL|TRUNCATE|"
    rb"LIKE|TO)\s+|,\s*)(" + IDENT + rb")\s*\.\s*" + IDENT,
    re.I,
)
_SYSTEM = frozenset({"mysql", "performance_schema", "sys", "dbaudit"})
_SECRET = re.compile(rb"'(?:[^'\\]|\\.)*(?:'|\Z)|\"(?:[^\"\\]|\\.)*(?:\"|\Z)", re.S)
_TELLING = re.compile(rb"IDENTIFIED|PASSWORD|SERVER|CONNECTION|://", re.I)
# Every statement but data is looked at whole up to this many bytes; longer ones are refused.
LONGEST = 16 << 20


def reason_to_refuse(sql: bytes, foreign: Collection[str]) -> str | None:
    """Why this statement (unwrapped) is not sent; None when it may be. `foreign` are the dump's other databases."""
    code = _code(sql)
    for applies, reason in _REASONS:
        if applies(code):
            return reason
    if match := _ENGINE.search(sql):
        return f"storage engine {text(match[1]).upper()} reaches out of the schema"
    names = {bare_name(match[1]).lower() for match in _QUALIFIED.finditer(sql)}
    other = sorted(names & (_SYSTEM | {name.lower() for name in foreign}))
    return f"names the database {other[0]}, which is not being restored" if other else None


_REASONS: tuple[tuple[Callable[[bytes], object], str], ...] = (
    (_ACCOUNTS.match, "changes accounts or rights"),
    (_GLOBAL.match, "changes a setting of the whole server"),
    (_FILES.search, "reads or writes files of the server"),
    (_SERVER.match, "changes the server beyond the schema"),
    (lambda code: not _ALLOWED.match(code), "is no statement that a dump needs"),
)


def _code(sql: bytes) -> bytes:
    """The statement with strings, names and comments blanked out."""
    return code_of(sql).strip()


def excerpt(sql: bytes, limit: int = 80) -> str:
    """The head of a statement for people, on one line, passwords masked."""
    head = sql[: limit * 8]
    if _ACCOUNTS.match(unwrap(head)) or _TELLING.search(head):
        head = _SECRET.sub(b"'***'", head)
    shown = " ".join(text(head).encode("utf-8", "replace").decode("utf-8", "replace").split())
    shown = "".join(character if character.isprintable() else "\ufffd" for character in shown)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
