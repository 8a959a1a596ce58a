"""`dbaudit diff`: two schemas, from wherever they are."""

from __future__ import annotations

from typing import Annotated

import typer

from dbaudit.cli import operands, options
from dbaudit.cli.grouping import grouped

Left = Annotated[str, typer.Argument(metavar="A", help=operands.HELP)]
Right = Annotated[str, typer.Argument(metavar="B", help="The same for the other side.")]
To = Annotated[str | None, typer.Option("--to", metavar="RELEASE", help="Which steps count as pending for the policy.")]
Normalised = Annotated[bool, typer.Option("--show-normalised", help="List what was treated as equal, and why.")]
Unified = Annotated[bool, typer.Option("--unified", "-u", help="Write a unified diff of canonical SQL instead.")]
Sql = Annotated[bool, typer.Option("--sql", help="Write the statements that turn A into B, and those back, instead.")]
Alembic = Annotated[bool, typer.Option("--alembic", help="Write an Alembic revision from A to B and back instead.")]
AllowLoss = Annotated[bool, typer.Option("--allow-loss", help="Do not comment out the statements that lose data.")]


@grouped
def command(
    left: Left,
    right: Right,
    database: operands.Database = None,
    policy: options.Policy = None,
    to: To = None,
    show_normalised: Normalised = False,
    unified: Unified = False,
    sql: Sql = False,
    alembic: Alembic = False,
    allow_loss: AllowLoss = False,
    server: options.Reader = "auto",
    pack: options.Pack = None,
    *,
    login: operands.Login,
    report: options.Report,
) -> int:
    """Compare two schemas. Exits 0 where nothing but notes is left, else 1."""
    from dbaudit import packs
    from dbaudit.cli import places
    from dbaudit.comparison.compare import Wishes, compare
    from dbaudit.comparison.findings import result
    from dbaudit.release import release
    from dbaudit.report import schema_diff

    for folder in pack or []:
        packs.add(folder)
    form = schema_diff.form(unified=unified, sql=sql, alembic=alembic, formats=report.format or [])
    wishes = Wishes(operands.policy(policy), release(to) if to else None, show_normalised)
    with operands.read((left, right), database, login, server, quiet=report.quiet) as (one, two):
        comparison = compare(one, two, wishes)
    if form is not None:
        schema_diff.save(schema_diff.written(form, comparison, allow_loss=allow_loss), report.output)
        return result(comparison).exit
    return schema_diff.write(comparison, report.where(), width=places.width(), colour=places.colour()).exit
