"""Operands of `diff` and `snapshot`: their options, and what they take from the surroundings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dbaudit.comparison.live import Credentials
    from dbaudit.comparison.policy import Policy
    from dbaudit.comparison.side import Side
    from dbaudit.progress import Watch
    from dbaudit.server.server import Server

HELP = (
    "A dump, a mydumper directory, a folder of .sql files, a URL (mysql+pymysql://user@host/nova), a service's "
    "configuration file, or a reference (nova@havana, nova@216)."
)
Database = Annotated[
    list[str] | None,
    typer.Option("--database", metavar="NAME", help="Which database; give it twice where the sides differ in it."),
]
DefaultsFile = Annotated[
    Path | None, typer.Option("--defaults-file", metavar="FILE", help="MySQL option file. Default: ~/.my.cnf.")
]
AskPassword = Annotated[bool, typer.Option("--ask-password", help="Ask for the password of a live database.")]
POLICY = Path("dbaudit.toml")


@dataclass(frozen=True)
class Login:
    """How a live database is entered. Who is asked for a password is asked once."""

    defaults_file: DefaultsFile = None
    ask_password: AskPassword = False

    @cached_property
    def credentials(self) -> Credentials:
        """What an option file says, and a password that is asked for on the terminal."""
        from dbaudit.comparison.live import Credentials
        from dbaudit.comparison.option_file import read_option_file

        own = Path.home() / ".my.cnf"
        file = self.defaults_file or (own if own.is_file() else None)
        password = typer.prompt("Password", hide_input=True, err=True, default="") if self.ask_password else None
        return Credentials(read_option_file(file) if file else {}, password)


@contextmanager
def read(
    wanted: Sequence[str],
    databases: Sequence[str] | None,
    login: Login,
    server: str = "auto",
    *,
    quiet: bool,
) -> Iterator[tuple[Side, ...]]:
    """The sides that operands name; what standard input held is kept while the block runs.

    Where SQL is not in the form that servers print, a throwaway `server` is started to read it.
    """
    from dbaudit.cli import places
    from dbaudit.comparison.loading import read_by_server
    from dbaudit.comparison.operand import Reading, read_operand
    from dbaudit.dryrun.scratch import scratch
    from dbaudit.report.progress import drawn

    names, known = names_of(wanted, databases or []), login.credentials
    with scratch(places.places()) as spool, drawn(quiet=quiet) as watch:
        sides = [
            read_operand(each, Reading(spool, name, known, watch)) for each, name in zip(wanted, names, strict=True)
        ]
        yield read_by_server(sides, lambda: _server(server, watch))


@contextmanager
def _server(wish: str, watch: Watch) -> Iterator[Server]:
    from dbaudit.cli import places
    from dbaudit.server.choose import start
    from dbaudit.server.disk import Needs

    with start(wish, places=places.places(), needs=Needs(), watch=watch) as server:
        yield server


def names_of(wanted: Sequence[str], databases: Sequence[str]) -> list[str | None]:
    """The database of each operand, None where it says so itself. Raises UsageError where they do not fit."""
    from dbaudit.errors import UsageError

    if len(databases) not in (0, 1, len(wanted)):
        raise UsageError(f"--database is given {len(databases)} times", "once for all, or once for each operand")
    if list(wanted).count("-") > 1:
        raise UsageError("standard input is one dump, not two", "name a file for the other side")
    names: list[str | None] = list(databases) or [None]
    return names if len(names) == len(wanted) else names * len(wanted)


@contextmanager
def throwaway(wish: str, binary: Path | None, quiet: bool) -> Iterator[tuple[Server, Path, Watch]]:
    """A throwaway server, a folder that goes with it, and who is told how far work is."""
    from dbaudit.cli import places
    from dbaudit.dryrun.scratch import scratch
    from dbaudit.report.progress import drawn
    from dbaudit.server.choose import start
    from dbaudit.server.disk import Needs

    here = places.places()
    with (
        drawn(quiet=quiet) as watch,
        scratch(here) as folder,
        start(wish, places=here, needs=Needs(), binary=binary, watch=watch) as server,
    ):
        yield server, folder, watch


def policy(path: Path | None, plan: Path | None = None) -> Policy:
    """What the site says: in `path`, else in the plan's file where it does, else in ./dbaudit.toml, else nothing."""
    from dbaudit.comparison.policy import Policy, read_policy

    if path is None and plan is not None and (said := read_policy(plan)) != Policy(source=said.source):
        return said
    if path is None and not POLICY.is_file():
        return Policy()
    return read_policy(path or POLICY)
