"""Options of every command that writes to a live database, and what they make."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dbaudit.cli.operands import Login

if TYPE_CHECKING:
    from dbaudit.progress import Watch
    from dbaudit.repair.brakes import Brakes
    from dbaudit.repair.limits import Limits
    from dbaudit.repair.records import RunRecord
    from dbaudit.repair.stop import Stop
    from dbaudit.repair.target import Target
    from dbaudit.repair.throttle import Throttle
    from dbaudit.repair.work import Work
    from dbaudit.result import Result

Url = Annotated[
    str,
    typer.Argument(metavar="URL", help="The database: mysql+pymysql://user@host/cinder, or a service's configuration."),
]
Apply = Annotated[bool, typer.Option("--apply", help="Do it. Without this, only the plan is shown.")]
JournalSchema = Annotated[
    str,
    typer.Option("--journal-schema", metavar="NAME|SAME", help="Schema of the journal; SAME keeps it beside the data."),
]
MaxRows = Annotated[int | None, typer.Option("--max-rows", metavar="N", min=0, help="Refuse to change more rows.")]
Share = typer.Option(
    "--max-share", metavar="PERCENT", min=0, max=100, help="Refuse to change more of a table's rows than that."
)
ChunkTime = Annotated[
    float, typer.Option("--chunk-time", metavar="SECONDS", min=0.01, max=10, help="Time that a chunk should take.")
]
Replica = Annotated[
    list[str] | None,
    typer.Option("--replica", metavar="URL", help="A replica whose lag is watched; repeatable. Default: those known."),
]
IgnoreReplicas = Annotated[bool, typer.Option("--ignore-replicas", help="Do not ask the server for its replicas.")]
MaxLag = Annotated[float, typer.Option("--max-lag", metavar="SECONDS", min=0, help="Wait while a replica lags more.")]
MaxThreads = Annotated[int, typer.Option("--max-threads", metavar="N", min=0, help="Wait while more threads run.")]
MaxHistory = Annotated[
    int, typer.Option("--max-history", metavar="N", min=0, help="Wait while InnoDB's history list is longer.")
]
MaxPaused = Annotated[
    float,
    typer.Option("--max-flow-control", metavar="PERCENT", min=0, max=100, help="Wait while Galera pauses more."),
]
Sentinel = Annotated[Path | None, typer.Option("--sentinel", metavar="FILE", help="Wait while this file is there.")]
RunTime = Annotated[
    float | None, typer.Option("--run-time", metavar="SECONDS", min=0, help="Stop after that time, resumable.")
]
Sleep = Annotated[float, typer.Option("--sleep", metavar="SECONDS", min=0, help="Sleep between chunks.")]
Hours = Annotated[
    str | None, typer.Option("--window", metavar="HH:MM-HH:MM", help="Work only within these hours, UTC.")
]
MaxWait = Annotated[
    float, typer.Option("--max-wait", metavar="SECONDS", min=0, help="Give up (exit 75) when held back for longer.")
]


@dataclass(frozen=True, slots=True)
class Braked:
    """What may hold a run back."""

    replica: Replica = None
    ignore_replicas: IgnoreReplicas = False
    max_lag: MaxLag = 5.0
    max_threads: MaxThreads = 25
    max_history: MaxHistory = 1_000_000
    max_flow_control: MaxPaused = 5.0
    sentinel: Sentinel = None
    run_time: RunTime = None
    sleep: Sleep = 0.0
    window: Hours = None
    max_wait: MaxWait = 120.0

    def brakes(self, login: Login) -> Brakes:
        """The same, read and checked."""
        from dbaudit.comparison.live import complete, parse
        from dbaudit.repair.brakes import Brakes
        from dbaudit.repair.throttle import read_window

        return Brakes(
            replicas=[complete(parse(each), login.credentials) for each in self.replica or []],
            look_for_replicas=not self.ignore_replicas,
            max_lag=self.max_lag,
            max_threads=self.max_threads,
            max_history=self.max_history,
            max_paused=self.max_flow_control / 100,
            sentinel=self.sentinel,
            run_time=self.run_time,
            sleep=self.sleep,
            window=read_window(self.window) if self.window else None,
            max_wait=self.max_wait,
        )


def target(url: str, journal: str, login: Login) -> Target:
    """The target that a URL or a configuration file names."""
    from dbaudit.comparison.operand import live_url
    from dbaudit.repair.target import open_target

    return open_target(live_url(url, None, login.credentials), journal)


@contextmanager
def listening(*, quiet: bool) -> Iterator[Stop]:
    """A stop that signals ask for, and the log on standard error, while the block runs."""
    from dbaudit.repair.stop import on_signals

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("dbaudit")
    log.addHandler(handler)
    log.setLevel(logging.WARNING if quiet else logging.INFO)
    try:
        with on_signals() as stop:
            yield stop
    finally:
        log.removeHandler(handler)


@contextmanager
def at_work(*, quiet: bool) -> Iterator[tuple[Stop, Watch]]:
    """The same with a progress line."""
    from dbaudit.report.progress import drawn

    with listening(quiet=quiet) as stop, drawn(quiet=quiet) as watch:
        yield stop, watch


@contextmanager
def holding(held: Brakes, *, apply: bool, quiet: bool) -> Iterator[Callable[[Target], Throttle]]:
    """What gives each of several databases its throttle, all with one wish to stop, while the block runs."""
    from dbaudit.repair.brakes import throttle_of
    from dbaudit.repair.throttle import Throttle

    if not apply:
        yield lambda _: Throttle()
        return
    with listening(quiet=quiet) as stop:
        yield lambda target: throttle_of(held, target, stop)


def do(command: str, work: Work, target: Target, limits: Limits, held: Brakes, *, apply: bool, quiet: bool) -> Result:
    """The plan of a work, or what came of carrying it out."""
    from dbaudit.repair import results
    from dbaudit.repair.apply import apply as carry_out
    from dbaudit.repair.brakes import throttle_of

    if not apply:
        return results.planned(command, work, target, limits)
    with at_work(quiet=quiet) as (stop, watch):
        done = carry_out(work, target, throttle_of(held, target, stop, watch), limits, watch)
    return results.done(command, done, target)


def take_back(run: str, target: Target, limits: Limits, held: Brakes, *, apply: bool, quiet: bool) -> Result:
    """The plan of an undo, or what came of it."""
    from dbaudit.flavors.retreat import refuse_undo
    from dbaudit.repair import results
    from dbaudit.repair.brakes import throttle_of
    from dbaudit.repair.retract import undo

    if not apply:
        return results.undo_planned(run, target, refuse_undo)
    with at_work(quiet=quiet) as (stop, watch):
        brake = throttle_of(held, target, stop, watch)
        undone = undo(target, run, brake, limits, watch, counters(target), refuse_undo)
    return results.undone(undone, target)


def counters(target: Target) -> Callable[[RunRecord], Work | None]:
    """Gives the work that computes a run's counters anew, for those tasks that have any."""
    from dbaudit.volumes import backfill
    from dbaudit.volumes.look import Look

    def of(record: RunRecord) -> Work | None:
        if record.work != backfill.NAME:
            return None
        with target.session() as connection:
            return backfill.counters(Look(connection, target), record)

    return of


def limits(max_rows: int | None, chunk_time: float) -> Limits:
    """The limits of a task: a first run usually touches most rows, so there is no share."""
    from dbaudit.repair.limits import Limits

    return Limits(max_rows=max_rows, chunk_seconds=chunk_time)
