"""`dbaudit flavors`: flavors of nova's top database and its cells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from dbaudit.cli import operands, options, writing
from dbaudit.cli.grouping import grouped

if TYPE_CHECKING:
    from dbaudit.cells.looking import Looking
    from dbaudit.comparison.side import Side

app = typer.Typer(help="Flavors that agree in nova's top database and all its cells.", no_args_is_help=True)

Top = Annotated[str, typer.Argument(metavar="TOP", help="The top (API) database: a dump, a URL, a configuration file.")]
Cells = Annotated[list[str], typer.Argument(metavar="CELL...", help="The databases of the cells, each the same way.")]
Jobs = Annotated[int | None, typer.Option("--jobs", metavar="N", min=1, help="Databases at once. Default: processors.")]
Again = Annotated[
    float | None,
    typer.Option(
        "--look-again", metavar="SECONDS", min=0, help="When a live comparison looks at suspects again. Default: 30."
    ),
]


DumpZone = Annotated[
    str | None,
    typer.Option("--dump-zone", metavar="ZONE", help="The zone of the dates in dumps, e.g. +08:00 or Europe/Berlin."),
]
Authority = Annotated[
    str,
    typer.Option("--authority", metavar="top|CELL", help="Whose definitions are right: the top, or a cell as named."),
]
DeleteExtra = Annotated[
    bool, typer.Option("--delete-extra", help="Soft-delete what the authority has not; otherwise it stays.")
]


@app.callback()
def group() -> None:
    """Keep commands of their own names, however few there are."""


@app.command("check")
@grouped
def check(
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
    """Find where the flavors of top and cells do not agree, in definitions and inside instances. Reads only."""
    from dbaudit.flavors.check import check as checked

    read = looking((top, *cells), database, jobs, look_again, login, dump_zone, quiet=report.quiet)
    with read as (sides, look):
        result = checked(sides, look)
    return report.write(result)


@app.command("reconcile")
@grouped
def reconcile(
    top: Top,
    cells: Cells,
    authority: Authority,
    delete_extra: DeleteExtra = False,
    apply: writing.Apply = False,
    journal_schema: writing.JournalSchema = "dbaudit",
    database: operands.Database = None,
    jobs: Jobs = None,
    *,
    held: writing.Braked,
    login: operands.Login,
    report: options.Report,
) -> int:
    """Make definitions equal to an authority's, and ids right where proven. Shows a plan; writes with --apply."""
    from dbaudit.flavors import reconcile as work
    from dbaudit.flavors.survey import Order

    read = looking((top, *cells), database, jobs, None, login, quiet=report.quiet)
    with read as (sides, look), writing.holding(held.brakes(login), apply=apply, quiet=report.quiet) as hold:
        order = Order(authority, delete_extra, journal_schema, hold=hold)
        result = work.apply(sides, look, order) if apply else work.plan(sides, look, order)
    return report.write(result)


@app.command("migrate")
@grouped
def migrate(
    top: Top,
    cells: Cells,
    apply: writing.Apply = False,
    journal_schema: writing.JournalSchema = "dbaudit",
    database: operands.Database = None,
    jobs: Jobs = None,
    *,
    held: writing.Braked,
    login: operands.Login,
    report: options.Report,
) -> int:
    """Write Kilo's JSON of every flavor that can be proven. Shows what would be written; writes with --apply."""
    from dbaudit.flavors.migrate import migrate as work
    from dbaudit.flavors.survey import Order

    read = looking((top, *cells), database, jobs, None, login, quiet=report.quiet)
    with read as (sides, look), writing.holding(held.brakes(login), apply=apply, quiet=report.quiet) as hold:
        result = work(sides, look, Order(journal=journal_schema, hold=hold), apply=apply)
    return report.write(result)


@contextmanager
def looking(
    wanted: tuple[str, ...], database: list[str] | None, jobs: int | None, again: float | None,
    login: operands.Login, dump_zone: str | None = None, *, quiet: bool,
) -> Iterator[tuple[tuple[Side, ...], Looking]]:  # fmt: skip
    """The databases that are named, and how to look at them; a folder for files goes when the block ends."""
    from dbaudit.cells.dumptime import zone_of
    from dbaudit.cells.instant import SECOND_LOOK
    from dbaudit.cells.looking import Looking
    from dbaudit.cli import places
    from dbaudit.dryrun.scratch import scratch
    from dbaudit.report.progress import drawn

    seconds, zone = SECOND_LOOK if again is None else again, zone_of(dump_zone) if dump_zone else None
    with (
        operands.read(wanted, database, login, quiet=quiet) as sides,
        scratch(places.places()) as folder,
        drawn(quiet=quiet) as watch,
    ):
        yield sides, Looking(folder, jobs or places.processors(), seconds, watch, zone=zone)
