"""Rows of the journal about runs: begin, resume, note a chunk, end, list, prune."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbaudit.errors import DbauditError, UsageError
from dbaudit.repair.walk import Values
from dbaudit.schema.model import Schema

if TYPE_CHECKING:
    from dbaudit.repair.target import Target
    from dbaudit.server.server import Connection

RUNNING, DONE, STOPPED, UNDONE = "running", "done", "stopped", "undone"
REPLACED = "replaced"  # in a run's details: its undo takes rows out and puts them back, since keys are swapped
EDITS = "edits"  # the part of chunks that make rows too: their `last_key` counts the rows that were there before
FOREIGN = "foreign"  # in a run's details as they are read: they are not what this version writes
_TIME = "DATE_FORMAT({}, '%%Y-%%m-%%dT%%H:%%i:%%s.%%fZ')"
_RUN = (
    f"SELECT run, work, db, fingerprint, state, {_TIME.format('started')}, {_TIME.format('cutoff')}, planned, changed, "
    "undoable, details"
)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as the journal has it. Times are UTC, ISO 8601 with microseconds; `changed` counts rows."""

    run: int
    work: str
    database: str
    fingerprint: str
    state: str
    started: str
    cutoff: str
    planned: int
    changed: int
    undoable: bool
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The run as `dbaudit runs --format json` has it."""
        return {
            "run": self.run, "check": self.work, "started": self.started, "rows": self.changed, "state": self.state,
        }  # fmt: skip


def begin(
    cursor: Any,
    target: Target,
    work: str,
    fingerprint: str,
    planned: int,
    details: Mapping[str, Any],
    *,
    undoable: bool,
) -> int:
    """A new run; gives its number. The caller commits."""
    cursor.execute(
        f"INSERT INTO {target.journal.table('run')} (work, db, fingerprint, state, started, cutoff, planned, changed, "
        "undoable, details) VALUES (%s, %s, %s, %s, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), %s, 0, %s, %s)",
        (work, target.database, fingerprint, RUNNING, planned, int(undoable), json.dumps(details, default=str)),
    )
    return int(cursor.lastrowid)


def resumable(cursor: Any, target: Target, fingerprint: str) -> RunRecord | None:
    """The newest run of the same work on this database, if it did not come to its end."""
    cursor.execute(
        f"{_RUN} FROM {target.journal.table('run')} WHERE db = %s AND fingerprint = %s ORDER BY run DESC LIMIT 1",
        (target.database, fingerprint),
    )
    row = cursor.fetchone()
    found = _record(row) if row else None
    return found if found and found.state in (RUNNING, STOPPED) else None


def next_seq(cursor: Any, target: Target, run: int) -> int:
    """The number of the next chunk of a run."""
    cursor.execute(f"SELECT COALESCE(MAX(seq), 0) + 1 FROM {target.journal.table('chunk')} WHERE run = %s", (run,))
    return int(cursor.fetchone()[0])


def insert_chunk(cursor: Any, target: Target, run: int, seq: int, part: str, changed: int, last: Values) -> None:
    """The line of a chunk, in its own transaction."""
    key = json.dumps([each.hex() if isinstance(each, bytes) else str(each) for each in last])
    cursor.execute(
        f"INSERT INTO {target.journal.table('chunk')} (run, seq, part, changed, last_key, at) "
        "VALUES (%s, %s, %s, %s, %s, UTC_TIMESTAMP(6))",
        (run, seq, part[:64], changed, key),  # a usage's name holds a volume type's, of up to 255 characters
    )


def note_chunk(cursor: Any, target: Target, run: int, seq: int, part: str, changed: int, last: Values) -> None:
    """The line of a chunk and its rows added to the run's, in its own transaction."""
    insert_chunk(cursor, target, run, seq, part, changed, last)
    cursor.execute(f"UPDATE {target.journal.table('run')} SET changed = changed + %s WHERE run = %s", (changed, run))


def committed(cursor: Any, target: Target, run: int, seq: int) -> int | None:
    """How many rows a chunk changed that is in the journal; None for one that was not committed."""
    cursor.execute(f"SELECT changed FROM {target.journal.table('chunk')} WHERE run = %s AND seq = %s", (run, seq))
    row = cursor.fetchone()
    return int(row[0]) if row else None


def images_due(cursor: Any, target: Target, run: int, seq: int) -> int:
    """How many rows of a chunk must have a before-image."""
    cursor.execute(
        f"SELECT part, changed, last_key FROM {target.journal.table('chunk')} WHERE run = %s AND seq = %s", (run, seq)
    )
    part, changed, last = cursor.fetchone()
    if part != EDITS:
        return int(changed)
    try:
        return int(json.loads(last)[0])
    except (ValueError, TypeError, LookupError):
        raise DbauditError(
            f"chunk {seq} of run {run} does not say how many rows it met: another version of dbaudit wrote it",
            "undo it with that version, or bring its rows back by hand from the journal",
        ) from None


def absent_chunks(cursor: Any, target: Target, run: int, chunks: int) -> tuple[int, ...]:
    """Which of the chunks up to this number a server does not have."""
    cursor.execute(f"SELECT seq FROM {target.journal.table('chunk')} WHERE run = %s", (run,))
    there = {int(row[0]) for row in cursor.fetchall()}
    return tuple(seq for seq in range(1, chunks + 1) if seq not in there)


def set_state(cursor: Any, target: Target, run: int, state: str) -> None:
    """Running again, done, stopped or undone. The caller commits."""
    cursor.execute(
        f"UPDATE {target.journal.table('run')} SET state = %s, ended = IF(%s = 'running', NULL, UTC_TIMESTAMP(6)) "
        "WHERE run = %s",
        (state, state, run),
    )


def all_runs(connection: Connection, target: Target) -> tuple[RunRecord, ...]:
    """Every run on this database, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_RUN} FROM {target.journal.table('run')} WHERE db = %s ORDER BY run DESC", (target.database,))
        return tuple(_record(row) for row in cursor.fetchall())


def one_run(connection: Connection, target: Target, run: str) -> RunRecord:
    """The run of that number. Raises UsageError that names those there are."""
    runs = all_runs(connection, target)
    for each in runs:
        if str(each.run) == run:
            return each
    known = ", ".join(str(each.run) for each in runs[:10]) or "none yet"
    raise UsageError(
        f"there is no run {run} on {target.database}", f"`dbaudit runs URL` lists them; there are: {known}"
    )


def versions(connection: Connection, schema: Schema) -> str:
    """What the service says of its own version: an undo on another version is refused."""
    said: list[str] = []
    for table, columns in (("migrate_version", "repository_id, version"), ("alembic_version", "version_num")):
        if table in schema.tables:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT {columns} FROM {table} ORDER BY 1")
                said += [" ".join(map(str, row)) for row in cursor.fetchall()]
    return "; ".join(said)


def _record(row: Any) -> RunRecord:
    run, work, database, fingerprint, state, started, cutoff, planned, changed, undoable, text = row
    try:
        details = dict(json.loads(text))
    except (ValueError, TypeError):
        details = {FOREIGN: True}
    return RunRecord(
        int(run), str(work), str(database), str(fingerprint), str(state), str(started), str(cutoff), int(planned),
        int(changed), bool(int(undoable)), details,
    )  # fmt: skip
