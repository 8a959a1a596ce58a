"""`dbaudit tokens flush`: delete expired tokens and what else keystone leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dbaudit.cli import operands, options

if TYPE_CHECKING:
    from dbaudit.comparison.live import Credentials
    from dbaudit.result import Result
    from dbaudit.tokens.opened import Opened, Wish

app = typer.Typer(
    help="Expired tokens, and what else keystone leaves behind.", no_args_is_help=True, rich_markup_mode=None
)

Url = Annotated[str, typer.Argument(metavar="URL", help="Keystone's database: a URL, or keystone.conf.")]
Database = Annotated[str | None, typer.Option("--database", metavar="NAME", help="Which database.")]
Before = Annotated[
    str | None,
    typer.Option(
        "--before", metavar="TIME", help="The cutoff, UTC. Default: the server's clock minus allow_expired_window."
    ),
]
Only = Annotated[list[str] | None, typer.Option("--only", metavar="TABLE", help="This table alone; repeatable.")]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="keystone.conf, for its settings.")]
Window = Annotated[int | None, typer.Option("--window", metavar="SECONDS", min=0, help="[token] allow_expired_window.")]
Expiration = Annotated[
    int | None, typer.Option("--token-expiration", metavar="SECONDS", min=0, help="[token] expiration.")
]
Ttl = Annotated[
    int | None,
    typer.Option("--authorization-ttl", metavar="MINUTES", min=0, help="[federation] default_authorization_ttl."),
]
JournalSchema = Annotated[
    str,
    typer.Option(
        "--journal-schema", metavar="NAME", help="Where the lease and the journal are; SAME: in the database."
    ),
]
Apply = Annotated[bool, typer.Option("--apply", help="Delete. Without it nothing is changed.")]
Fast = Annotated[bool, typer.Option("--fast", help="Two connections, longer chunks, no rests.")]
Gentle = Annotated[bool, typer.Option("--gentle", help="One connection, short chunks, rests. The default.")]
Rate = Annotated[
    float | None, typer.Option("--rate", metavar="ROWS", min=1, help="Delete at most so many rows a second.")
]


@app.command(
    "flush", epilog="Exit codes: 0 with or without work, 1 a table was skipped, 75 busy or held back too long."
)
def flush(
    url: Url,
    before: Before = None,
    only: Only = None,
    config: Config = None,
    window: Window = None,
    token_expiration: Expiration = None,
    authorization_ttl: Ttl = None,
    apply: Apply = False,
    fast: Fast = False,
    gentle: Gentle = False,
    rate: Rate = None,
    database: Database = None,
    journal_schema: JournalSchema = "dbaudit",
    defaults_file: operands.DefaultsFile = None,
    ask_password: operands.AskPassword = False,
    format: options.Format = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> int:
    """Delete expired tokens, revocation events, trusts, application credentials and memberships: a plan, or --apply."""
    from dbaudit.cli import places
    from dbaudit.report import flush as report
    from dbaudit.report.write import destinations, write
    from dbaudit.tokens import outcome
    from dbaudit.tokens.opened import count, open_flush

    where = destinations(format or [], output)
    settings = {"window": window, "expiration": token_expiration, "default_ttl": authorization_ttl}
    opened = open_flush(_wish(url, database, operands.credentials(defaults_file, ask_password), before, only, config,
                              settings, journal_schema))  # fmt: skip
    if not apply:
        result = outcome.planned(opened, count(opened))
    else:
        result = _applied(opened, fast=fast, gentle=gentle, rate=rate, quiet=quiet)
    if not apply or format or output or result.skipped or places.colour():
        write(result, where, width=places.width(), colour=places.colour(), form=report.render)
    return result.exit


def _wish(
    operand: str, database: str | None, login: Credentials, before: str | None, only: list[str] | None,
    config: Path | None, settings: dict[str, int | None], journal: str,
) -> Wish:  # fmt: skip
    """The operand and its settings; keystone.conf as the operand says its settings too."""
    from dbaudit.comparison.operand import live_url
    from dbaudit.tokens.opened import Wish

    file = config or (None if "://" in operand else Path(operand))
    return Wish(live_url(operand, database, login), before, tuple(only or ()), settings, file, journal)


def _applied(opened: Opened, *, fast: bool, gentle: bool, rate: float | None, quiet: bool) -> Result:
    from dbaudit.errors import UsageError
    from dbaudit.repair.stop import on_signals
    from dbaudit.repair.throttle import Throttle
    from dbaudit.report.progress import drawn
    from dbaudit.tokens import outcome
    from dbaudit.tokens.flush import FAST, GENTLE
    from dbaudit.tokens.run import Run
    from dbaudit.tokens.run import flush as work

    if fast and gentle:
        raise UsageError("--fast and --gentle exclude each other", "--gentle is the default")
    profile = FAST if fast else GENTLE
    with on_signals() as stop, drawn(quiet=quiet) as watch:
        done = work(opened, Run(profile, Throttle(stop=stop, watch=watch), rate, watch))
    return outcome.flushed(opened, done, profile)
