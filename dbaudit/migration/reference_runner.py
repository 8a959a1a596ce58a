"""Rehearses the structure of steps whose code can no longer be installed: `reference`.

Every statement of a step that the catalogue knows is run in the script's own order, and fails as it would fail there,
with the server's own error. What the scripts do to rows is not in the catalogue and is not run; a change that the rows
stand in the way of, where the script would have worked on them first, is made in spite of them, and said.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pymysql

from dbaudit.errors import UsageError
from dbaudit.migration import delta
from dbaudit.migration.catalogue import Catalogue
from dbaudit.migration.guard import Limits, guarded
from dbaudit.migration.output import output_file
from dbaudit.migration.revisions import RevisionWatch, set_version
from dbaudit.migration.runner import STALL_LIMIT, STEP_LIMIT, Runner, RunStep, StepOutcome, Target, version_step
from dbaudit.migration.steps import StepFacts, Work
from dbaudit.migration.structure import CONVERTS_ENGINE
from dbaudit.migration.tracked_schema import TrackedSchema, around, only, read_one, tables_of
from dbaudit.migration.walk import tolerated
from dbaudit.migration.work_sql import WorkSql
from dbaudit.progress import Watch, silent
from dbaudit.result import Basis, Status
from dbaudit.schema.alter import alter
from dbaudit.schema.model import Schema, Table
from dbaudit.schema.text import name

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# What the server says of rows, not of structure: duplicates, NULLs, values that do not fit, parents that are missing.
_OF_ROWS = {1048, 1062, 1138, 1264, 1265, 1292, 1364, 1366, 1406, 1452, 1216, 1586}
# Objects that are there already: 1050 table, 1060 column, 1061 index, 1826 and 121 foreign key.
_EXISTS = {1050, 1060, 1061, 1826}


# Characters of a statement that errors show.
_SHOWN = 300


class _Failed(Exception):
    """A statement that the server refused, and what it said."""


class ReferenceRunner(Runner):
    """Applies the structural change of each step of a catalogue.

    `sql_mode` is the session's, None the server's; `limit` and `stall` as in `SqlRunner`.
    """

    basis = Basis.STRUCTURE

    def __init__(
        self, catalogue: Catalogue, steps: Sequence[StepFacts], target: Target, sql_mode: str | None, *,
        limit: float = STEP_LIMIT, stall: float = STALL_LIMIT,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._steps = {step.id: step for step in steps}
        self._target = target
        self._mode = sql_mode
        self._limits = Limits(limit, stall)
        self._schema = TrackedSchema(target.database)
        self._rows_open: set[str] = set()

    def prove(self, watch: Watch = silent) -> str:
        """Nothing to ask: the statements go over a connection of our own, with rights on the schema alone."""
        return (
            "the structure of each step was applied by dbaudit itself, with an account that has rights on the restored "
            "schema alone; data migrations were not run"
        )

    def pending(self) -> tuple[RunStep, ...]:
        """The steps, in order."""
        return tuple(version_step(step.repository, step.number, step.title) for step in self._steps.values())

    @property
    def row_work(self) -> tuple[StepFacts, ...]:
        """The steps that change rows in the script, which is not run."""
        return tuple(each for each in self._steps.values() if any(work.action == "rows" for work in each.work))

    def run(self, step: RunStep) -> StepOutcome:
        """Apply one step; see Runner. What it did before a statement failed stays done, as in a real upgrade."""
        facts = self._steps.get(str(step.step))
        if facts is None:
            raise UsageError(f"the step catalogue has no step {step.step}")
        target = self._target
        output = output_file(target.directory / "steps", step)
        with RevisionWatch(target.server, target.database) as watched:
            begun = time.perf_counter()
            with output.open("a") as log:
                error, timed_out = self._try(facts, log, output)
            seconds = time.perf_counter() - begun
            revisions = watched.applied()
        return StepOutcome(Status.FAILED if error else Status.OK, seconds, error, output, revisions, timed_out)

    def _try(self, facts: StepFacts, log: TextIO, output: Path) -> tuple[str | None, bool]:
        """The error, or None, and whether it came of a limit."""
        with guarded(self._limits, self._target, output) as guard:
            try:
                with self._session() as connection:
                    self._apply(connection, facts, log)
            except (_Failed, pymysql.MySQLError) as failed:
                self._schema.forget()
                text = str(failed) if isinstance(failed, _Failed) else "({}) {}".format(*_told(failed))
                return (guard.told(text), True) if guard.why else (text, False)
        return None, False

    @contextlib.contextmanager
    def _session(self) -> Iterator[Connection]:
        connection = self._target.server.connect(self._target.account, self._target.database)
        try:
            if self._mode is not None:
                with connection.cursor() as cursor:
                    cursor.execute("SET SESSION sql_mode = %s", (self._mode,))
            yield connection
        except BaseException:
            self._target.disconnect()
            raise
        finally:
            with contextlib.suppress(pymysql.MySQLError):
                connection.close()

    def _apply(self, connection: Connection, facts: StepFacts, log: TextIO) -> None:
        catalogue = self._catalogue
        outside = [each for each in catalogue.outside if each.id == facts.id]
        for part in (facts, *outside):
            self._do(connection, part, log)
        with contextlib.closing(self._target.server.admin(self._target.database)) as admin:
            set_version(admin, self._target.database, facts.repository, facts.number, begin=True)

    def _do(self, connection: Connection, facts: StepFacts, log: TextIO) -> None:
        def table(wanted: str) -> Table | None:
            return read_one(connection, wanted)

        before = self._schema.read(connection)
        sql = WorkSql(facts, before, table)
        past = tolerated(facts)
        if facts.rows.writes:  # some scripts work on rows only where there are such rows, which no line tells
            self._rows_open |= {work.table for work in facts.work}
        for place, work in enumerate(facts.work):
            if work.action == "rows":
                self._rows_open.add(work.table)
                log.write(f"not run: {work.text}\n")
            for statement in sql.statements(work):
                self._execute(connection, work, statement, log, sql.unique(work), tolerant=place < past)
        if not facts.placeholder:
            self._finish(connection, facts, before, log)

    def _finish(self, connection: Connection, facts: StepFacts, before: Schema, log: TextIO) -> None:
        """What a step does without a line of its own: what the server drops by itself, and `others`."""
        wanted = around(before, tables_of(facts))
        now = self._schema.read_again(connection, around(self._schema.read_again(connection, wanted), wanted) - wanted)
        wanted = frozenset(now.tables) if facts.id in CONVERTS_ENGINE else around(now, wanted)
        now, goal = only(now, wanted), only(delta.apply(before, facts), wanted)
        tables = {key: _in_order(table, now.tables.get(key, table)) for key, table in goal.tables.items()}
        if facts.id in CONVERTS_ENGINE:
            tables = {key: replace(table, engine="InnoDB") for key, table in tables.items()}
        whole = Work("what the step leaves besides", "change", "table", "")
        goal = replace(goal, charset=now.charset, collation=now.collation, tables=tables)
        missing = [each for each in alter(now, goal) if each.possible]
        for statement in missing:
            self._execute(connection, whole, statement.sql, log, (), tolerant=True)
        if facts.others.objects:
            self._schema.forget()
        elif missing:
            self._schema.read_again(connection, wanted)

    def _execute(
        self, connection: Connection, work: Work, sql: str, log: TextIO, unique: tuple[str, ...], *, tolerant: bool
    ) -> None:
        begun = time.perf_counter()
        shown = " ".join(sql.split())
        error = _said(connection, sql)
        if error is not None and tolerant and error[0] in _EXISTS:
            log.write(f"is there already: {shown}\n")
            return
        if error is not None and error[0] in _OF_ROWS and work.table in self._rows_open:
            log.write(f"rows that the script would have changed are in the way: ({error[0]}) {error[1]}\n")
            error = self._in_spite_of_rows(connection, work, sql, unique, log)
        log.write(f"{time.perf_counter() - begun:.3f} s  {shown}\n")
        if error is not None:
            log.write(f"  ({error[0]}) {error[1]}\n")
            raise _Failed(f"{work.text}: {shown[:_SHOWN]}: ({error[0]}) {error[1]}")

    def _in_spite_of_rows(
        self, connection: Connection, work: Work, sql: str, unique: tuple[str, ...], log: TextIO
    ) -> tuple[int, str] | None:
        """Run a statement that rows stand in the way of: not strictly, keys unchecked, without the later duplicates."""
        with connection.cursor() as cursor:
            cursor.execute("SET @dbaudit_mode = @@SESSION.sql_mode, SESSION sql_mode = '', foreign_key_checks = 0")
            try:
                if unique and (table := read_one(connection, work.table)) is not None:
                    removed = cursor.execute(_without_duplicates(table, unique))
                    log.write(f"{removed} rows of {work.table} were changed or taken out to make it unique\n")
                return _said(connection, sql)
            finally:
                cursor.execute("SET SESSION sql_mode = @dbaudit_mode, foreign_key_checks = 1")


def _said(connection: Connection, sql: str) -> tuple[int, str] | None:
    """The number and text of the server's error, None where the statement went well."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
    except pymysql.MySQLError as error:
        return _told(error)
    return None


def _told(error: pymysql.MySQLError) -> tuple[int, str]:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    return code, str(error.args[1] if len(error.args) > 1 else error)


def _without_duplicates(table: Table, columns: tuple[str, ...]) -> str:
    """Takes out every row but the one with the least primary key; where a primary key is made, its column is filled."""
    primary = table.index("PRIMARY")
    if primary is None:
        return f"UPDATE {name(table.name)} SET {name(columns[0])} = UUID()"
    same = " AND ".join(f"a.{name(each)} = b.{name(each)}" for each in columns)
    mine, other = (", ".join(f"{side}.{name(each)}" for each in primary.columns) for side in "ab")
    return f"DELETE a FROM {name(table.name)} a JOIN {name(table.name)} b ON {same} AND ({mine}) > ({other})"


def _in_order(table: Table, now: Table) -> Table:
    """The table with the columns that are there in the order in which they are: a script adds at the end."""
    order = {each.name: place for place, each in enumerate(now.columns)}
    return replace(table, columns=tuple(sorted(table.columns, key=lambda each: order.get(each.name, len(order)))))
