"""`dbaudit journal`: the schema in which repairs keep what they did."""

from __future__ import annotations

import typer

from dbaudit.cli import operands, options, writing
from dbaudit.cli.grouping import grouped

app = typer.Typer(help="The journal of repairs.", no_args_is_help=True, rich_markup_mode=None)


@app.command("init")
@grouped
def init(
    url: writing.Url,
    journal_schema: writing.JournalSchema = "dbaudit",
    *,
    login: operands.Login,
    report: options.Report,
) -> int:
    """Make the journal's schema and tables on the database's server, if they are not there. Nothing else is touched."""
    from dbaudit.repair import results

    result = results.initialised(writing.target(url, journal_schema, login))
    return report.write(result)
