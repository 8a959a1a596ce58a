"""`dbaudit snapshot`: a schema as a file for git."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dbaudit.cli import operands, options

Operand = Annotated[str, typer.Argument(metavar="OPERAND", help=operands.HELP)]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it here, not to standard output.")
]


def command(
    operand: Operand,
    database: options.Database = None,
    defaults_file: operands.DefaultsFile = None,
    ask_password: operands.AskPassword = False,
    server: options.Reader = "auto",
    output: Output = None,
    quiet: options.Quiet = False,
) -> int:
    """Write a schema as canonical SQL that git likes: no counters, no names of the server's making, one order."""
    from dbaudit.comparison.snapshot import snapshot
    from dbaudit.report.schema_diff import save

    names = [database] if database else []
    with operands.read((operand,), names, defaults_file, ask_password, quiet, server) as (side,):
        save(snapshot(side), output)
    return 0
