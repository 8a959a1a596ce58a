"""`dbaudit cells`: nova's top database against its cells."""

from __future__ import annotations

from typing import Annotated

import typer

from dbaudit.cli import operands, options
from dbaudit.cli.flavors import Again, Cells, Jobs, Top, looking

app = typer.Typer(help="What nova's cells v1 keep both in the top database and in a cell.", no_args_is_help=True)


Left = Annotated[str, typer.Argument(metavar="LEFT", help="A live database: a URL, or a configuration file.")]
Right = Annotated[str, typer.Argument(metavar="RIGHT", help="Another.")]
Table = Annotated[str, typer.Option("--table", metavar="NAME", help="The table.")]
Key = Annotated[
    list[str] | None,
    typer.Option("--key", metavar="COLUMN", help="Match rows by this unique key; repeatable. Default: primary key."),
]
Ignore = Annotated[
    list[str] | None, typer.Option("--ignore", metavar="COLUMN", help="A column that may differ; repeatable.")
]


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


@app.command("tables")
def tables(
    left: Left,
    right: Right,
    table: Table,
    key: Key = None,
    ignore: Ignore = None,
    database: operands.Database = None,
    defaults_file: operands.DefaultsFile = None,
    ask_password: operands.AskPassword = False,
    format: options.Format = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> int:
    """Compare one table of two live databases by checksums, down to the rows. Exits 1 where rows differ. Reads only."""
    from dbaudit.cells.tables import tables as compared
    from dbaudit.cli import places
    from dbaudit.report.write import destinations, write

    where = destinations(format or [], output)
    with operands.read((left, right), database or [], defaults_file, ask_password, quiet) as (one, other):
        result = compared(one, other, table, tuple(key or ()), frozenset(ignore or ()))
    write(result, where, width=places.width(), colour=places.colour())
    return result.exit
