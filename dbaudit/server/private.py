"""A server of our own: a mysqld or mariadbd of this machine with its own data, its own socket, and no network.

Everything it has lies in one directory that goes away with it. See `supervisor` for how it ends.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pymysql

from dbaudit.errors import DbauditError
from dbaudit.progress import Progress, Watch, silent
from dbaudit.server import binary, disk, log, options, template, workspace
from dbaudit.server.binary import Binary
from dbaudit.server.disk import Needs
from dbaudit.server.identity import Identity, server_identity
from dbaudit.server.lifeline import Lifeline, Order
from dbaudit.server.place import Places
from dbaudit.server.server import Account, Endpoint, Kept, Server, client_options, new_password
from dbaudit.server.version import ServerVersion
from dbaudit.server.workspace import SOCKET_PATH_LIMIT, Workspace

# Seconds for a server to answer its first query: 0.1 to 0.6 on an idle machine.
START_WITHIN = 120
# Seconds between two looks whether it answers.
_LOOK_EVERY = 0.01
# Where a socket goes when the path of the data directory is too long for one.
_SHORT = Path("/tmp")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start, where, and for what."""

    binary: Binary
    places: Places
    needs: Needs
    origin: ServerVersion | None  # the dump's server, whose defaults are taken over
    identity: Identity


class PrivateServer(Server):
    """A running private server; `lifeline` holds its supervisor."""

    kind = "private"

    def __init__(self, plan: Plan, endpoint: Endpoint, spaces: list[Workspace], lifeline: Lifeline, pid: int) -> None:
        super().__init__(
            label=f"private {plan.binary.version.name} ({plan.binary.path})",
            version=plan.binary.version,
            endpoint=endpoint,
            directory=spaces[0].path,
        )
        self.pid = pid
        self.supervisor = lifeline.pid
        self._lifeline = lifeline
        self._close = _closer(lifeline, spaces)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the server's log."""
        assert self.directory is not None
        return log.tail(self.directory / "log", lines)

    def keep(self) -> Kept:
        """Have its supervisor stay, and the server with it, until the supervisor is told to end."""
        assert self.directory is not None
        options = client_options(self.directory / "client.cnf", self._endpoint)
        self._lifeline.keep()
        self._close = _nothing
        return Kept(f"mysql --defaults-extra-file={options}", f"kill {self.supervisor}")

    def close(self) -> None:
        """Kill the server and remove its directory."""
        self._close()


def start_private(
    program: Path, places: Places, needs: Needs, *, origin: ServerVersion | None = None, watch: Watch = silent
) -> PrivateServer:
    """Start `program` as a private server. Raises DbauditError: no such program, disk too small, did not start."""
    identity = server_identity()
    plan = Plan(binary.examine(program, identity), places, needs, origin, identity)
    watch(Progress("serve", 0, None, "servers", plan.binary.version.name))
    _check_place(plan)
    recipe = template.Recipe(plan.binary, identity, places.cache)
    try:
        return _start(plan, recipe)
    except _StartedFromTemplate:
        template.drop(recipe)
        return _start(plan, recipe)


class _StartedFromTemplate(DbauditError):
    """It did not start, and the cached template may be why."""


def _check_place(plan: Plan) -> None:
    tmp = plan.places.tmp
    if not tmp.is_dir():
        raise DbauditError(f"there is no directory {tmp} for temporary files", "set TMPDIR to one that there is")
    workspace.sweep(tmp)
    if (closed := plan.identity.can_enter(tmp.resolve())) is not None:
        raise DbauditError(
            f"a private server runs as {plan.identity.name} here, never as root, and {closed} is closed to that user",
            "set TMPDIR to a directory that every user can enter, such as /var/tmp",
        )
    disk.require(tmp, plan.needs)


def _start(plan: Plan, recipe: template.Recipe) -> PrivateServer:
    with contextlib.ExitStack() as undo:
        spaces = [workspace.make(plan.places.tmp, plan.identity)]
        undo.callback(_abandon, spaces)
        if len(str(spaces[0].path / "data" / "s")) >= SOCKET_PATH_LIMIT:
            workspace.sweep(_SHORT)
            spaces.append(workspace.make(_SHORT, plan.identity))
        lifeline = Lifeline([space.path for space in spaces], [space.lock for space in spaces])
        undo.pop_all()
        undo.callback(_closer(lifeline, spaces))
        server = _launch(plan, recipe, spaces, lifeline)
        undo.pop_all()
        return server


