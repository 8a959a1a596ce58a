"""`dbaudit cells`: nova's top database against its cells."""

from __future__ import annotations

from typing import Annotated

import typer

from dbaudit.cli import operands, options
from dbaudit.cli.flavors import Again, Cells, DumpZone, Jobs, Top, looking
from dbaudit.cli.grouping import grouped

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
@grouped
def compare(
    top: Top,
    cells: Cells,
    database: operands.Database = None,
    jobs: Jobs = None,
    look_again: Again = None,
    dump_zone: DumpZone = None,
    *,
    login: operands.Login,
    report: options.Report,
) -> int:
    """Compare instances, block devices and metadata of the top with each cell, by uuid. Reads only."""
    from dbaudit.cells.compare import compare as compared

    read = looking((top, *cells), database, jobs, look_again, login, dump_zone, quiet=report.quiet)
    with read as (sides, look):
        result = compared(sides, look)
    return report.write(result)


@app.command("tables")
@grouped
def tables(
    left: Left,
    right: Right,
    table: Table,
    key: Key = None,
    ignore: Ignore = None,
    database: operands.Database = None,
    *,
    login: operands.Login,
    report: options.Report,
) -> int:
    """Compare one table of two live databases by checksums, down to the rows. Exits 1 where rows differ. Reads only."""
    from dbaudit.cells.tables import tables as compared

    with operands.read((left, right), database, login, quiet=report.quiet) as (one, other):
        result = compared(one, other, table, tuple(key or ()), frozenset(ignore or ()))
    return report.write(result)
