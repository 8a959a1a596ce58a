"""The commands, and how an error becomes a message and an exit code."""

from __future__ import annotations

import functools
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Annotated, Any

import typer
from typer.exceptions import Abort, TyperException
from typer.main import get_command

from dbaudit import __version__
from dbaudit.cli import (
    audit,
    calibrate,
    catalogue,
    cells,
    checks,
    diff,
    dry_run,
    ec2,
    flavors,
    inspect,
    journal,
    manifest,
    repair,
    runs,
    server,
    snapshot,
    tokens,
    undo,
    verify,
    volumes,
)
from dbaudit.errors import DbauditError, Exit

EPILOG = (
    "Exit codes: 0 clean, 1 warnings, 2 failed, 64 wrong usage, 66 input that cannot be read or a server that does "
    "not start, 75 busy (try again), 130 interrupted, 255 a bug of dbaudit."
)

app = typer.Typer(
    name="dbaudit",
    help="Rehearse an OpenStack database upgrade on your own dump, and audit MySQL and MariaDB databases.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("dry-run", epilog=EPILOG)(dry_run.command)
app.command("inspect", epilog=EPILOG)(inspect.command)
app.command("diff", epilog=EPILOG)(diff.command)
app.command("snapshot", epilog=EPILOG)(snapshot.command)
app.command("calibrate", epilog=EPILOG)(calibrate.command)
app.command("manifest", epilog=EPILOG)(manifest.command)
app.command("verify", epilog=EPILOG)(verify.command)
app.command("audit", epilog=EPILOG)(audit.command)
app.command("repair", epilog=EPILOG)(repair.command)
app.command("runs", epilog=EPILOG)(runs.command)
app.command("undo", epilog=EPILOG)(undo.command)
app.add_typer(journal.app, name="journal")
app.add_typer(catalogue.app, name="catalogue")
app.add_typer(cells.app, name="cells")
app.add_typer(checks.app, name="checks")
app.add_typer(ec2.app, name="ec2")
app.add_typer(flavors.app, name="flavors")
app.add_typer(server.app, name="server")
app.add_typer(volumes.app, name="volumes")
app.add_typer(tokens.app, name="tokens")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dbaudit {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options that stand before the command."""


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; every message for people goes to standard error."""
    for name in ("SIGTERM", "SIGHUP"):  # a lost terminal ends a run as Ctrl-C does; Windows has no SIGHUP
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    try:
        code = _command()(arguments, standalone_mode=False)
        if code == Exit.INTERRUPTED:  # what typer makes of an interrupt
            return _fail("interrupted", "", Exit.INTERRUPTED)
        return code if isinstance(code, int) else Exit.CLEAN
    except DbauditError as error:
        return _fail(error.what, error.hint, error.exit)
    except TyperException as error:
        return _fail(error.format_message(), "see `dbaudit --help` and `dbaudit COMMAND --help`", Exit.USAGE)
    except (KeyboardInterrupt, Abort):
        return _fail("interrupted", "", Exit.INTERRUPTED)
    except BrokenPipeError:
        sys.stdout = sys.stderr  # the reader is gone: flushing at exit would fail once more
        return Exit.CLEAN
    except Exception:  # noqa: BLE001 - a bug of ours: show it whole, and say so by the exit code
        traceback.print_exc()
        return _fail("this is a bug of dbaudit", "please report it with the lines above", Exit.CRASH)


@functools.cache
def _command() -> Callable[..., Any]:
    """What typer makes of `app`, which takes longer than a short command."""
    return get_command(app)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(what: str, hint: str, code: Exit) -> int:
    print(f"error: {what}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    return code
