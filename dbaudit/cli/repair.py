"""`dbaudit repair`: do away with what a check finds."""

from __future__ import annotations

from typing import Annotated

import typer

from dbaudit.cli import operands, options, writing

Name = Annotated[str, typer.Argument(metavar="CHECK", help="The check's id; `dbaudit checks list` names those.")]
MaxShare = Annotated[float, writing.Share]
LooksApart = Annotated[
    float,
    typer.Option("--looks-apart", metavar="SECONDS", min=0, help="Time between two looks at rows that lack others."),
]
Stopped = Annotated[
    bool, typer.Option("--services-stopped", help="Nothing else writes: rows that lack others need one look only.")
]


def command(
    check: Name,
    url: writing.Url,
    apply: writing.Apply = False,
    max_rows: writing.MaxRows = None,
    max_share: MaxShare = 50.0,
    looks_apart: LooksApart = 60.0,
    services_stopped: Stopped = False,
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
    pack: options.Pack = None,
    defaults_file: operands.DefaultsFile = None,
    ask_password: operands.AskPassword = False,
    format: options.Format = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> int:
    """Show what the repair of a check would change; with --apply do it, in journaled chunks that can be undone."""
    from dbaudit import packs
    from dbaudit.cli import places
    from dbaudit.repair.limits import Limits
    from dbaudit.repair.work import work_of
    from dbaudit.report.write import destinations, write

    where = destinations(format or [], output)
    for folder in pack or []:
        packs.add(folder)
    limits = Limits(max_rows, max_share / 100, chunk_time, 0.0 if services_stopped else looks_apart)
    held = writing.brakes(
        replica, ignore_replicas, max_lag, max_threads, max_history, max_flow_control, sentinel, run_time, sleep,
        window, max_wait, defaults_file, ask_password,
    )  # fmt: skip
    work = work_of(packs.check(check))
    target = writing.target(url, journal_schema, defaults_file, ask_password)
    result = writing.do("repair", work, target, limits, held, apply=apply, quiet=quiet)
    write(result, where, width=places.width(), colour=places.colour())
    return result.exit
