"""The statements of a step as performance_schema kept them, and the operations on rows of each table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbaudit.record import RowsRecord, StatementRecord

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# Seconds in a picosecond, the unit of performance_schema.
PICO = 1e-12
SLOWEST = 10  # statements that a record keeps
TEXT = 1000  # characters of a statement that a record keeps
_DDL = re.compile(
    r"statement/sql/(alter|create|drop|rename|truncate|optimize|repair)(_(table|index|view|trigger|procedure|function|"
    r"event|db|sequence|db_upgrade|server|udf))?$"
)
_OF_TABLES = ("alter_table", "create_table", "drop_table", "create_index", "drop_index", "truncate", "optimize")
_RENAME = re.compile(r"\bRENAME\s+(?!COLUMN|INDEX|KEY)", re.IGNORECASE)
# Statements that may do anything inside.
_OPAQUE = re.compile(r"statement/sql/(call_procedure|execute_sql|execute_immediate|alter_tablespace|import)$")
_TABLE = re.compile(
    r"\b(?:TABLE|VIEW|TRIGGER|ON|INTO)\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?((?:`[^`]*`|[\w$]+)(?:\s*\.\s*(?:`[^`]*`|[\w$]+))?)",
    re.IGNORECASE,
)
# MySQL 5.6 does not count every error in ERRORS.
_FAILED = "(ERRORS > 0 OR MYSQL_ERRNO > 0 AND RETURNED_SQLSTATE NOT LIKE '0%%')"
# dbaudit's own notes of revisions, written by triggers in the sessions that are watched.
_OWN = "dbaudit_watch_"


@dataclass(frozen=True, slots=True)
class Event:
    """One DDL statement. `key` is its thread and number; `kind` the last part of its event's name."""

    key: tuple[int, int]
    kind: str
    text: str
    seconds: float
    rows: int
    error: str | None

    @property
    def table(self) -> str:
        """The table that it names first, without its database."""
        pattern = re.compile(r"\bON\s+((?:`[^`]*`|[\w$]+)(?:\s*\.\s*(?:`[^`]*`|[\w$]+))?)", re.IGNORECASE)
        found = pattern.search(self.text) if "index" in self.kind else _TABLE.search(self.text)
        name = found[1] if found else ""
        return re.split(r"\s*\.\s*", name)[-1].strip("`")


@dataclass(frozen=True, slots=True)
class Events:
    """All of a step: how many statements, seconds, warnings, the slowest, DDL in order, and how many were not kept.

    `opaque` says that a statement ran which may do anything inside, such as CALL. `failed` is the last error,
    `warned` the first statements with warnings, and how many.
    """

    count: int
    seconds: float
    warnings: int
    slowest: tuple[StatementRecord, ...]
    ddl: tuple[Event, ...]
    stages: Mapping[tuple[int, int], frozenset[str]]
    unkept: int
    opaque: bool
    failed: str | None
    warned: tuple[tuple[str, int], ...] = ()

    @property
    def of_tables(self) -> bool:
        """Whether its DDL changed the definition of no table that it does not name, and nothing else than tables.

        Not so where a table is renamed: keys that refer to it are written otherwise then.
        """
        return all(e.kind in _OF_TABLES and not _RENAME.search(e.text) and len(e.text) < TEXT for e in self.ddl)


