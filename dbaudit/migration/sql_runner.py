"""Runs a folder of numbered SQL files, a statement at a time, as the account that has no right beside the schema.

`010_add_transfers.sql` is step 10. Pending is what is numbered above the place where the database stands. It is no
mysql client: commands such as `source` or `\\!` are refused, while DELIMITER is understood.
"""

from __future__ import annotations

import contextlib
import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pymysql

from dbaudit.dump.statements import Depth, Kind, Reader, Statement
from dbaudit.errors import UsageError
from dbaudit.migration.guard import Limits, guarded
from dbaudit.migration.output import masked, output_file
from dbaudit.migration.revisions import RevisionWatch, set_version, standing
from dbaudit.migration.runner import STALL_LIMIT, STEP_LIMIT, Runner, RunStep, StepOutcome, Target, version_step
from dbaudit.progress import Watch, silent
from dbaudit.result import Status

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

    from dbaudit.server.server import Connection

# Characters of a statement that errors and the output show.
_SHOWN = 200
# Warnings that the server keeps of one statement: the most that it can. By default it keeps 64, of a million rows cut.
_WARNINGS = 65_535
_NUMBERED = re.compile(r"[Vv]?(?P<number>\d+)(?:[^0-9].*)?$")
# sqlalchemy-migrate keeps the way back beside the way forward.
_WAY_BACK = re.compile(r"downgrade|rollback|undo", re.I)
# Comments before a statement: people look for the line on which its first word stands.
_COMMENTS = re.compile(rb"(?:\s++|(?:--(?=\s)|#)[^\n]*+\n|/\*(?!M?!)(?:[^*]++|\*(?!/))*+\*/)*+")
# What the server says to a session that was killed from outside.
_KILLED = {1317, 2006, 2013, 1927}
# ... and where the account may not set a variable.
_NEEDS_A_RIGHT = 1227


