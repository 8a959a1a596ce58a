"""`dbaudit volumes`: backfills of cinder's volumes."""

from __future__ import annotations

from typing import Annotated

import typer

from dbaudit.cli import operands, options, writing
from dbaudit.cli.grouping import grouped

app = typer.Typer(
    help="Backfills of cinder's volumes: their type, their host.", no_args_is_help=True, rich_markup_mode=None
)
Type = Annotated[str, typer.Option("--type", metavar="TYPE", help="The volume type, by name or id.")]
Deleted = Annotated[bool, typer.Option("--include-deleted", help="Rows that are deleted softly, too.")]
NoSnapshots = Annotated[
    bool, typer.Option("--no-snapshot-gb-quota", help="Cinder has no_snapshot_gb_quota: snapshots use no gigabytes.")
]
Moves = Annotated[list[str], typer.Argument(metavar="OLD=NEW...", help="p01=p01@standard; a #pool is kept.")]
WillCome = Annotated[
    bool, typer.Option("--service-will-come", help="The service of the new host need not be there, or alive, yet.")
]


@app.command("backfill-type")
@grouped
def backfill_type(
    url: writing.Url,
    type: Type,
    include_deleted: Deleted = False,
    no_snapshot_gb_quota: NoSnapshots = False,
    apply: writing.Apply = False,
    max_rows: writing.MaxRows = None,
    chunk_time: writing.ChunkTime = 0.2,
    journal_schema: writing.JournalSchema = "dbaudit",
    *,
    held: writing.Braked,
    login: operands.Login,
    report: options.Report,
) -> int:
    """Give volumes without a type one, and their snapshots, and make the type's quota usage right. A plan; --apply."""
    from dbaudit.volumes.backfill import NAME, Scope, backfill
    from dbaudit.volumes.look import Look

    brakes = held.brakes(login)
    target = writing.target(url, journal_schema, login)
    with target.session() as connection:
        work = backfill(Look(connection, target), type, Scope(include_deleted, not no_snapshot_gb_quota))
    result = writing.do(
        NAME, work, target, writing.limits(max_rows, chunk_time), brakes, apply=apply, quiet=report.quiet
    )
    return report.write(result)


@app.command("rehost")
@grouped
def rehost(
    url: writing.Url,
    moves: Moves,
    service_will_come: WillCome = False,
    include_deleted: Deleted = False,
    apply: writing.Apply = False,
    max_rows: writing.MaxRows = None,
    chunk_time: writing.ChunkTime = 0.2,
    journal_schema: writing.JournalSchema = "dbaudit",
    *,
    held: writing.Braked,
    login: operands.Login,
    report: options.Report,
) -> int:
    """Move volumes, and what names their back end, to the host under which its service runs now. A plan; --apply."""
    from dbaudit.volumes.look import Look
    from dbaudit.volumes.rehost import NAME, read_moves
    from dbaudit.volumes.rehost import rehost as plan

    wanted = read_moves(moves)
    brakes = held.brakes(login)
    target = writing.target(url, journal_schema, login)
    with target.session() as connection:
        look = Look(connection, target)
        work = plan(look, wanted, service_will_come=service_will_come, deleted_too=include_deleted)
    result = writing.do(
        NAME, work, target, writing.limits(max_rows, chunk_time), brakes, apply=apply, quiet=report.quiet
    )
    return report.write(result)
