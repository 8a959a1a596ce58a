"""Take a run back: chunks backwards, unit by unit (a row with its cascades, all or none).

A unit comes back only where every row of it is now as the run left it; the rest is listed. The promise is: exact where
untouched since, and nothing of anybody's later work is overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbaudit.errors import DbauditError
from dbaudit.repair import records
from dbaudit.repair.closure import Touched, touched
from dbaudit.repair.images import Images
from dbaudit.repair.journal import is_there, tables_of
from dbaudit.repair.records import RunRecord
from dbaudit.repair.restore import count_units, touched_units
from dbaudit.schema.model import Schema
from dbaudit.schema.read import read_live
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.repair.target import Target
    from dbaudit.server.server import Connection

NAMED = 10  # rows named in a refusal
LISTED = 100  # rows named one by one that cannot come back


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What an undo would do: `chunks`, newest first, with `units` that come back.

    `kept` has sentences on those that cannot, at most LISTED; `kept_units` counts them all.
    """

    record: RunRecord
    chunks: tuple[int, ...]
    units: int
    images: tuple[Images, ...] = field(repr=False)
    schema: Schema = field(repr=False)
    kept: tuple[str, ...] = ()
    kept_units: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON has it."""
        return {
            "run": self.record.run, "check": self.record.work, "chunks": len(self.chunks), "rows": self.units,
            "kept": list(self.kept), "kept_rows": self.kept_units,
        }  # fmt: skip


def refuse_nothing(_: UndoPlan, __: Connection) -> None:
    """For works whose undo nothing beside their rows speaks against."""


# Raises DbauditError where something beside a run's own rows speaks against its undo. It is asked before anything is
# done and again in the transaction of every chunk, which it must not end.
Refuse = Callable[[UndoPlan, "Connection"], None]


def plan_undo(target: Target, connection: Connection, run: str) -> UndoPlan:
    """What the undo of a run would do; reads only. Raises DbauditError with the reason where it is refused."""
    if not is_there(connection, target):
        raise DbauditError(f"{target.shown} has no journal `{target.journal.schema}`: nothing was ever repaired there")
    record = records.one_run(connection, target, run)
    _refuse_state(record)
    schema = read_live(connection, target.database)
    images = tuple(_images(target, connection, record, schema))
    _refuse_version(record, connection, schema)
    _refuse_later(target, connection, record, images)
    chunks = _chunks(target, connection, record.run)
    kept: list[str] = []
    units, count = 0, 0
    for seq in chunks:
        with connection.cursor() as cursor:
            bad = touched_units(cursor, images, record.run, seq)
            units += count_units(cursor, images, record.run, seq) - len(bad)
        count += len(bad)
        kept += list(bad.values())[: LISTED - len(kept)]
    connection.commit()
    _refuse_parts(record, kept, count)
    return UndoPlan(record, chunks, units, images, schema, tuple(kept), count)


def _refuse_state(record: RunRecord) -> None:
    if record.state == records.UNDONE:
        raise DbauditError(f"run {record.run} is undone already")
    if not record.undoable:
        raise DbauditError(
            f"run {record.run} ({record.work}) kept no journal of its rows and cannot be undone",
            "its plan said so before it ran",
        )
    if record.details.get(records.FOREIGN):
        raise DbauditError(
            f"run {record.run} ({record.work}) is not written as this version of dbaudit writes runs",
            "undo it with the version that wrote it, or bring its rows back by hand from the journal",
        )


def _refuse_parts(record: RunRecord, kept: list[str], count: int) -> None:
    """A run that moved keys comes back as a whole: one row of any chunk that was touched since keeps all of it."""
    if record.details.get(records.REPLACED) and count:
        raise DbauditError(
            f"run {record.run} comes back as a whole or not at all, and {'; '.join(kept[:NAMED])}"
            + (f"; chunks with more such rows: {count - NAMED}" if count > NAMED else ""),
            "put these rows back as the run left them, then undo again",
        )


def _images(target: Target, connection: Connection, record: RunRecord, schema: Schema) -> Iterator[Images]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT tbl, images, definition FROM {target.journal.table('image')} WHERE run = %s ORDER BY tbl",
            (record.run,),
        )
        rows = cursor.fetchall()
    there = tables_of(connection, target.journal.schema)
    for name, images, definition in rows:
        table = schema.tables.get(str(name))
        if table is None or touched(table).definition != definition:
            raise DbauditError(
                f"`{name}` is defined otherwise now than when run {record.run} changed it",
                "its rows stand in the journal, "
                f"in {quoted(target.journal.schema)}.{quoted(str(images))}; bring them back by hand",
            )
        if str(images) not in there:
            raise DbauditError(f"the images of run {record.run} are gone from the journal", "they were pruned")
        found: Touched = touched(table)
        yield Images(target.journal, found)


def _refuse_version(record: RunRecord, connection: Connection, schema: Schema) -> None:
    now, then = records.versions(connection, schema), str(record.details.get("versions", ""))
    if now != then:
        raise DbauditError(
            f"the service's version is {now or 'gone'} now, and was {then or 'not told'} when run {record.run} ran",
            "a migration may have used what the run changed; bring rows back by hand from the journal",
        )


def _refuse_later(target: Target, connection: Connection, record: RunRecord, images: tuple[Images, ...]) -> None:
    later: dict[int, str] = {}
    with connection.cursor() as cursor:
        for each in images:
            cursor.execute(
                f"SELECT DISTINCT r.run, r.work FROM {each.table} i STRAIGHT_JOIN {each.table} o "
                f"ON {each.same_row('o', 'i')} AND o.dbaudit_run > i.dbaudit_run "
                f"JOIN {target.journal.table('run')} r ON r.run = o.dbaudit_run AND r.state <> %s "
                "AND r.db = %s WHERE i.dbaudit_run = %s",  # databases of one server share their journal
                (records.UNDONE, record.database, record.run),
            )
            later |= {int(run): str(work) for run, work in cursor.fetchall()}
    if later:
        named = ", ".join(f"{run} ({work})" for run, work in sorted(later.items(), reverse=True))
        raise DbauditError(
            f"later runs changed rows of run {record.run}: {named}", "undo those first, the newest first"
        )


def _chunks(target: Target, connection: Connection, run: int) -> tuple[int, ...]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT seq FROM {target.journal.table('chunk')} WHERE run = %s AND undone IS NULL ORDER BY seq DESC",
            (run,),
        )
        return tuple(int(row[0]) for row in cursor.fetchall())


def parameters_of(record: RunRecord, *names: str) -> Mapping[str, Any]:
    """What the run was told, for those who compute its counters anew. Raises DbauditError where one is missing."""
    found = record.details.get("parameters")
    missing = [name for name in names if not isinstance(found, dict) or name not in found]
    if missing:
        raise DbauditError(
            f"run {record.run} does not say its {', '.join(missing)}: another version of dbaudit wrote it",
            "undo it with that version, or bring its rows back by hand from the journal",
        )
    return found or {}
