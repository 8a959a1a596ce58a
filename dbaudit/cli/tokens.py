"""`dbaudit tokens flush`: delete expired tokens and what else keystone leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dbaudit.cli import operands, options, writing
from dbaudit.cli.grouping import grouped

if TYPE_CHECKING:
    from dbaudit.comparison.live import Credentials
    from dbaudit.tokens.flush import Profile
    from dbaudit.tokens.opened import Wish

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
Expired = Annotated[
    int | None, typer.Option("--allow-expired-window", metavar="SECONDS", min=0, help="[token] allow_expired_window.")
]
Expiration = Annotated[
    int | None, typer.Option("--token-expiration", metavar="SECONDS", min=0, help="[token] expiration.")
]
Ttl = Annotated[
    int | None,
    typer.Option("--authorization-ttl", metavar="MINUTES", min=0, help="[federation] default_authorization_ttl."),
]
Fast = Annotated[bool, typer.Option("--fast", help="Two connections, longer chunks, no rests.")]
Gentle = Annotated[bool, typer.Option("--gentle", help="One connection, short chunks, rests. The default.")]
Rate = Annotated[
    float | None, typer.Option("--rate", metavar="ROWS", min=1, help="Delete at most so many rows a second.")
]
Archive = Annotated[
    Path | None,
    typer.Option(
        "--archive", metavar="FILE", help="Write the rows here before they go: JSON lines, or SQL if it is .sql; .gz."
    ),
]
Journal = Annotated[
    bool,
    typer.Option("--journal", help="Keep every row in the journal, for `dbaudit undo`: slower, takes room."),
]
Optimize = Annotated[bool, typer.Option("--optimize", help="Afterwards OPTIMIZE TABLE, which builds it anew.")]
Rebuild = Annotated[
    bool, typer.Option("--rebuild", help="Keystone stopped: copy the living tokens to a new table and swap the two.")
]
Metrics = Annotated[
    Path | None, typer.Option("--metrics", metavar="FILE", help="Leave a Prometheus textfile behind, written at once.")
]


@app.command(
    "flush", epilog="Exit codes: 0 with or without work, 1 a table cannot be flushed, 75 another run, or held back."
)
@grouped
def flush(
    url: Url,
    before: Before = None,
    only: Only = None,
    config: Config = None,
    allow_expired_window: Expired = None,
    token_expiration: Expiration = None,
    authorization_ttl: Ttl = None,
    apply: writing.Apply = False,
    fast: Fast = False,
    gentle: Gentle = False,
    rate: Rate = None,
    archive: Archive = None,
    journal: Journal = False,
    optimize: Optimize = False,
    rebuild: Rebuild = False,
    metrics: Metrics = None,
    database: Database = None,
    journal_schema: writing.JournalSchema = "dbaudit",
    *,
    held: writing.Braked,
    login: operands.Login,
    report: options.Report,
) -> int:
    """Delete expired tokens, revocation events, trusts, application credentials and memberships: a plan, or --apply."""
    from dbaudit.cli import places
    from dbaudit.repair.brakes import throttle_of
    from dbaudit.report.flush import render
    from dbaudit.tokens.journaled import resumed, work_of
    from dbaudit.tokens.opened import open_flush
    from dbaudit.tokens.outcome import journaled, plan
    from dbaudit.tokens.renewal import plan_rebuild
    from dbaudit.tokens.renewal import rebuild as renew
    from dbaudit.tokens.run import Run, carry_out

    profile = _profile(fast=fast, gentle=gentle)
    settings = {"window": allow_expired_window, "expiration": token_expiration, "default_ttl": authorization_ttl}
    brakes = held.brakes(login)
    opened = open_flush(_wish(url, database, login.credentials, before, only, config, settings, journal_schema))
    if journal:
        _refuse("journal", fast=fast, rate=rate, archive=archive, optimize=optimize, rebuild=rebuild, metrics=metrics)
        opened = resumed(opened)
        work, limits = work_of(opened), writing.limits(None, 0.2)
        done = writing.do("tokens flush", work, opened.target, limits, brakes, apply=apply, quiet=report.quiet)
        return report.write(journaled(opened, done))
    if rebuild:
        _refuse("rebuild", fast=fast, rate=rate, archive=archive, optimize=optimize)
    if not apply:
        result = plan_rebuild(opened) if rebuild else plan(opened)
    else:
        with writing.at_work(quiet=report.quiet or not places.terminal()) as (stop, watch):
            throttle = throttle_of(brakes, opened.target, stop, watch)
            run = Run(throttle, rate, archive, optimize, metrics, watch)
            result = renew(opened, run) if rebuild else carry_out(opened, run, profile)
    if not apply or rebuild or report.format or report.output or result.exit or result.skipped or places.terminal():
        report.write(result, form=render)
    return result.exit


def _refuse(option: str, **others: object) -> None:
    """Ways of their own, which have none of these."""
    from dbaudit.errors import UsageError

    for name, value in others.items():
        if value:
            raise UsageError(f"--{option} and --{name} exclude each other", "leave one of them out")


def _profile(*, fast: bool, gentle: bool) -> Profile:
    from dbaudit.errors import UsageError
    from dbaudit.tokens.flush import FAST, GENTLE

    if fast and gentle:
        raise UsageError("--fast and --gentle exclude each other", "--gentle is the default")
    return FAST if fast else GENTLE


def _wish(
    operand: str, database: str | None, login: Credentials, before: str | None, only: list[str] | None,
    config: Path | None, settings: dict[str, int | None], journal: str,
) -> Wish:  # fmt: skip
    """The operand and its settings; keystone.conf as the operand says its settings too."""
    from dbaudit.comparison.operand import live_url
    from dbaudit.tokens.opened import Wish

    file = config or (None if "://" in operand else Path(operand))
    return Wish(live_url(operand, database, login), before, tuple(only or ()), settings, file, journal)
