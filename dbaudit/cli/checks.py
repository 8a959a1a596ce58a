"""`dbaudit checks`: which checks there are, and what each is about."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dbaudit.cli import options

app = typer.Typer(help="The checks: what each looks for and why.", no_args_is_help=True, rich_markup_mode=None)


class Form(StrEnum):
    """How checks are written out."""

    TEXT = "text"
    JSON = "json"


Format = Annotated[Form, typer.Option("--format", help="text or json.")]


@app.command("list")
def list_checks(format: Format = Form.TEXT, pack: options.Pack = None) -> None:
    """Name every check, with its severity, its effect, the step that it precedes, and what its repair does."""
    from dbaudit import packs
    from dbaudit.report.catalogue import as_json

    for folder in pack or []:
        packs.add(folder)
    if format is Form.JSON:
        typer.echo(as_json([each for service in (*packs.services(), packs.STEPS) for each in packs.checks(service)]))
        return
    for service in (*packs.services(), packs.STEPS):
        for each in packs.checks(service):
            repair = f" [{each.repair.verb}]" if each.repair else ""
            others = f" and {len(each.steps) - 1} more" if len(each.steps) > 1 else ""
            where = f"before {each.before}{others}" if each.before else str(each.releases)
            typer.echo(f"{each.id:<34} {each.severity:<8} {each.effect:<11} {where:<27} {each.title}{repair}")


@app.command("explain")
def explain(check: str, format: Format = Form.TEXT, pack: options.Pack = None) -> None:
    """Print what a check looks for, why it matters and how to repair it."""
    from dbaudit import packs
    from dbaudit.report.catalogue import as_json

    for folder in pack or []:
        packs.add(folder)
    found = packs.check(check)
    if format is Form.JSON:
        typer.echo(as_json([found]))
        return
    told = f"\n\n`dbaudit repair {found.id} URL` does it." if found.repair else ""
    typer.echo(f"{found.id}\n\n{found.documentation}{told}")
