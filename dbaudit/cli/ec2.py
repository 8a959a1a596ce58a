"""`dbaudit ec2`: EC2 credentials of Grizzly and Havana, looked at and kept in step."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dbaudit.cli import operands, options

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
