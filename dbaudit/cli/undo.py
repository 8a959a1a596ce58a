"""`dbaudit undo`: take a run back."""

from __future__ import annotations

from typing import Annotated

import typer

from dbaudit.cli import operands, options, writing

Run = Annotated[str, typer.Argument(metavar="RUN", help="The run's number; `dbaudit runs URL` lists them.")]


def command(
    url: writing.Url,
    run: Run,
    apply: writing.Apply = False,
    chunk_time: writing.ChunkTime = 0.2,
    replica: writing.Replica = None,
    ignore_replicas: writing.IgnoreReplicas = False,
    max_lag: writing.MaxLag = 5.0,
    max_threads: writing.MaxThreads = 25,
    max_history: writing.MaxHistory = 1_000_000,
    max_flow_control: writing.MaxPaused = 5.0,
    sentinel: writing.Sentinel = None,
    run_time: writing.RunTime = None,
    sleep: writing.Sleep = 0.0,
    window: writing.Hours = None,
    max_wait: writing.MaxWait = 120.0,
    journal_schema: writing.JournalSchema = "dbaudit",
    defaults_file: operands.DefaultsFile = None,
    ask_password: operands.AskPassword = False,
    format: options.Format = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> int:
    """Show what the undo of a run would give back; with --apply do it. Rows touched since are left and listed."""
    from dbaudit.cli import places
    from dbaudit.repair.limits import Limits
    from dbaudit.report.write import destinations, write

    where = destinations(format or [], output)
    held = writing.brakes(
        replica, ignore_replicas, max_lag, max_threads, max_history, max_flow_control, sentinel, run_time, sleep,
        window, max_wait, defaults_file, ask_password,
    )  # fmt: skip
    target = writing.target(url, journal_schema, defaults_file, ask_password)
    result = writing.take_back(run, target, Limits(chunk_seconds=chunk_time), held, apply=apply, quiet=quiet)
    write(result, where, width=places.width(), colour=places.colour())
    return result.exit
