"""`dbaudit flavors`: flavors of nova's top database and its cells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dbaudit.cli import operands, options, writing

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
def check(
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
    """Find where the flavors of top and cells do not agree, in definitions and inside instances. Reads only."""
    from dbaudit.cli import places
    from dbaudit.flavors.check import check as checked
    from dbaudit.report.write import destinations, write

    where = destinations(format or [], output)
    with looking((top, *cells), database, jobs, look_again, defaults_file, ask_password, quiet) as (sides, look):
        result = checked(sides, look)
    write(result, where, width=places.width(), colour=places.colour())
    return result.exit


@app.command("reconcile")
def reconcile(
    top: Top,
    cells: Cells,
    authority: Authority,
    delete_extra: DeleteExtra = False,
    apply: writing.Apply = False,
    replica: writing.Replica = None,
    ignore_replicas: writing.IgnoreReplicas = False,
    max_lag: writing.MaxLag = 5.0,
    max_threads: writing.MaxThreads = 25,
    max_history: writing.MaxHistory = 1_000_000,
    max_flow_control: writing.MaxPaused = 5.0,
    sentinel: writing.Sentinel = None,
    run_time: writing.RunTime = None,
    sleep: writing.Sleep = 0.0,
    window: writing.Hours = None,
    max_wait: writing.MaxWait = 120.0,
    journal_schema: writing.JournalSchema = "dbaudit",
    database: operands.Database = None,
    jobs: Jobs = None,
    defaults_file: operands.DefaultsFile = None,
    ask_password: operands.AskPassword = False,
    format: options.Format = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> int:
    """Make definitions equal to an authority's, and ids right where proven. Shows a plan; writes with --apply."""
    from dbaudit.cli import places
    from dbaudit.flavors import reconcile as work
    from dbaudit.flavors.survey import Order
    from dbaudit.report.write import destinations, write

    where = destinations(format or [], output)
    held = writing.brakes(
        replica, ignore_replicas, max_lag, max_threads, max_history, max_flow_control, sentinel, run_time, sleep,
        window, max_wait, defaults_file, ask_password,
    )  # fmt: skip
    read = looking((top, *cells), database, jobs, None, defaults_file, ask_password, quiet)
    with read as (sides, look), writing.holding(held, apply=apply, quiet=quiet) as hold:
        order = Order(authority, delete_extra, journal_schema, hold=hold)
        result = work.apply(sides, look, order) if apply else work.plan(sides, look, order)
    write(result, where, width=places.width(), colour=places.colour())
    return result.exit


@app.command("migrate")
def migrate(
    top: Top,
    cells: Cells,
    apply: writing.Apply = False,
    replica: writing.Replica = None,
    ignore_replicas: writing.IgnoreReplicas = False,
    max_lag: writing.MaxLag = 5.0,
    max_threads: writing.MaxThreads = 25,
    max_history: writing.MaxHistory = 1_000_000,
    max_flow_control: writing.MaxPaused = 5.0,
    sentinel: writing.Sentinel = None,
    run_time: writing.RunTime = None,
    sleep: writing.Sleep = 0.0,
    window: writing.Hours = None,
    max_wait: writing.MaxWait = 120.0,
    journal_schema: writing.JournalSchema = "dbaudit",
    database: operands.Database = None,
    jobs: Jobs = None,
    defaults_file: operands.DefaultsFile = None,
    ask_password: operands.AskPassword = False,
    format: options.Format = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> int:
    """Write Kilo's JSON of every flavor that can be proven. Shows what would be written; writes with --apply."""
    from dbaudit.cli import places
    from dbaudit.flavors.migrate import migrate as work
    from dbaudit.flavors.survey import Order
    from dbaudit.report.write import destinations, write

    where = destinations(format or [], output)
    held = writing.brakes(
        replica, ignore_replicas, max_lag, max_threads, max_history, max_flow_control, sentinel, run_time, sleep,
        window, max_wait, defaults_file, ask_password,
    )  # fmt: skip
    read = looking((top, *cells), database, jobs, None, defaults_file, ask_password, quiet)
    with read as (sides, look), writing.holding(held, apply=apply, quiet=quiet) as hold:
        result = work(sides, look, Order(journal=journal_schema, hold=hold), apply=apply)
    write(result, where, width=places.width(), colour=places.colour())
    return result.exit


@contextmanager
def looking(
    wanted: tuple[str, ...], database: list[str] | None, jobs: int | None, again: float | None,
    defaults_file: Path | None, ask_password: bool, quiet: bool,
) -> Iterator[tuple[tuple[Side, ...], Looking]]:  # fmt: skip
    """The databases that are named, and how to look at them; a folder for files goes when the block ends."""
    from dbaudit.cells.instant import SECOND_LOOK
    from dbaudit.cells.looking import Looking
    from dbaudit.cli import places
    from dbaudit.dryrun.scratch import scratch
    from dbaudit.report.progress import drawn

    seconds = SECOND_LOOK if again is None else again
    with (
        operands.read(wanted, database or [], defaults_file, ask_password, quiet) as sides,
        scratch(places.places()) as folder,
        drawn(quiet=quiet) as watch,
    ):
        yield sides, Looking(folder, jobs or places.processors(), seconds, watch)
