"""Edits written to one database: one transaction or one for each chunk, prepared on all databases, then committed.

All rows of a run are one unit of its journal: an undo brings back all of them or none.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pymysql

from dbaudit import __version__
from dbaudit.errors import DbauditError
from dbaudit.proof.value import Kind, kind_of
from dbaudit.repair import records
from dbaudit.repair.closure import touched
from dbaudit.repair.edits import Changed, Edit, Edits, Guard
from dbaudit.repair.images import AFTER, BEFORE, Images, make_images
from dbaudit.repair.journal import init_journal
from dbaudit.repair.lease import Lease
from dbaudit.repair.refusal import refuse_if_unsafe
from dbaudit.repair.rewrite import farthest, marks, parts, rewrite
from dbaudit.schema.read import read_live
from dbaudit.schema.text import name as quoted

if TYPE_CHECKING:
    from dbaudit.repair.target import Target
    from dbaudit.schema.model import Schema
    from dbaudit.server.server import Connection

UNIT = bytes(16)  # the one unit of a run


class Prepared:
    """Edits of one database, written chunk by chunk under its lease. Close it in any case."""

    def __init__(self, target: Target, work: str, tables: Sequence[str], parameters: Mapping[str, Any]) -> None:
        self.target, self.work, self.tables, self.parameters = target, work, tables, parameters
        self.run, self._seq, self._kept, self._done = 0, 0, False, False
        self._lease: Lease | None = None
        self._images: dict[str, Images] = {}
        self._numbers: frozenset[tuple[str, str]] = frozenset()
        init_journal(target)
        self.connection: Connection = target.connect()

    def begin(self, planned: int) -> None:
        """Take the lease and begin a run of so many changes. Raises BusyError, DbauditError."""
        refuse_if_unsafe(self.connection, self.target)
        self.connection.commit()
        schema = read_live(self.connection, self.target.database)
        self._images = {name: self._image(schema, name) for name in self.tables}
        self._numbers = frozenset(
            (name, column.name)
            for name in self.tables
            for column in schema.tables[name].columns
            if kind_of(column.type) is Kind.NUMBER
        )
        self._lease = Lease.take(self.connection, self.target.journal, self.target.database, self.work)
        details = {
            "dbaudit": __version__, "server": str(self.target.identity), records.REPLACED: True,
            "versions": records.versions(self.connection, schema), "parameters": dict(self.parameters),
        }  # fmt: skip
        with self.connection.cursor() as cursor:
            self.run = records.begin(cursor, self.target, self.work, "", planned, details, undoable=True)
        self.connection.commit()
        make_images(self.connection, self.target, self.run, list(self._images.values()))

    def write(self, edits: Edits) -> None:
        """Do everything of a chunk but the commit. Raises Changed, DbauditError."""
        assert self._lease is not None
        self._seq += 1
        try:
            with self.connection.cursor() as cursor:
                # From here on the lease's row is locked: nobody takes it however long the chunk takes.
                self._lease.renew(cursor, self.run)
                cursor.execute("SET SESSION foreign_key_checks = 0")  # parents and children move in turn
                self._write(cursor, edits)
        except pymysql.MySQLError as error:
            raise self.target.failure(error) from error

    def keep(self) -> None:
        """Commit a chunk; the run goes on."""
        self.connection.commit()
        self._kept = True

    def stay(self) -> None:
        """Keep the lease while something holds the run back, between chunks."""
        assert self._lease is not None
        self._lease.keep(self.connection)

    def commit(self) -> int:
        """Commit, and end the run; gives its number."""
        assert self._lease is not None
        with self.connection.cursor() as cursor:
            self._lease.renew(cursor, self.run)
            records.set_state(cursor, self.target, self.run, records.DONE)
        self.keep()
        self._done = True
        return self.run

    @property
    def kept(self) -> int | None:
        """The run's number where some of it was committed."""
        return self.run if self._kept else None

    def close(self) -> None:
        """Take back what is not committed, call a run stopped that did not come to its end, give the lease back."""
        with contextlib.suppress(pymysql.MySQLError, OSError):
            self.connection.rollback()
            if self.run and not self._kept:
                with self.connection.cursor() as cursor:
                    for table in ("image", "run"):
                        cursor.execute(f"DELETE FROM {self.target.journal.table(table)} WHERE run = %s", (self.run,))
                self.connection.commit()
            if self.run and self._kept and not self._done:
                with self.connection.cursor() as cursor:
                    records.set_state(cursor, self.target, self.run, records.STOPPED)
                self.connection.commit()
            if self._lease is not None:
                self._lease.release(self.connection)
        with contextlib.suppress(Exception):
            self.connection.close()

    def _image(self, schema: Schema, name: str) -> Images:
        table = schema.tables.get(name)
        if table is None:
            raise DbauditError(f"there is no table `{name}` in {self.target.shown}")
        if (table.engine or "").lower() != "innodb" or any(t.table == name for t in schema.triggers.values()):
            raise DbauditError(f"`{name}` of {self.target.shown} is not InnoDB, or has triggers: it cannot be undone")
        found = touched(table)
        if found.key.columns != ("id",):
            raise DbauditError(f"`{name}` of {self.target.shown} has not the primary key `id`")
        return Images(self.target.journal, found)

    def _write(self, cursor: Any, edits: Edits) -> None:
        ids, new = defaultdict(list), defaultdict(list)
        for edit in edits.edits:
            ids[edit.table].append(edit.id)
            new[edit.table].append(int(edit.values.get("id") or edit.id))
        for table, found in ids.items():
            self._copy(cursor, table, found, BEFORE)
        before = sum(len(set(found)) for found in ids.values())
        self._look(cursor, edits.guards, " LOCK IN SHARE MODE")
        self._look(cursor, edits.edits)
        rewrite(cursor, edits, self._numbers)
        for insert in edits.inserts:
            names = ", ".join(map(quoted, insert.values))
            values = tuple(insert.values.values())
            cursor.execute(f"INSERT INTO {quoted(insert.table)} ({names}) VALUES ({marks(values)})", values)
            new[insert.table].append(int(insert.values.get("id") or cursor.lastrowid))
        for table, found in new.items():
            self._copy(cursor, table, found, AFTER)
        for table, id_ in farthest(edits).items():
            self._images[table].put_again(cursor, self.run, self._seq, id_)
        after = sum(len(set(found)) for found in new.values())
        records.note_chunk(cursor, self.target, self.run, self._seq, records.EDITS, after, (before,))

    def _copy(self, cursor: Any, table: str, ids: Sequence[int], side: int) -> None:
        images, copied = self._images[table], 0
        for part in parts(ids):
            cursor.execute(
                f"INSERT INTO {images.table} (dbaudit_run, dbaudit_seq, dbaudit_side, dbaudit_unit, dbaudit_depth, "
                f"{images.columns()}) SELECT %s, %s, {side}, %s, 0, {images.columns('t')} FROM {images.source} t "
                f"WHERE t.id IN ({marks(part)}) FOR UPDATE",
                (self.run, self._seq, UNIT, *part),
            )
            copied += cursor.rowcount
        if copied != len(set(ids)):
            raise Changed(f"{len(set(ids)) - copied} rows of `{table}` are not there any more", "make a new plan")

    def _look(self, cursor: Any, planned: Sequence[Edit | Guard], lock: str = "") -> None:
        """Whether every row still has the values of the plan."""
        by_columns: dict[tuple[str, tuple[str, ...]], dict[int, Edit | Guard]] = defaultdict(dict)
        for each in planned:
            by_columns[each.table, tuple(each.was)][each.id] = each
        for (table, columns), wanted in by_columns.items():
            names = ", ".join(map(quoted, columns))
            for part in parts(list(wanted)):
                cursor.execute(
                    f"SELECT id, {names} FROM {quoted(table)} WHERE id IN ({marks(part)}){lock}", tuple(part)
                )
                found = {int(id_): tuple(values) for id_, *values in cursor.fetchall()}
                for id_ in part:
                    if found.get(id_) != tuple(wanted[id_].was.values()):
                        raise Changed(
                            f"row {id_} of `{table}` in {self.target.shown} was changed since the plan was made",
                            "are all services stopped? make a new plan",
                        )


def commit_all(prepared: Sequence[Prepared]) -> list[tuple[Target, int]]:
    """Commit one after the other. Raises DbauditError that says what was written where, if one fails."""
    done: list[tuple[Target, int]] = []
    for each in prepared:
        try:
            done.append((each.target, each.commit()))
        except (pymysql.MySQLError, OSError, DbauditError) as error:
            written = "; ".join(f"{target.shown}: run {run}" for target, run in done) or "no database"
            raise DbauditError(
                f"the commit on {each.target.shown} failed ({error}); whether run {each.run} was written there is "
                f"unknown: see `dbaudit runs`, run {each.run}; written before it were {written}; the databases "
                "after it were not written",
                "run it again, which does what is left; or undo those runs",
            ) from error
    return done
