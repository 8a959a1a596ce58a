"""`dbaudit ec2`: EC2 credentials of Grizzly and Havana, looked at and kept in step."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dbaudit.cli import operands, options
from dbaudit.cli.grouping import grouped

if TYPE_CHECKING:
    from dbaudit.reconcile import Policy

app = typer.Typer(
    help="Keep EC2 keys in step while Grizzly and Havana run side by side.", no_args_is_help=True, rich_markup_mode=None
)
EPILOG = "Exit codes: 0 in step, 1 something is reported, 2 refused; 64, 66, 75 and 130 as everywhere."
Left = Annotated[
    str, typer.Argument(metavar="LEFT", help="Keystone's database, of Grizzly, of Havana, or with both tables.")
]
Right = Annotated[
    str | None, typer.Argument(metavar="[RIGHT]", help="The database of the other side.", show_default=False)
]
External = Annotated[
    bool, typer.Option("--external-identity", help="Users live elsewhere (LDAP): none is taken for deleted.")
]
FernetKeys = Annotated[
    Path | None,
    typer.Option("--fernet-keys", metavar="DIR", help="Keystone's credential key repository (Newton and later)."),
]
OnConflict = Annotated[
    str, typer.Option("--on-conflict", metavar="report|grizzly|havana", help="Which side is right where both changed.")
]
Confirm = Annotated[
    int, typer.Option("--confirm-deletes", metavar="N", min=0, help="Let up to N deletes through the safety valve.")
]
Share = Annotated[
    float, typer.Option("--max-deletes", metavar="PERCENT", min=0, max=100, help="Of the base, at least 10 keys.")
]
SkipOrphans = Annotated[bool, typer.Option("--skip-orphans", help="Do not carry over keys without a user or project.")]
PruneOrphans = Annotated[
    bool, typer.Option("--prune-orphans", help="Delete keys whose user or project was deleted, on both sides.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", metavar="FILE", help="Key of the digests in the base. Default: in $XDG_STATE_HOME."),
]
JournalSchema = Annotated[
    str, typer.Option("--journal-schema", metavar="NAME", help="Where the base is, on Havana's server; SAME: beside.")
]
Follow = Annotated[
    bool, typer.Option("--follow", help="Go on until SIGTERM; events go to standard output as JSON lines.")
]
Interval = Annotated[str, typer.Option("--interval", metavar="TIME", help="Between rounds of --follow: 1s, 500ms, 2m.")]
Triggers = Annotated[
    bool | None,
    typer.Option(
        "--triggers/--no-triggers",
        help="Print the triggers that mark changed keys; with --apply make them (--follow removes them at its end), "
        "or with --no-triggers remove them.",
    ),
]
Metrics = Annotated[
    Path | None, typer.Option("--metrics", metavar="FILE", help="Prometheus textfile, after each round.")
]
Events = Annotated[
    Path | None, typer.Option("--events", metavar="FILE", help="Where the JSON lines of --follow go, at its end.")
]
Apply = Annotated[bool, typer.Option("--apply", help="Write. Without it, only say what would be done.")]


@app.command("check", epilog=EPILOG)
@grouped
def check(
    left: Left,
    right: Right = None,
    database: operands.Database = None,
    external_identity: External = False,
    fernet_keys: FernetKeys = None,
    *,
    login: operands.Login,
    report: options.Report,
) -> int:
    """Say which keys differ, which cannot be carried over and why. Reads only; takes dumps too."""
    from dbaudit.ec2.check import Wishes
    from dbaudit.ec2.check import check as look
    from dbaudit.ec2.fernet import read_vault

    wishes = Wishes(read_vault(fernet_keys), external_identity)
    names = [left, right] if right else [left]
    with operands.read(names, database, login, quiet=report.quiet) as sides:
        result = look(sides, wishes)
    return report.write(result)


@app.command("sync", epilog=EPILOG)
@grouped
def sync(
    left: Left,
    right: Right = None,
    apply: Apply = False,
    follow: Follow = False,
    interval: Interval = "1s",
    triggers: Triggers = None,
    on_conflict: OnConflict = "report",
    confirm_deletes: Confirm = 0,
    max_deletes: Share = 5.0,
    skip_orphans: SkipOrphans = False,
    prune_orphans: PruneOrphans = False,
    external_identity: External = False,
    fernet_keys: FernetKeys = None,
    key_file: KeyFile = None,
    journal_schema: JournalSchema = "dbaudit",
    metrics: Metrics = None,
    events: Events = None,
    database: operands.Database = None,
    *,
    login: operands.Login,
    report: options.Report,
) -> int:
    """Carry keys over in both directions: new, changed and revoked ones. Cannot be undone; plans without --apply."""
    from dbaudit.cli import places
    from dbaudit.ec2 import course, sync
    from dbaudit.ec2.fernet import read_vault
    from dbaudit.ec2.round import Limits
    from dbaudit.ec2.ruling import Rules
    from dbaudit.repair.stop import on_signals
    from dbaudit.report.ec2 import lines, writer

    names = [left, right] if right else [left]
    rules = Rules(_policy(on_conflict), skip_orphans, prune_orphans)
    key = key_file or places.state() / "ec2.key"
    limits = Limits(max_deletes / 100, confirm_deletes)
    mode = course.Mode(apply, follow, _seconds(interval), triggers)
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(on_signals()) if apply else None
        tell = stack.enter_context(lines(events, sys.stdout)) if follow else None
        wishes = sync.Wishes(
            key, read_vault(fernet_keys), rules, limits, external_identity, journal_schema,
            stopped=(lambda: stop.wanted) if stop else (lambda: False),
        )  # fmt: skip
        with operands.read(names, database, login, quiet=report.quiet) as sides:
            work = sync.open_work(sides, wishes)
        ways = course.Ways(stop, tell, writer(metrics), lambda text: typer.echo(text, err=True))
        result = course.run(work, mode, ways)
    return result.exit if follow else report.write(result)


def _seconds(text: str) -> float:
    """`--interval`: a number of seconds, with s, ms or m behind it."""
    from dbaudit.errors import UsageError

    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m)?", text.strip())
    seconds = float(found[1]) * {"ms": 0.001, "s": 1, "m": 60, None: 1}[found[2]] if found else 0
    if not seconds:
        raise UsageError(f"--interval {text}: no time", "write it as 1s, 500ms or 2m")
    return seconds


def _policy(word: str) -> Policy:
    """`--on-conflict`: Grizzly is the left side."""
    from dbaudit.errors import UsageError
    from dbaudit.reconcile import Policy

    known = {"report": Policy.REPORT, "grizzly": Policy.LEFT, "havana": Policy.RIGHT}
    if word not in known:
        raise UsageError(f"--on-conflict {word}: no such policy", f"one of {', '.join(known)}")
    return known[word]
