"""`dbaudit checks`: which checks there are, and what each is about."""

from __future__ import annotations

import typer

app = typer.Typer(help="The checks: what each looks for and why.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_checks() -> None:
    """Name every check, with its severity, its effect and the step that it precedes."""
    from dbaudit import packs

    for service in (*packs.services(), packs.STEPS):
        for each in packs.checks(service):
            others = f" and {len(each.steps) - 1} more" if len(each.steps) > 1 else ""
            where = f"before {each.before}{others}" if each.before else str(each.releases)
            typer.echo(f"{each.id:<34} {each.severity:<8} {each.effect:<11} {where:<27} {each.title}")


@app.command("explain")
def explain(check: str) -> None:
    """Print what a check looks for, why it matters and how to repair it."""
    from dbaudit import packs

    found = packs.check(check)
    typer.echo(f"{found.id}\n\n{found.documentation}")
