"""Observes one step after the other on a throwaway server, from outside, and makes the record of each.

The migrating account's sessions are instrumented, nothing else is; the record is read between steps by connections of
our own. What a server cannot tell is None in the record, with the reason. See `record` for what the fields are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pymysql

from dbaudit.errors import DbauditError
from dbaudit.migration import instruments, slow_log
from dbaudit.migration.alterations import describe_ddl
from dbaudit.migration.definitions import differences, read_again, read_definitions
from dbaudit.migration.events import Events, read_events, rows_by_table
from dbaudit.migration.gauges import Gauges, read_gauges
from dbaudit.migration.reach import tables_touched
from dbaudit.migration.sampler import Sampler, process_of
from dbaudit.record import RowsRecord, StepRecord, WarningsRecord
from dbaudit.schema.read import LiveText
from dbaudit.server.server import Account, Server

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

# Seconds that the observer's connection may be idle: a step may take a day.
_IDLE = 1_000_000
# Names of what performance_schema tells; without it none of them is observed.
_BY_EVENTS = ("server_seconds", "statements", "rows", "ddl", "warnings")


@dataclass
class Observed:
    """One step while it runs and after it: `record` makes the values of it."""

    observer: Observer
    started: str
    before: Gauges
    sampler: Sampler
    after: Gauges | None = None
    events: Events | None = None
    rows: Mapping[str, RowsRecord] | None = None
    was: LiveText | None = None
    now: LiveText | None = None
    texts: tuple[str, ...] = ()

    @property
    def failure(self) -> str | None:
        """The statement that failed last and what the server said, where that was observed."""
        return self.events.failed if self.events else None

    def record(self, seconds: float, texts: tuple[str, ...] | None = None) -> StepRecord:
        """The record of a step that took that long; `texts` are its warnings where the runner has them all."""
        after, events, lacks = self.after, self.events, dict(self.observer.lacks)
        if after is None:
            return StepRecord(self.started, seconds, not_observed=("everything: the server did not answer",))
        if events and events.unkept:
            lacks["ddl"] = f"{events.unkept:,} statements had left the history before it was read"
        if self.sampler.temporary_bytes is None:
            lacks["temporary_bytes"] = "the server's files cannot be seen from here"
        lacks |= dict(_unread(self.before, after))
        total = _between(self.before.rows, after.rows, self.rows)
        return StepRecord(
            started=self.started,
            wall_seconds=seconds,
            server_seconds=events.seconds if events else None,
            statements=events.count if events else None,
            slowest=events.slowest if events else (),
            rows=self.rows,
            total=total,
            bytes=_bytes(self.before, after),
            redo_bytes=_minus(after.redo, self.before.redo),
            written_bytes=_minus(after.written, self.before.written),
            cpu_seconds=_cpu(self.before, after),
            temporary_bytes=self.sampler.temporary_bytes,
            ddl=describe_ddl(events, self.before, after, self.observer.server.version, self.sampler.locks)
            if events
            else None,
            warnings=_warnings(events, self.texts if texts is None else texts),
            schema=differences(self.was, self.now) if self.was and self.now else (),
            touched=self.touched(after),
            not_observed=tuple(f"{name}: {reason}" for name, reason in lacks.items()),
        )

    def touched(self, after: Gauges) -> frozenset[str] | None:
        """Tables that the step may have changed; see `tables_touched`."""
        return tables_touched(self.events, self.rows, self.before, after, (self.was, self.now))


def _unread(before: Gauges, after: Gauges) -> Iterator[tuple[str, str]]:
    if before.redo is None or after.redo is None:
        yield "redo_bytes", "the account may not read the server's InnoDB status"
    if before.written is None or after.written is None:
        yield "written_bytes", "the server does not tell what InnoDB wrote"
    if before.cpu is None or after.cpu is None:
        yield "cpu_seconds", "the server's process cannot be seen from here"
    if before.rows is None or after.rows is None:
        yield "rows_total", "this server counts no rows in all"
    if _bytes(before, after) is None:
        yield "bytes", "this server does not tell the size of files, and they cannot be seen from here"


def _bytes(before: Gauges, after: Gauges) -> dict[str, tuple[int | None, int | None]] | None:
    if before.tables is None or after.tables is None:
        return None
    names = dict.fromkeys((*before.tables, *after.tables))
    found = {name: (_size(before, name), _size(after, name)) for name in names}
    known = any(size is not None for pair in found.values() for size in pair)
    return found if known or not found else None


def _size(gauges: Gauges, name: str) -> int | None:
    state = (gauges.tables or {}).get(name)
    return state.bytes if state else None


def _cpu(before: Gauges, after: Gauges) -> float | None:
    return None if before.cpu is None or after.cpu is None else max(0.0, after.cpu - before.cpu)


def _minus(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else max(0, after - before)


def _between(
    before: RowsRecord | None, after: RowsRecord | None, tables: Mapping[str, RowsRecord] | None
) -> RowsRecord | None:
    """What the server counted in between; at least as much as its tables had."""
    if before is None or after is None:
        return None
    found = {}
    for name in ("read", "inserted", "updated", "deleted"):
        counted = getattr(after, name) - getattr(before, name)
        by_table = sum(getattr(rows, name) for rows in (tables or {}).values())
        found[name] = max(counted, by_table)
    return RowsRecord(**found)


def _warnings(events: Events | None, texts: tuple[str, ...]) -> WarningsRecord | None:
    if events is None:
        return WarningsRecord(len(texts), texts) if texts else None
    count = max(events.warnings, len(texts))
    return WarningsRecord(count, texts, count - len(texts), events.warned)


class Observer:
    """Observes the steps that `account` runs in `database`; `lacks` is what this server cannot tell, and why."""

    def __init__(self, server: Server, account: Account, database: str) -> None:
        self.server, self._account, self._database = server, account, database
        self._instruments = instruments.prepare(server, account)
        missing = self._instruments.missing
        self.lacks = dict.fromkeys(_BY_EVENTS, missing) if missing else {}
        self._connection: Connection | None = None
        self._last: Gauges | None = None
        self._log = slow_log.start(server, self._admin(), account)
        self._text = read_definitions(self._admin(), database)

    @contextlib.contextmanager
    def watching(self) -> Iterator[Observed]:
        """Observe what is done in the block."""
        observed = self._begin()
        observed.sampler.start()
        try:
            yield observed
        finally:
            observed.sampler.stop()
            # A server that has died is told by who used it.
            with contextlib.suppress(DbauditError, pymysql.MySQLError):
                self._finish(observed)

    def _begin(self) -> Observed:
        before = self._gauges()
        if not self._instruments.missing:
            instruments.reset(self._admin())
        if self._log is not None:
            self._log.begin()
        sampler = Sampler(
            self.server, self._account, self._database, process_of(self.server), locks=self._instruments.locks
        )
        return Observed(self, datetime.now(UTC).isoformat(timespec="milliseconds"), before, sampler)

    def _finish(self, observed: Observed) -> None:
        connection, events = self._admin(), None
        if not self._instruments.missing:
            instruments.settle(connection, self._account)
        after = self._gauges()
        if not self._instruments.missing:
            events = read_events(connection)
            observed.rows = rows_by_table(connection, self._database, events)
        observed.events, observed.after = events, after
        observed.texts = self._log.texts() if self._log is not None else ()
        if events is None or events.ddl or events.opaque or events.unkept:
            touched = observed.touched(after) if events and events.of_tables else None
            observed.was = self._text
            if touched is None:
                self._text = read_definitions(connection, self._database)
            else:
                self._text = read_again(connection, self._database, self._text, touched)
            observed.now = self._text

    def _gauges(self) -> Gauges:
        self._last = read_gauges(self._admin(), self.server, self._account, self._database, self._last)
        return self._last

    def _admin(self) -> Connection:
        """The observer's own connection: one for all steps, another where the server dropped it."""
        if self._connection is not None:
            try:
                self._connection.ping(reconnect=False)
                return self._connection
            except pymysql.Error:
                self._disconnect()
        self._connection = self.server.admin()
        with self._connection.cursor() as cursor:
            cursor.execute(f"SET SESSION wait_timeout = {_IDLE}")
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(pymysql.Error):
                self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Put the server's instrumentation back."""
        if self._log is not None:
            with contextlib.suppress(DbauditError):
                slow_log.stop(self._admin())
        self._disconnect()
        instruments.restore(self.server, self._instruments)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
