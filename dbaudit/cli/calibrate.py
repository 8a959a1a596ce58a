"""`dbaudit calibrate`: how much slower production is than the throwaway server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dbaudit.cli import operands, options
from dbaudit.cli.grouping import grouped

Url = Annotated[str, typer.Argument(metavar="URL", help="Production, or a server like it: mysql+pymysql://user@host")]
File = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="Where the ratio goes, for dry-run --calibrate.")
]
Apply = Annotated[bool, typer.Option("--apply", help="Do it: it writes in a schema of its own, which it drops.")]
Size = Annotated[
    int, typer.Option("--size", metavar="MB", min=1, max=1024, help="Size of the table that the workload works on.")
]
Rounds = Annotated[int, typer.Option("--rounds", metavar="N", min=2, max=20, help="How often the workload is run.")]


@grouped
def command(
    url: Url,
    output: File,
    apply: Apply = False,
    size: Size = 16,
    rounds: Rounds = 3,
    server: options.Server = "auto",
    server_binary: options.ServerBinary = None,
    format: options.Format = None,
    quiet: options.Quiet = False,
    *,
    login: operands.Login,
) -> int:
    """Time a small workload on a throwaway server and on production; without --apply, say what that would write."""
    from dbaudit.cli import places
    from dbaudit.comparison.live import complete, parse
    from dbaudit.production import calibration
    from dbaudit.report.progress import drawn
    from dbaudit.report.write import destinations, write

    where = destinations(format or [], None)
    whole = complete(parse(url), login.credentials)
    shown = whole.render_as_string(hide_password=True)
    wish = calibration.Wish(whole, shown, size * 10**6, rounds, server, server_binary)
    if not apply:
        result = calibration.announce(wish)
    else:
        with drawn(quiet=quiet) as watch:
            found = calibration.calibrate(wish, places.places(), watch)
        calibration.save(found, output)
        result = calibration.calibrated(found, shown, output)
    write(result, where, width=places.width(), colour=places.colour())
    return result.exit
