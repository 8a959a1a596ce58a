"""`dbaudit snapshot`: a schema as a file for git."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dbaudit.cli import operands, options
from dbaudit.cli.grouping import grouped

Operand = Annotated[str, typer.Argument(metavar="OPERAND", help=operands.HELP)]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it here, not to standard output.")
]


@grouped
def command(
    operand: Operand,
    database: options.Database = None,
    server: options.Reader = "auto",
    output: Output = None,
    quiet: options.Quiet = False,
    *,
    login: operands.Login,
) -> int:
    """Write a schema as canonical SQL that git likes: no counters, no names of the server's making, one order."""
    from dbaudit.comparison.snapshot import snapshot
    from dbaudit.report.schema_diff import save

    names = [database] if database else []
    with operands.read((operand,), names, login, server, quiet=quiet) as (side,):
        save(snapshot(side), output)
    return 0
