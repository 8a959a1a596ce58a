"""`dbaudit audit`: every check, on any database."""

from __future__ import annotations

from typing import Annotated

import typer

from dbaudit.cli import operands, options
from dbaudit.cli.grouping import grouped

Operands = Annotated[
    list[str],
    typer.Argument(
        metavar="OPERAND...",
        help="Dumps (restored into a throwaway server), URLs, or configuration files; several are held together.",
    ),
]
To = Annotated[
    str | None,
    typer.Option(
        "--to", metavar="RELEASE", help="Look for hazards of steps up to it. Default: the last that is known."
    ),
]


@grouped
def command(
    operand: Operands,
    to: To = None,
    database: operands.Database = None,
    server: options.Server = "auto",
    server_binary: options.ServerBinary = None,
    policy: options.Policy = None,
    pack: options.Pack = None,
    *,
    login: operands.Login,
    report: options.Report,
) -> int:
    """Run every check on databases of OpenStack services, and those that need several of them. Reads only."""
    from datetime import date

    from dbaudit import packs
    from dbaudit.cli import places
    from dbaudit.comparison.operand import Reading
    from dbaudit.dryrun.auditing import AuditWish, audit_all
    from dbaudit.dryrun.scratch import scratch
    from dbaudit.release import release
    from dbaudit.report.progress import drawn
    from dbaudit.waiver import waive

    here = places.places()
    for folder in pack or []:
        packs.add(folder)
    site = operands.policy(policy)
    names = operands.names_of(operand, database or [])
    with scratch(here) as spool, drawn(quiet=report.quiet) as watch:
        reading = Reading(spool, None, login.credentials, watch)
        wish = AuditWish(operand, names, reading, here, release(to) if to else None, server, server_binary)
        result = waive(audit_all(wish), site.waivers, date.today())
    return report.write(result)
