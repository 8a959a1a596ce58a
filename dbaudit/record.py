"""What was observed while one migration step ran: values only, which `migration.observation` fills.

Nothing in here is guessed. A value that this server, or this way of reaching it, cannot tell is None, and
`not_observed` says why; it is never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# What the counts of rows are: a copying ALTER reads and inserts every row of its table.
ROWS_ARE = "storage-engine operations"
NOT_OBSERVED = "not observed"


@dataclass(frozen=True, slots=True)
class StatementRecord:
    """Statements that differ in their values alone. `seconds` is the server's time in all, `longest` that of one of
    them, `rows` those affected, `examined` those read to find them."""

    text: str
    count: int
    seconds: float
    rows: int
    longest: float = 0.0
    examined: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The statement as JSON has it."""
        return {
            "text": self.text, "count": self.count, "seconds": round(self.seconds, 6),
            "longest_seconds": round(self.longest, 6), "rows": self.rows, "rows_examined": self.examined,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class RowsRecord:
    """Operations on rows, as the storage engine counts them."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def changed(self) -> int:
        """Rows written in any way."""
        return self.inserted + self.updated + self.deleted

    def as_dict(self) -> dict[str, int]:
        """The counts as JSON has them."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class DdlRecord:
    """One DDL statement. `algorithm` and `lock` are what was seen here, or `not observed`.

    `algorithm`: INSTANT, INPLACE, COPY, or `INPLACE or INSTANT` where nothing but the dictionary changed; empty for
    statements that have none. `rebuilt` says whether the table was written anew, None where that is not known.
    `lock`: NONE, SHARED (others may read), EXCLUSIVE.
    """

    table: str
    statement: str
    algorithm: str
    lock: str
    seconds: float
    rebuilt: bool | None = None
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The statement as JSON has it."""
        return {
            "table": self.table, "statement": self.statement, "algorithm": self.algorithm or None,
            "lock": self.lock or None,
            "rebuilt": self.rebuilt, "seconds": round(self.seconds, 6), "error": self.error,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class WarningsRecord:
    """Warnings of the server: how many, the texts that are known, and how many texts are missing.

    `statements` are those that warned, without their values, the first ones, each with its number of warnings.
    """

    count: int
    texts: tuple[str, ...] = ()
    missing: int = 0
    statements: tuple[tuple[str, int], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The warnings as JSON has them."""
        statements = [{"text": text, "count": count} for text, count in self.statements]
        return {"count": self.count, "texts": list(self.texts), "missing": self.missing, "statements": statements}


@dataclass(frozen=True, slots=True)
class Failure:
    """What a failed step left, and whether running it again would do.

    `statement` failed, without its values; `left` are the differences it left behind, `half` says what of its work is
    done by the step catalogue; `changed` counts rows by table. `retry` is None where that is not known; `by` says from
    what it is: `tried`, `catalogue`, `nothing left behind`. `doing` is what the server was at when time was up.
    """

    statement: str | None = None
    left: tuple[str, ...] | None = None
    half: str | None = None
    changed: Mapping[str, int] | None = None
    retry: bool | None = None
    by: str | None = None
    error: str | None = None
    doing: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The failure as JSON has it."""
        return {
            "statement": self.statement,
            "left_behind": None if self.left is None else list(self.left),
            "half_applied": self.half,
            "rows_changed": None if self.changed is None else dict(self.changed),
            "retry": {"works": self.retry, "by": self.by, "error": self.error},
            "doing": self.doing,
        }


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step as it was observed.

    `started` is UTC, ISO 8601; `wall_seconds` of the whole step, `server_seconds` of its statements; `rows` by table,
    `total` of all tables, those that are gone too; `bytes` of the tables' files before and after, None for a table
    that was not or is not there; `redo_bytes` of redo, `written_bytes` of all that InnoDB wrote to its files;
    `cpu_seconds` of the server's process, what it does in the background among them; `temporary_bytes` the sampled
    peak; `schema` a line for each difference; `touched` the tables that it may have changed, None where that could not
    be told.
    """

    started: str
    wall_seconds: float
    server_seconds: float | None = None
    statements: int | None = None
    slowest: tuple[StatementRecord, ...] = ()
    rows: Mapping[str, RowsRecord] | None = None
    total: RowsRecord | None = None
    bytes: Mapping[str, tuple[int | None, int | None]] | None = None
    redo_bytes: int | None = None
    written_bytes: int | None = None
    cpu_seconds: float | None = None
    temporary_bytes: int | None = None
    ddl: tuple[DdlRecord, ...] | None = None
    warnings: WarningsRecord | None = None
    schema: tuple[str, ...] | None = None
    touched: frozenset[str] | None = None
    not_observed: tuple[str, ...] = field(default=())

    @property
    def growth(self) -> int | None:
        """Bytes by which the tables grew in all; None where that was not observed."""
        if self.bytes is None:
            return None
        return sum((after or 0) - (before or 0) for before, after in self.bytes.values())

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON has it."""
        return {
            "started": self.started,
            "wall_seconds": round(self.wall_seconds, 3),
            "server_seconds": None if self.server_seconds is None else round(self.server_seconds, 6),
            "statements": None if self.statements is None else {
                "count": self.statements, "slowest": [each.as_dict() for each in self.slowest],
            },
            "rows": None if self.rows is None else {name: rows.as_dict() for name, rows in self.rows.items()},
            "rows_total": None if self.total is None else self.total.as_dict(),
            "rows_are": ROWS_ARE,
            "bytes": None if self.bytes is None else {name: list(pair) for name, pair in self.bytes.items()},
            "redo_bytes": self.redo_bytes,
            "written_bytes": self.written_bytes,
            "cpu_seconds": None if self.cpu_seconds is None else round(self.cpu_seconds, 3),
            "temporary_bytes": self.temporary_bytes,
            "ddl": None if self.ddl is None else [each.as_dict() for each in self.ddl],
            "warnings": None if self.warnings is None else self.warnings.as_dict(),
            "schema": None if self.schema is None else list(self.schema),
            "not_observed": list(self.not_observed),
        }  # fmt: skip
