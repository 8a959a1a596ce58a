"""`dbaudit verify`: what a database lost since its manifest was taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dbaudit.cli import operands, options
from dbaudit.cli.grouping import grouped
from dbaudit.cli.manifest import Kept, Operand

if TYPE_CHECKING:
    from dbaudit.dryrun.proving import Wish

File = Annotated[Path, typer.Argument(metavar="FILE", help="What `dbaudit manifest` wrote before the upgrade.")]


@grouped
def command(
    manifest: File,
    operand: Operand,
    database: options.Database = None,
    rows: Kept = None,
    server: options.Server = "auto",
    server_binary: options.ServerBinary = None,
    *,
    login: operands.Login,
    report: options.Report,
) -> int:
    """Hold a database against the manifest of it from before the upgrade: what was lost. Reads only."""
    from dbaudit.dryrun.proving import take, verified
    from dbaudit.proof.file import load

    before = load(manifest)
    with wished(operand, database, rows, server, server_binary, login, quiet=report.quiet) as wish:
        result = verified(before, take(wish, before))
    return report.write(result)


@contextmanager
def wished(
    operand: str, database: str | None, rows: int | None, server: str, binary: Path | None,
    login: operands.Login, *, quiet: bool,
) -> Iterator[Wish]:  # fmt: skip
    """The operand with all that reading it takes; a folder and the progress bars go when the block ends."""
    from dbaudit.cli import places
    from dbaudit.comparison.operand import Reading
    from dbaudit.dryrun.proving import Wish
    from dbaudit.dryrun.scratch import scratch
    from dbaudit.proof.measure import ROWS_KEPT
    from dbaudit.report.progress import drawn

    here = places.places()
    with scratch(here) as spool, drawn(quiet=quiet) as watch:
        yield Wish(
            operand,
            Reading(spool, database, login.credentials, watch),
            here,
            server,
            binary,
            ROWS_KEPT if rows is None else rows,
        )
