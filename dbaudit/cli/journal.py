"""`dbaudit journal`: the schema in which repairs keep what they did."""

from __future__ import annotations

import typer

from dbaudit.cli import operands, writing

app = typer.Typer(help="The journal of repairs.", no_args_is_help=True, rich_markup_mode=None)


@app.command("init")
def init(
    url: writing.Url,
    journal_schema: writing.JournalSchema = "dbaudit",
    defaults_file: operands.DefaultsFile = None,
    ask_password: operands.AskPassword = False,
) -> int:
    """Make the journal's schema and tables on the database's server, if they are not there. Nothing else is touched."""
    from dbaudit.repair.journal import init_journal

    target = writing.target(url, journal_schema, defaults_file, ask_password)
    made = init_journal(target)
    typer.echo(f"made {', '.join(made)} in `{target.journal.schema}`" if made else "the journal is there already")
    return 0
