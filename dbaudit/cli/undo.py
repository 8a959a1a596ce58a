"""`dbaudit undo`: take a run back."""

from __future__ import annotations

from typing import Annotated

import typer

from dbaudit.cli import operands, options, writing
from dbaudit.cli.grouping import grouped

Run = Annotated[str, typer.Argument(metavar="RUN", help="The run's number; `dbaudit runs URL` lists them.")]


@grouped
def command(
    url: writing.Url,
    run: Run,
    apply: writing.Apply = False,
    chunk_time: writing.ChunkTime = 0.2,
    journal_schema: writing.JournalSchema = "dbaudit",
    *,
    held: writing.Braked,
    login: operands.Login,
    report: options.Report,
) -> int:
    """Show what the undo of a run would give back; with --apply do it. Rows touched since are left and listed."""
    from dbaudit.repair.limits import Limits

    brakes = held.brakes(login)
    target = writing.target(url, journal_schema, login)
    result = writing.take_back(run, target, Limits(chunk_seconds=chunk_time), brakes, apply=apply, quiet=report.quiet)
    return report.write(result)