def _abandon(spaces: list[Workspace]) -> None:
    for space in spaces:
        workspace.discard(space.path)
        space.release()


def _closer(lifeline: Lifeline, spaces: list[Workspace]) -> Callable[[], None]:
    """What ends a server, once: its supervisor does the work, and we do it where that one has been killed."""
    left = [spaces]

    def close() -> None:
        if left:
            lifeline.let_go()
            _abandon(left.pop())

    return close


def _launch(plan: Plan, recipe: template.Recipe, spaces: list[Workspace], lifeline: Lifeline) -> PrivateServer:
    home, identity = spaces[0].path, plan.identity
    data = workspace.own_directory(home / "data", identity)
    for name in ("tmp", "files", "plugins"):
        workspace.own_directory(home / name, identity)
    sockets = data if len(spaces) == 1 else workspace.own_directory(spaces[1].path / "data", identity)
    logfile = home / "log"
    cached = template.fill(recipe, data, lifeline, logfile)
    endpoint = Endpoint(Account("root", new_password()), socket=sockets / "s")
    first = _write_first_statements(plan, data / "first.sql", endpoint.admin)
    order = Order(
        argv=[str(plan.binary.path), "--no-defaults", *_arguments(plan, home, endpoint, first)],
        log=str(logfile),
        cwd=str(data),
        user=(identity.uid, identity.gid) if identity.drop else None,
    )
    pid = lifeline.run(order, identity)
    try:
        _await(plan, endpoint, lifeline, logfile)
    except DbauditError as error:
        raise (_StartedFromTemplate(error.what, error.hint) if cached else error) from error
    first.unlink()
    return PrivateServer(plan, endpoint, spaces, lifeline, pid)


def _arguments(plan: Plan, home: Path, endpoint: Endpoint, first: Path) -> list[str]:
    share = binary.find_share(plan.binary, plan.identity)
    return [
        *(share.options if share else ()),
        f"--datadir={home / 'data'}",
        f"--socket={endpoint.socket}",
        f"--pid-file={home / 'data' / 'pid'}",
        f"--tmpdir={home / 'tmp'}",
        f"--secure-file-priv={home / 'files'}",
        f"--plugin-dir={home / 'plugins'}",  # empty: nothing can be loaded, CONNECT and SPIDER among it
        f"--init-file={first}",
        "--skip-networking",
        *options.common(plan.binary.version, plan.needs, plan.origin),
    ]


def _write_first_statements(plan: Plan, path: Path, admin: Account) -> Path:
    """The SQL that gives root its password before the first connection; removed when it has run."""
    if plan.binary.version.at_least(mysql=(5, 7)):
        statement = f"ALTER USER '{admin.user}'@'localhost' IDENTIFIED BY '{admin.password}';\n"
    else:
        statement = f"SET PASSWORD FOR '{admin.user}'@'localhost' = PASSWORD('{admin.password}');\n"
    path.touch(mode=0o600)
    path.write_text(statement)
    if plan.identity.drop:
        os.chown(path, plan.identity.uid, plan.identity.gid)
    return path


def _nothing() -> None:
    """What closing a kept server does."""


def _await(plan: Plan, endpoint: Endpoint, lifeline: Lifeline, logfile: Path) -> None:
    """Wait for the first answer to a query."""
    end, problem = time.monotonic() + START_WITHIN, f"did not answer within {START_WITHIN} s"
    assert endpoint.socket is not None
    while time.monotonic() < end:
        code = lifeline.exited(_LOOK_EVERY)
        if code is not None:
            problem = f"ended with code {code}"
            break
        if endpoint.socket.exists():
            with contextlib.suppress(pymysql.MySQLError, OSError):
                endpoint.connect(endpoint.admin).close()
                return
    tail = log.tail(logfile)
    if disk.tells_full(tail):
        raise disk.full_error(logfile.parent)
    raise DbauditError(
        f"{plan.binary.path} did not start: it {problem}; its log ends with:\n{tail}",
        "give --server-binary another server, or use --server container",
    )
