"""Options that mean the same in every command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dbaudit.report.write import Destination, Form
    from dbaudit.result import Result

Dump = Annotated[
    str,
    typer.Argument(
        metavar="DUMP",
        help="A dump: .sql, plain or .gz, .xz, .bz2, .zst; a mydumper directory; - for standard input.",
    ),
]
To = Annotated[str, typer.Option("--to", metavar="RELEASE", help="The release to upgrade to, for example havana.")]
Database = Annotated[
    str | None, typer.Option("--database", metavar="NAME", help="Which database, where a dump holds several.")
]
Server = Annotated[
    str,
    typer.Option(
        "--server",
        metavar="auto|private|container[:IMAGE]|URL",
        help="Where to restore: a private mysqld or mariadbd, a container, or a server marked as throwaway.",
    ),
]
Reader = Annotated[
    str,
    typer.Option(
        "--server",
        metavar="auto|private|container[:IMAGE]|URL",
        help="Where SQL is loaded to be read that no server wrote (inline keys, CREATE INDEX behind a table).",
    ),
]
ServerBinary = Annotated[
    Path | None, typer.Option("--server-binary", metavar="FILE", help="The mysqld or mariadbd to run.")
]
Format = Annotated[
    list[str] | None,
    typer.Option("--format", metavar="NAME[=FILE]", help="text or json; repeat it for several. Default: text."),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the report here, not to standard output.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]


@dataclass(frozen=True, slots=True)
class Report:
    """Where a command's report goes. A format that does not exist is refused before any work begins."""

    format: Format = None
    output: Output = None
    quiet: Quiet = False

    def __post_init__(self) -> None:
        self.where()

    def where(self) -> tuple[Destination, ...]:
        """Each format with its place."""
        from dbaudit.report.write import destinations

        return destinations(self.format or [], self.output)

    def write(self, result: Result, form: Form | None = None) -> int:
        """Write the result, as text in `form` where a command has one of its own; gives the exit code."""
        from dbaudit.cli import places
        from dbaudit.report import text
        from dbaudit.report.write import write

        write(result, self.where(), width=places.width(), colour=places.colour(), form=form or text.render)
        return result.exit


Pack = Annotated[
    list[Path] | None,
    typer.Option("--pack", metavar="DIR", help="A folder of further checks, <service>/<check>.py; repeatable."),
]
Policy = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="The site's own objects. Default: ./dbaudit.toml.")
]
RunnerProbe = Annotated[
    str | None,
    typer.Option(
        "--runner-probe",
        metavar="TEMPLATE",
        help="A command of the tool that only says the version; known for OpenStack's *-manage tools.",
    ),
]
RunnerDriver = Annotated[
    str,
    typer.Option(
        "--runner-driver",
        metavar="DIALECT",
        help="Dialect and driver of the URL that the tool gets; mysql for the virtualenvs of Python 2.",
    ),
]
RunnerVenv = Annotated[
    Path | None,
    typer.Option(
        "--runner-venv", metavar="DIR", help="The virtualenv of the tool. Alembic: found beside the ini where it is."
    ),
]
RunnerImage = Annotated[
    str | None,
    typer.Option(
        "--runner-image", metavar="IMAGE", help="Run the tool in a container of this image, without a network."
    ),
]
RunnerEnv = Annotated[
    list[str] | None,
    typer.Option(
        "--runner-env",
        metavar="NAME=VALUE",
        help="Set a variable for the tool; {url} and {config} are filled in. Repeatable.",
    ),
]
StepTimeout = Annotated[
    float | None,
    typer.Option("--step-timeout", metavar="SECONDS", min=1, help="Stop a step that takes longer. Default: a day."),
]
StallTimeout = Annotated[
    float | None,
    typer.Option(
        "--stall-timeout",
        metavar="SECONDS",
        min=0,
        help="Stop a step when nothing moves for so long: no row, no byte, no processor. Default: an hour; 0: never.",
    ),
]
RunnerOutput = Annotated[
    Path | None,
    typer.Option(
        "--runner-output", metavar="DIR", help="Keep here what the tool prints, a file a step. Default: cache."
    ),
]
AllowNetwork = Annotated[
    bool,
    typer.Option("--allow-network", help="Run the tool although it cannot be cut off from the network. Dangerous."),
]
ProductionSize = Annotated[
    list[str] | None,
    typer.Option(
        "--production-size",
        metavar="TABLE=ROWS|FILE",
        help="Rows of production's tables, or what `manifest` or `inspect --format json` wrote of it; repeatable.",
    ),
]
Calibrate = Annotated[
    Path | None,
    typer.Option("--calibrate", metavar="FILE", help="The ratio of production to this server, by dbaudit calibrate."),
]
