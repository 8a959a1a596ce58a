"""`dbaudit catalogue`: step catalogues of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dbaudit.cli import operands, options

app = typer.Typer(help="Step catalogues: what each migration step does.", no_args_is_help=True, rich_markup_mode=None)
Service = Annotated[str, typer.Argument(metavar="SERVICE", help="The service, as step ids name it: cinder.")]
Runner = Annotated[
    str,
    typer.Option(
        "--runner",
        metavar="command:TEMPLATE|sql:DIR",
        help="The steps: a command with {config} or {url}, and {version}; or a folder of numbered SQL files.",
    ),
]
First = Annotated[
    int,
    typer.Option(
        "--first", metavar="NUMBER", min=1, help="The first step on an empty database, where the earliest were folded."
    ),
]
Releases = Annotated[
    list[str], typer.Option("--release", metavar="NAME=NUMBER", help="The last step of a release; repeatable.")
]
Start = Annotated[
    str | None, typer.Option("--start", metavar="OPERAND", help="Where the steps start. Default: an empty database.")
]
Charset = Annotated[str, typer.Option("--database-charset", metavar="CHARSET", help="The database's default charset.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it here, not to standard output.")
]


@app.command("build")
def build(
    service: Service,
    runner: Runner,
    release: Releases,
    start: Start = None,
    first: First = 1,
    database_charset: Charset = "utf8",
    runner_probe: options.RunnerProbe = None,
    runner_driver: options.RunnerDriver = "mysql+pymysql",
    runner_output: options.RunnerOutput = None,
    step_timeout: options.StepTimeout = None,
    allow_network: options.AllowNetwork = False,
    server: options.Server = "auto",
    server_binary: options.ServerBinary = None,
    output: Output = None,
    quiet: options.Quiet = False,
) -> int:
    """Run each step on an empty database on a throwaway server, and write what it did to the schema."""
    from dbaudit.cli import places
    from dbaudit.comparison import building as work
    from dbaudit.migration.command_runner import Command
    from dbaudit.migration.confine import Network
    from dbaudit.migration.runner import STEP_LIMIT
    from dbaudit.migration.tool import Surroundings
    from dbaudit.report.schema_diff import save
    from dbaudit.schema.known import known_charset

    releases = work.read_releases(release)
    network = Network.ALLOWED if allow_network else Network.REFUSED
    around = Surroundings(places.environment(), network, runner_driver, step_timeout or STEP_LIMIT)
    how = Command("", around, probe=runner_probe)
    with operands.read((start,) if start else (), None, operands.Login(), quiet=quiet) as sides:
        wanted = work.Building(service, releases, sides[0] if sides else None, known_charset(database_charset), first)
    with (
        operands.throwaway(server, server_binary, quiet) as (started, folder, watch),
        work.target(started, wanted, folder) as on,
        work.runner_for(runner, how, on) as steps,
    ):
        save(work.written(work.build(steps, wanted, on, runner_output or places.runs(), watch)), output)
    return 0
