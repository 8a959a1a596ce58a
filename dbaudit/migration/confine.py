"""What a migration tool may reach: the throwaway server's socket, and nothing else.

The environment is scrubbed of whatever could point a tool at another database. On Linux the tool then runs in
namespaces of its own, made by `unshare` of util-linux:

* network: no interface, so no TCP to anywhere. The throwaway is reached by its unix socket, which is a file.
* mount: every other listening unix socket of the machine (a production mysqld's, Docker's, an agent's) is hidden
  under /dev/null, since files are not stopped by a network namespace.
* process: when the first process ends or is killed, the kernel kills all that it started, daemons included.

It is not a sandbox against a hostile tool: files can be written. It is against a tool that reads the wrong place.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from dbaudit.errors import UsageError

_NAMES = re.compile(r"OS_|MYSQL_|MARIADB_|.*DATABASE|.*_CONFIG|.*DB_(?:URL|URI|HOST|CONNECTION)", re.I)
_URLS = re.compile(r"\b(?:mysql|mariadb|postgres(?:ql)?|sqlite|rabbit|amqp)(?:\+\w+)?://", re.I)
# Hides the sockets that are its first arguments, then runs the tool as a child and stays: this shell is process 1 of
# its namespace (a tool that is process 1 itself would ignore signals), and when it ends everything in it ends.
_SHELL = """
while [ "$1" != -- ]; do
    if [ -e "$1" ] && ! said=$(mount --bind /dev/null "$1" 2>&1) && [ -e "$1" ]; then
        echo "dbaudit: cannot hide $1: $said" >&2; exit 125
    fi
    shift
done
shift
"$@"
exit $?
"""
# The accept flag in /proc/net/unix: the socket is listening.
_LISTENING = 0x10000
# Seconds for the trial run of a namespace; it takes some milliseconds.
_TRIAL = 20


class Network(Enum):
    """Whether a tool that cannot be cut off from the network may run all the same."""

    REFUSED = "refused"
    ALLOWED = "allowed"


@dataclass(frozen=True, slots=True)
class Confinement:
    """How a command is confined: what is put before it (nothing where there are no namespaces), and how to call it."""

    prefix: tuple[str, ...]
    network: Network
    label: str

    def wrap(self, command: Sequence[str], socket: Path | None) -> list[str]:
        """The command as it is to be started; `socket`, of the throwaway server, stays visible."""
        if self.network is Network.ALLOWED:
            hidden: list[Path] = []
        else:
            hidden = [path for path in listening_sockets() if socket is None or not _same(path, socket)]
        return [*_dies_with_us(), *_within(self.prefix, hidden, command)]

    def finish(self) -> None:
        """Nothing is left: the kernel has killed what a command started."""


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what could lead a tool to another database or another configuration."""
    return {name: value for name, value in environment.items() if not _NAMES.match(name) and not _URLS.search(value)}


def confine(network: Network) -> Confinement:
    """The confinement that this machine can do.

    With Network.REFUSED a UsageError says why there is none; with Network.ALLOWED the network is left alone, whether
    or not it could be taken away, and processes are still kept together where that works.
    """
    common = ("--pid", "--kill-child", "--mount")
    prefixes = (("unshare", *common), ("unshare", "--user", "--map-root-user", *common))
    if network is Network.ALLOWED:
        working = (prefix for prefix in prefixes if _fails(prefix) is None)
        return Confinement(next(working, ()), network, "with the network allowed (--allow-network)")
    reason: str | None = None
    for prefix in ((*prefix, "--net") for prefix in prefixes):
        reason = _fails(prefix)
        if reason is None:
            return Confinement(prefix, network, "without a network (in a network namespace of its own)")
    raise UsageError(
        f"the migration tool cannot be cut off from the network on this machine: {reason}",
        "run as root or allow user namespaces (Linux), or, where nothing that the tool could reach may be harmed, "
        "pass --allow-network",
    )


def listening_sockets() -> list[Path]:
    """The unix sockets with a path that something listens on, on this machine; empty where the system cannot tell."""
    try:
        lines = Path("/proc/net/unix").read_text(errors="surrogateescape").splitlines()[1:]
    except OSError:
        return []
    fields = (line.split(maxsplit=7) for line in lines)
    found = {each[7] for each in fields if len(each) == 8 and int(each[3], 16) & _LISTENING}
    return [Path(name) for name in sorted(found) if name.startswith("/")]


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return one == other


def _within(prefix: Sequence[str], hidden: Sequence[Path], command: Sequence[str]) -> list[str]:
    if not prefix:
        return list(command)
    return [*prefix, "sh", "-c", _SHELL, "sh", *map(str, hidden), "--", *command]


def _fails(prefix: Sequence[str]) -> str | None:
    """None when a command runs behind the prefix with a file hidden, else why not."""
    command = _within(prefix, [Path("/dev/null")], ["true"])
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TRIAL, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return "there is no unshare (util-linux)"
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return None if done.returncode == 0 else (done.stderr.strip() or f"unshare ended with {done.returncode}")


def _dies_with_us() -> tuple[str, ...]:
    """A prefix that has the kernel kill the command when dbaudit dies, kill -9 included, where the tool is there."""
    return ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
