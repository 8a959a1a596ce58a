"""`dbaudit inspect`: what a dump holds, without a server."""

from __future__ import annotations

from dbaudit.cli import options
from dbaudit.cli.grouping import grouped


@grouped
def command(
    dump: options.Dump,
    database: options.Database = None,
    *,
    report: options.Report,
) -> int:
    """Say what a dump holds: tables, rows, whether it is whole, which service and release. Needs no server."""
    from dbaudit.cli import places
    from dbaudit.dryrun.inspection import inspect as read
    from dbaudit.dryrun.inspection import report as summary
    from dbaudit.report.progress import drawn

    with drawn(quiet=report.quiet) as watch:
        result = summary(read(dump, places.places(), database=database, watch=watch))
    return report.write(result)