class _Failed(Exception):
    """A statement that the server refused: where it stands and what was said, and the error's number."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.text, self.code = text, code


class SqlRunner(Runner):
    """Runs the files of a folder. `sql_mode` is the session's, None for the server's default; `limit` and `stall` are
    the seconds that a step may take, and for which nothing of it may move."""

    def __init__(
        self, folder: Path, target: Target, *, sql_mode: str | None = None, limit: float = STEP_LIMIT,
        stall: float = STALL_LIMIT,
    ) -> None:  # fmt: skip
        self._files = _numbered(folder)
        self._target = target
        self._mode = sql_mode
        self._limits = Limits(limit, stall)
        self._warnings: list[str] = []

    def prove(self, watch: Watch = silent) -> str:
        """Nothing to ask: the statements go over a connection of our own, with rights on the schema alone."""
        return "SQL is run by dbaudit itself, with an account that has rights on the restored schema alone"

    def pending(self, version: int | None = None, last: int | None = None) -> tuple[RunStep, ...]:
        """The steps above `version` (None: where the schema's migrate_version stands, else 0), up to `last`."""
        at = self._standing() if version is None else version
        return tuple(
            version_step(self._target.service, number, path.name)
            for number, path in self._files.items()
            if number > at and (last is None or number <= last)
        )

    def _standing(self) -> int:
        with contextlib.closing(self._target.server.admin()) as connection:
            prefix = f"{self._target.service}:"
            names = standing(connection, self._target.database)
        return max((int(name.removeprefix(prefix)) for name in names if name.startswith(prefix)), default=0)

    def run(self, step: RunStep) -> StepOutcome:
        """Run one file; see Runner. What it did before a statement failed stays done, as in a real upgrade."""
        path = self._files.get(int(step.argument)) if step.argument.isdigit() else None
        if path is None:
            raise UsageError(f"the folder of SQL files has none for step {step.step}")
        target = self._target
        output = output_file(target.directory / "steps", step)
        with RevisionWatch(target.server, target.database) as watched:
            begun = time.perf_counter()
            self._warnings = []
            with output.open("a") as log:
                error, timed_out = self._run_file(path, int(step.argument), log, output)
            seconds = time.perf_counter() - begun
            revisions = watched.applied()
        status = Status.FAILED if error else Status.OK
        texts = tuple(masked(text, (target.account.password,)) for text in self._warnings)
        return StepOutcome(status, seconds, error, output, revisions, timed_out, texts)

    def _run_file(self, path: Path, number: int, log: TextIO, output: Path) -> tuple[str | None, bool]:
        """The error, or None, and whether it came of a limit."""
        with guarded(self._limits, self._target, output) as guard:
            try:
                self._execute_all(path, number, log)
            except _Failed as failed:
                late = guard.why is not None and failed.code in _KILLED
                text = guard.told(failed.text) if late else failed.text
                return masked(text, (self._target.account.password,)), late
            except BaseException:  # interrupted: the server would go on with the statement
                self._target.disconnect()
                raise
        return None, False

    def _execute_all(self, path: Path, number: int, log: TextIO) -> None:
        connection = self._target.server.connect(self._target.account, self._target.database)
        try:
            with connection.cursor() as cursor:
                _keep_warnings(cursor)
                if self._mode is not None:
                    cursor.execute("SET SESSION sql_mode = %s", (self._mode,))
            for line, statement in _statements(path):
                self._execute(connection, path, line, statement, log)
            self._record(number)
        finally:
            with contextlib.suppress(pymysql.MySQLError):
                connection.close()

    def _execute(self, connection: Connection, path: Path, line: int, statement: Statement, log: TextIO) -> None:
        shown = _shown(statement)
        begun = time.perf_counter()
        said, rows, code = None, 0, 0
        try:
            if statement.kind is Kind.CLIENT:
                said = "this is a command to the mysql client, not SQL"
            else:
                with connection.cursor() as cursor:
                    rows = cursor.execute(statement.text.decode("utf-8", "surrogateescape"))
                    while cursor.nextset():
                        pass
                    if cursor.warning_count:
                        cursor.execute("SHOW WARNINGS")
                        self._warnings += [f"{level} {code}: {text}" for level, code, text in cursor.fetchall()]
        except pymysql.MySQLError as error:
            said, code = _said(error), _code(error)
        log.write(f"line {line}  {time.perf_counter() - begun:.3f} s  {rows} rows  {shown}\n")
        if said is not None:
            log.write(f"  {said}\n")
            raise _Failed(f"{path.name} line {line}: {shown}: {said}", code)

    def _record(self, number: int) -> None:
        """Set the version in migrate_version, where the repository has a row there and the file did not do it."""
        try:
            # Not by the account, whose statements are those of the step.
            with contextlib.closing(self._target.server.admin()) as admin:
                set_version(admin, self._target.database, self._target.service, number)
        except pymysql.MySQLError as error:
            raise _Failed(f"the version could not be set to {number}: {_said(error)}", _code(error)) from error


def _keep_warnings(cursor: Cursor) -> None:
    """Let the server keep the texts of all warnings; MySQL 9 lets only an administrator ask for more than usual."""
    try:
        cursor.execute(f"SET SESSION max_error_count = {_WARNINGS}")
    except pymysql.MySQLError as error:
        if _code(error) != _NEEDS_A_RIGHT:
            raise


def _numbered(folder: Path) -> dict[int, Path]:
    """The files by number, in its order. Raises UsageError: no folder, no file, no number, a number twice."""
    if not folder.is_dir():
        raise UsageError(f"the runner's folder of SQL files does not exist: {folder}", "sql:DIR names a directory")
    found: dict[int, Path] = {}
    for path in sorted(folder.glob("*.sql")):
        if _WAY_BACK.search(path.stem):
            continue
        match = _NUMBERED.match(path.stem)
        if match is None:
            raise UsageError(
                f"{path.name} has no number, so that its place among the steps is not known",
                "begin the name with the version that it leads to, such as 010_add_transfers.sql, or move it away",
            )
        other = found.setdefault(int(match["number"]), path)
        if other is not path:
            raise UsageError(
                f"{other.name} and {path.name} have the same number", "one file a version: join them, or move one away"
            )
    if not found:
        raise UsageError(f"there are no SQL files in {folder}", "name them like 010_add_transfers.sql")
    return dict(sorted(found.items()))


def _statements(path: Path) -> Iterator[tuple[int, Statement]]:
    """The statements of a file, each with the line that it begins on (counted from 1)."""
    data = path.read_bytes()
    line, seen = 1, 0
    for item in Reader(io.BytesIO(data), Depth.TEXT).read():
        if isinstance(item, Statement):
            comments = _COMMENTS.match(data, item.start, item.end)
            start = comments.end() if comments else item.start
            line += data.count(b"\n", seen, start)
            seen = start
            yield line, item


def _shown(statement: Statement) -> str:
    comments = _COMMENTS.match(statement.text)
    start = comments.end() if comments else 0
    text = " ".join(statement.text[start : start + 4 * _SHOWN].decode("utf-8", "replace").split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _said(error: pymysql.MySQLError) -> str:
    return f"({error.args[0]}) {error.args[1]}" if len(error.args) > 1 else str(error)


def _code(error: pymysql.MySQLError) -> int:
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0
