"""`dbaudit inspect`: what a dump holds, without a server."""

from __future__ import annotations

from dbaudit.cli import options


def command(
    dump: options.Dump,
    database: options.Database = None,
    format: options.Format = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> int:
    """Say what a dump holds: tables, rows, whether it is whole, which service and release. Needs no server."""
    from dbaudit.cli import places
    from dbaudit.dryrun.inspection import inspect, report
    from dbaudit.report.progress import drawn
    from dbaudit.report.write import destinations, write

    where = destinations(format or [], output)
    with drawn(quiet=quiet) as watch:
        result = report(inspect(dump, places.places(), database=database, watch=watch))
    write(result, where, width=places.width(), colour=places.colour())
    return result.exit
