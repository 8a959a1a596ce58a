"""`dbaudit server`: servers of your own that dbaudit may use as throwaway."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Servers that dbaudit may use as throwaway.", no_args_is_help=True, rich_markup_mode=None)


@app.command("mark-throwaway")
def mark(url: Annotated[str, typer.Argument(metavar="URL", help="mysql+pymysql://user@host/ of the server.")]) -> int:
    """Mark a server as throwaway: everything on it may be destroyed by a dry-run. Refused on servers in use."""
    from dbaudit.server.url import mark_throwaway

    mark_throwaway(url)
    typer.echo("marked: dbaudit may now create and drop schemas on this server")
    return 0
