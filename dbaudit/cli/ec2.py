"""`dbaudit ec2`: EC2 credentials of Grizzly and Havana, looked at and kept in step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dbaudit.cli import operands, options

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
Apply = Annotated[bool, typer.Option("--apply", help="Write. Without it, only say what would be done.")]


@app.command("check", epilog=EPILOG)
def check(
    left: Left,
    right: Right = None,
    database: operands.Database = None,
    external_identity: External = False,
    fernet_keys: FernetKeys = None,
    defaults_file: operands.DefaultsFile = None,
    ask_password: operands.AskPassword = False,
    format: options.Format = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> int:
    """Say which keys differ, which cannot be carried over and why. Reads only; takes dumps too."""
    from dbaudit.cli import places
    from dbaudit.ec2.check import Wishes
    from dbaudit.ec2.check import check as look
    from dbaudit.ec2.fernet import read_vault
    from dbaudit.report.write import destinations, write

    where = destinations(format or [], output)
    wishes = Wishes(read_vault(fernet_keys), external_identity)
    names = [left, right] if right else [left]
    with operands.read(names, database or [], defaults_file, ask_password, quiet) as sides:
        result = look(sides, wishes)
    write(result, where, width=places.width(), colour=places.colour())
    return result.exit


@app.command("sync", epilog=EPILOG)
def sync(
    left: Left,
    right: Right = None,
    apply: Apply = False,
    on_conflict: OnConflict = "report",
    confirm_deletes: Confirm = 0,
    max_deletes: Share = 5.0,
    skip_orphans: SkipOrphans = False,
    prune_orphans: PruneOrphans = False,
    external_identity: External = False,
    fernet_keys: FernetKeys = None,
    key_file: KeyFile = None,
    journal_schema: JournalSchema = "dbaudit",
    database: operands.Database = None,
    defaults_file: operands.DefaultsFile = None,
    ask_password: operands.AskPassword = False,
    format: options.Format = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> int:
    """Carry keys over in both directions: new, changed and revoked ones. Cannot be undone; plans without --apply."""
    from dbaudit.cli import places
    from dbaudit.ec2 import sync as work
    from dbaudit.ec2.fernet import read_vault
    from dbaudit.ec2.round import Limits
    from dbaudit.ec2.ruling import Rules
    from dbaudit.report.write import destinations, write

    where = destinations(format or [], output)
    rules = Rules(_policy(on_conflict), skip_orphans, prune_orphans)
    limits = Limits(max_deletes / 100, confirm_deletes)
    key = key_file or places.state() / "ec2.key"
    wishes = work.Wishes(key, read_vault(fernet_keys), rules, limits, external_identity, journal_schema)
    names = [left, right] if right else [left]
    with operands.read(names, database or [], defaults_file, ask_password, quiet) as sides:
        opened = work.open_work(sides, wishes)
    result = work.apply(opened) if apply else work.plan(opened)
    write(result, where, width=places.width(), colour=places.colour())
    return result.exit


def _policy(word: str) -> Policy:
    """`--on-conflict`: Grizzly is the left side."""
    from dbaudit.errors import UsageError
    from dbaudit.reconcile import Policy

    known = {"report": Policy.REPORT, "grizzly": Policy.LEFT, "havana": Policy.RIGHT}
    if word not in known:
        raise UsageError(f"--on-conflict {word}: no such policy", f"one of {', '.join(known)}")
    return known[word]
