"""`dbaudit manifest`: what a database holds, to be checked after the upgrade."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dbaudit.cli import operands, options
from dbaudit.cli.grouping import grouped

Operand = Annotated[
    str,
    typer.Argument(
        metavar="OPERAND",
        help="A dump or mydumper directory, which is restored into a throwaway server, a URL, or a configuration file.",
    ),
]
File = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="Where the manifest goes; gzipped if it ends in .gz.")
]
Kept = Annotated[
    int | None,
    typer.Option("--rows", metavar="N", min=0, help="Compare larger tables by sums, not row by row. Default: 200000."),
]


@grouped
def command(
    operand: Operand,
    output: File,
    database: options.Database = None,
    rows: Kept = None,
    server: options.Server = "auto",
    server_binary: options.ServerBinary = None,
    format: options.Format = None,
    quiet: options.Quiet = False,
    *,
    login: operands.Login,
) -> int:
    """Write down what a database holds, for `dbaudit verify`. Reads only. Exits 1 where services seem to be running."""
    from dbaudit.cli import places
    from dbaudit.cli.verify import wished
    from dbaudit.dryrun.proving import take, taken
    from dbaudit.proof.file import save
    from dbaudit.report.write import destinations, write

    where = destinations(format or [], None)
    with wished(operand, database, rows, server, server_binary, login, quiet=quiet) as wish:
        manifest = take(wish)
    save(manifest, output)
    result = taken(manifest, output)
    write(result, where, width=places.width(), colour=places.colour())
    return result.exit
