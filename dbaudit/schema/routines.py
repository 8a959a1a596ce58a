"""Views, triggers, routines and events from the text of their CREATE statements.

Simple on purpose: the head is read, the rest is kept as text with its blanks folded. DEFINER is left out:
it says who made the object, not what it is.
"""

from __future__ import annotations

import re

from dbaudit.errors import DbauditError
from dbaudit.schema.model import Event, Routine, Trigger, View
from dbaudit.schema.text import STRING, in_backticks, split, unquote, without_marks

_NAME = r"(?:(?:`(?:[^`]|``)+`|\w+)\.)?(?P<name>`(?:[^`]|``)+`|\w+)"
_CREATE = r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?"
_USER = r"(?:`(?:[^`]|``)*`|'[^']*'|\w+)"
_DEFINER = rf"(?:DEFINER\s*=\s*(?:{_USER}(?:\s*@\s*{_USER})?(?:\(\))?)\s+)?"
_FLAGS = re.IGNORECASE | re.DOTALL
_VIEW = re.compile(
    rf"{_CREATE}(?:ALGORITHM\s*=\s*(?P<algorithm>\w+)\s+)?{_DEFINER}(?:SQL\s+SECURITY\s+(?P<security>\w+)\s+)?"
    rf"VIEW\s+{_NAME}\s*(?:\((?P<columns>(?:`(?:[^`]|``)+`|[^)`])*)\)\s*)?AS\s+(?P<select>.*?)"
    r"(?:\s+WITH\s+(?P<check>CASCADED|LOCAL)\s+CHECK\s+OPTION)?\s*$",
    _FLAGS,
)
_ANSI = re.compile(r"\bVIEW\s+(?:\*/\s*)?\"", re.IGNORECASE)
_TRIGGER = re.compile(
    rf"{_CREATE}{_DEFINER}TRIGGER\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}\s+(?P<timing>BEFORE|AFTER)\s+"
    r"(?P<event>INSERT|UPDATE|DELETE)\s+ON\s+(?:(?:`(?:[^`]|``)+`|\w+)\.)?(?P<table>`(?:[^`]|``)+`|\w+)\s+"
    r"FOR\s+EACH\s+ROW\s+(?P<body>.*)$",
    _FLAGS,
)
_ROUTINE = re.compile(
    rf"{_CREATE}{_DEFINER}(?:AGGREGATE\s+)?(?P<kind>PROCEDURE|FUNCTION|PACKAGE(?:\s+BODY)?)\s+"
    rf"(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}\s*(?P<body>.*)$",
    _FLAGS,
)
_EVENT = re.compile(rf"{_CREATE}{_DEFINER}EVENT\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}\s+(?P<body>.*)$", _FLAGS)
_BLANKS = re.compile(rf"(?P<keep>{STRING}|\"(?:[^\"\\]|\"\"|\\.)*\"|`[^`]*`|(?:--[ \t]|#)[^\n]*\n)|\s+", re.DOTALL)


def read_view(sql: str) -> View:
    """The view that a CREATE VIEW statement defines. Raises DbauditError when it is none."""
    match = _match(_VIEW, in_backticks(sql) if _ANSI.search(sql) else sql, "view")
    return View(
        name=_name(match["name"]),
        select=_fold(match["select"]),
        security=_upper(match["security"]),
        check_option=_upper(match["check"]),
        algorithm=_upper(match["algorithm"]),
        columns=tuple(_name(column) for column in split(match["columns"])) if match["columns"] else (),
    )


def read_trigger(sql: str) -> Trigger:
    """The trigger that a CREATE TRIGGER statement defines. Raises DbauditError when it is none."""
    match = _match(_TRIGGER, sql, "trigger")
    return Trigger(
        name=_name(match["name"]),
        table=_name(match["table"]),
        timing=match["timing"].upper(),
        event=match["event"].upper(),
        body=_fold(match["body"]),
    )


def read_routine(sql: str) -> Routine:
    """The procedure, function or package that a CREATE statement defines.

    Raises DbauditError when it is none.
    """
    match = _match(_ROUTINE, sql, "routine")
    return Routine(_name(match["name"]), " ".join(match["kind"].upper().split()), _fold(match["body"]))


def read_event(sql: str) -> Event:
    """The event that a CREATE EVENT statement defines. Raises DbauditError when it is none."""
    match = _match(_EVENT, sql, "event")
    return Event(_name(match["name"]), _fold(match["body"]))


def _match(pattern: re.Pattern[str], sql: str, what: str) -> re.Match[str]:
    text = without_marks(sql).strip().rstrip(";").rstrip()
    match = pattern.match(text)
    if match is None:
        raise DbauditError(f"not the definition of a {what} in the format of a server: {text[:80]!r}")
    return match


def _name(text: str) -> str:
    return unquote(text) if text[0] == "`" else text


def _upper(text: str | None) -> str | None:
    return text.upper() if text else None


def _fold(text: str) -> str:
    """`text` with every run of blanks as one, except inside of quotes and of comments that end with their
    line.
    """
    return _BLANKS.sub(lambda match: match["keep"] or " ", text).strip().rstrip(";").rstrip()
