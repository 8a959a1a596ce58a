"""Options that mean the same in every command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
Pack = Annotated[
    list[Path] | None,
    typer.Option("--pack", metavar="DIR", help="A folder of further checks, <service>/<check>.py; repeatable."),
]
Policy = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="The site's own objects. Default: ./dbaudit.toml.")
]
