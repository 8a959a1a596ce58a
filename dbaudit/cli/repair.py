"""`dbaudit repair`: do away with what a check finds."""

from __future__ import annotations

from typing import Annotated

import typer

from dbaudit.cli import operands, options, writing
from dbaudit.cli.grouping import grouped

Name = Annotated[str, typer.Argument(metavar="CHECK", help="The check's id; `dbaudit checks list` names those.")]
MaxShare = Annotated[float, writing.Share]
LooksApart = Annotated[
    float,
    typer.Option("--looks-apart", metavar="SECONDS", min=0, help="Time between two looks at rows that lack others."),
]
Stopped = Annotated[
    bool, typer.Option("--services-stopped", help="Nothing else writes: rows that lack others need one look only.")
]


@grouped
def command(
    check: Name,
    url: writing.Url,
    apply: writing.Apply = False,
    max_rows: writing.MaxRows = None,
    max_share: MaxShare = 50.0,
    looks_apart: LooksApart = 60.0,
    services_stopped: Stopped = False,
    chunk_time: writing.ChunkTime = 0.2,
    journal_schema: writing.JournalSchema = "dbaudit",
    pack: options.Pack = None,
    *,
    held: writing.Braked,
    login: operands.Login,
    report: options.Report,
) -> int:
    """Show what the repair of a check would change; with --apply do it, in journaled chunks that can be undone."""
    from dbaudit import packs
    from dbaudit.repair.limits import Limits
    from dbaudit.repair.work import work_of

    for folder in pack or []:
        packs.add(folder)
    limits = Limits(max_rows, max_share / 100, chunk_time, 0.0 if services_stopped else looks_apart)
    brakes = held.brakes(login)
    work = work_of(packs.check(check))
    target = writing.target(url, journal_schema, login)
    result = writing.do("repair", work, target, limits, brakes, apply=apply, quiet=report.quiet)
    return report.write(result)
