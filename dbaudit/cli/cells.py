"""`dbaudit cells`: nova's top database against its cells."""

from __future__ import annotations

import typer

from dbaudit.cli import operands, options
from dbaudit.cli.flavors import Again, Cells, Jobs, Top, looking

app = typer.Typer(help="What nova's cells v1 keep both in the top database and in a cell.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `compare` a command of its own name."""


@app.command("compare")
def compare(
    top: Top,
    cells: Cells,
    database: operands.Database = None,
    jobs: Jobs = None,
    look_again: Again = None,
    defaults_file: operands.DefaultsFile = None,
    ask_password: operands.AskPassword = False,
    format: options.Format = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> int:
    """Compare instances, block devices and metadata of the top with each cell, by uuid. Reads only."""
    from dbaudit.cells.compare import compare as compared
    from dbaudit.cli import places
    from dbaudit.report.write import destinations, write

    where = destinations(format or [], output)
    with looking((top, *cells), database, jobs, look_again, defaults_file, ask_password, quiet) as (sides, look):
        result = compared(sides, look)
    write(result, where, width=places.width(), colour=places.colour())
    return result.exit