def read_events(connection: Connection) -> Events:
    """Read what was kept since the last reset."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DIGEST_TEXT, COUNT_STAR, SUM_TIMER_WAIT, SUM_ROWS_AFFECTED, SUM_WARNINGS, MAX_TIMER_WAIT,"
            " SUM_ROWS_EXAMINED FROM performance_schema.events_statements_summary_by_digest"
            " ORDER BY SUM_TIMER_WAIT DESC"
        )
        told = cursor.fetchall()
        digests = [row for row in told if not _is_ours(row[0])]
        cursor.execute(
            "SELECT THREAD_ID, EVENT_ID, EVENT_NAME, SQL_TEXT, TIMER_WAIT, ROWS_AFFECTED, MYSQL_ERRNO, MESSAGE_TEXT,"
            f" {_FAILED}, DIGEST_TEXT, WARNINGS FROM performance_schema.events_statements_history_long"
            f" WHERE {_FAILED} OR WARNINGS > 0 OR EVENT_NAME REGEXP %s ORDER BY TIMER_START",
            ("statement/sql/(alter|create|drop|rename|truncate|optimize|repair|call_|execute_|import)",),
        )
        kept = cursor.fetchall()
        cursor.execute("SELECT COUNT(*) FROM performance_schema.events_statements_history_long")
        held = int((cursor.fetchone() or (0,))[0])
        cursor.execute(
            "SELECT DISTINCT THREAD_ID, NESTING_EVENT_ID, LOWER(EVENT_NAME)"
            " FROM performance_schema.events_stages_history_long WHERE NESTING_EVENT_ID IS NOT NULL"
        )
        stages: dict[tuple[int, int], set[str]] = {}
        for thread, event, name in cursor.fetchall():
            stages.setdefault((int(thread), int(event)), set()).add(str(name))
    ddl = tuple(_event(row) for row in kept if _DDL.match(str(row[2])) and _OWN not in str(row[3]))
    count = sum(int(row[1]) for row in digests)
    errors = [_failure(row) for row in kept if row[8]]
    warned: Counter[str] = Counter()
    for row in kept:
        if row[10] and not _is_ours(row[9]):
            warned[_shown(row)] += int(row[10])
    return Events(
        count=count,
        seconds=sum(int(row[2] or 0) for row in digests) * PICO,
        warnings=sum(int(row[4] or 0) for row in digests),
        slowest=tuple(_slow(row) for row in digests[:SLOWEST]),
        ddl=ddl,
        stages={key: frozenset(names) for key, names in stages.items()},
        unkept=max(0, sum(int(row[1]) for row in told) - held),
        opaque=any(_OPAQUE.match(str(row[2])) for row in kept),
        failed=errors[-1] if errors else None,
        warned=tuple(warned.items())[:SLOWEST],
    )


def _is_ours(text: str | None) -> bool:
    """Whether it is no statement of the step: dbaudit's notes of revisions, and what asks for warnings."""
    return text is not None and (_OWN in text or text.startswith("SHOW WARNINGS"))


def _slow(row: Sequence[object]) -> StatementRecord:
    text = str(row[0])[:TEXT] if row[0] is not None else "(others, which the server did not tell apart)"
    return StatementRecord(
        text, int(str(row[1])), int(str(row[2] or 0)) * PICO, int(str(row[3] or 0)),
        longest=int(str(row[5] or 0)) * PICO, examined=int(str(row[6] or 0)),
    )  # fmt: skip


def _event(row: Sequence[object]) -> Event:
    error = f"({row[6]}) {row[7]}" if row[8] else None
    text = " ".join(str(row[3] or "").split())[:TEXT]
    return Event(
        (int(str(row[0])), int(str(row[1]))), str(row[2]).rpartition("/")[2], text,
        int(str(row[4] or 0)) * PICO, int(str(row[5] or 0)), error,
    )  # fmt: skip


def _failure(row: Sequence[object]) -> str:
    """The statement and what the server said."""
    return f"{_shown(row)}: ({row[6]}) {row[7]}"


def _shown(row: Sequence[object]) -> str:
    """The statement, without its values unless it is DDL."""
    text = row[3] if _DDL.match(str(row[2])) else row[9] or str(row[2]).rpartition("/")[2]
    return " ".join(str(text or "").split())[:TEXT]


def rows_by_table(connection: Connection, database: str, events: Events) -> dict[str, RowsRecord]:
    """Operations on rows of each table that is there; the rows that a copying ALTER copied are added, which the server
    does not count for a table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT OBJECT_NAME, COUNT_FETCH, COUNT_INSERT, COUNT_UPDATE, COUNT_DELETE"
            " FROM performance_schema.table_io_waits_summary_by_table WHERE OBJECT_SCHEMA = %s AND COUNT_STAR > 0"
            " ORDER BY OBJECT_NAME",
            (database,),
        )
        found = {str(name): RowsRecord(*(int(n) for n in counts)) for name, *counts in cursor.fetchall()}
    for event in events.ddl:
        if "stage/sql/copy to tmp table" in events.stages.get(event.key, ()) and event.rows:
            own = found.get(event.table, RowsRecord())
            found[event.table] = RowsRecord(
                own.read + event.rows, own.inserted + event.rows, own.updated, own.deleted
            )  # fmt: skip
    return dict(sorted(found.items()))
