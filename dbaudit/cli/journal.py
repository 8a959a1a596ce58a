"""`dbaudit journal`: the schema in which repairs keep what they did."""

from __future__ import annotations

import typer

from dbaudit.cli import operands, options, writing

app = typer.Typer(help="The journal of repairs.", no_args_is_help=True, rich_markup_mode=None)


@app.command("init")
def init(
    url: writing.Url,
    journal_schema: writing.JournalSchema = "dbaudit",
    defaults_file: operands.DefaultsFile = None,
    ask_password: operands.AskPassword = False,
    format: options.Format = None,
    output: options.Output = None,
) -> int:
    """Make the journal's schema and tables on the database's server, if they are not there. Nothing else is touched."""
    from dbaudit.cli import places
    from dbaudit.repair import results
    from dbaudit.report.write import destinations, write

    where = destinations(format or [], output)
    result = results.initialised(writing.target(url, journal_schema, defaults_file, ask_password))
    write(result, where, width=places.width(), colour=places.colour())
    return result.exit
