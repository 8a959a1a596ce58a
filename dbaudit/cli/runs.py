"""`dbaudit runs`: what was repaired, a dead run's lease, and the journal's end."""

from __future__ import annotations

from typing import Annotated

import typer

from dbaudit.cli import operands, options, writing
from dbaudit.cli.grouping import grouped

Words = Annotated[
    list[str], typer.Argument(metavar="[prune] URL", help="The database; `prune` before it empties old images.")
]
Unlock = Annotated[
    bool, typer.Option("--unlock", help="Take the lease away from a run that is dead: expired, or its process gone.")
]
Older = Annotated[
    int, typer.Option("--older-than", metavar="DAYS", min=0, help="For prune: runs that ended before that.")
]


@grouped
def command(
    words: Words,
    unlock: Unlock = False,
    older_than: Older = 30,
    journal_schema: writing.JournalSchema = "dbaudit",
    *,
    login: operands.Login,
    report: options.Report,
) -> int:
    """List the runs on a database, newest first; `runs prune URL` deletes the images of old ones, which ends undo."""
    from dbaudit.errors import UsageError
    from dbaudit.repair import results

    if len(words) != 1 + (words[0] == "prune"):
        raise UsageError("runs takes one URL", "dbaudit runs URL, or dbaudit runs prune URL --older-than 30")
    target = writing.target(words[-1], journal_schema, login)
    if words[0] == "prune":
        result = results.pruned(target, older_than)
    else:
        result = results.unlocked(target) if unlock else results.listed(target)
    return report.write(result)
