"""The unix socket of a server in a container, in a directory of this machine that is mounted there.

By a socket there is no TLS and no proxy of the engine, which takes a third of what a small query costs. It is to be had
where engine and dbaudit are on one Linux; whoever asks for it has to find out by connecting.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dbaudit.server import workspace
from dbaudit.server.supervisor import remove
from dbaudit.server.workspace import SOCKET_PATH_LIMIT, Workspace

if TYPE_CHECKING:
    from docker.types import Mount

# Where the directory is mounted in the container.
_INSIDE = "/run/dbaudit"
_NAME = "s"


@dataclass(frozen=True, slots=True)
class SharedSocket:
    """A place for a socket, which `space` keeps closed to the other users of this machine."""

    space: Workspace

    @property
    def path(self) -> Path:
        """Where the socket is on this machine."""
        return self.space.path / "run" / _NAME

    @property
    def option(self) -> str:
        """What the server is told."""
        return f"--socket={_INSIDE}/{_NAME}"

    def mount(self) -> Mount:
        """What the engine is told. It refuses, and makes nothing, where there is no such directory on its machine."""
        from docker.types import Mount

        return Mount(_INSIDE, str(self.path.parent), type="bind")

    def close(self) -> None:
        """Remove it. The server may have made the directory its own, but the one above is ours."""
        remove(str(self.space.path))
        self.space.release()


def share(tmp: Path) -> SharedSocket | None:
    """A new one below `tmp`; None where there is none to be had. What killed dbaudits left there is swept."""
    if not sys.platform.startswith("linux") or not tmp.is_dir():
        return None
    workspace.sweep(tmp)
    shared = SharedSocket(workspace.make(tmp))
    if len(str(shared.path)) >= SOCKET_PATH_LIMIT:
        shared.close()
        return None
    shared.path.parent.mkdir()
    shared.path.parent.chmod(0o777)  # whoever the server is in there
    return shared


def is_why(said: str) -> bool:
    """Whether a container that did not start may have failed for it: SELinux, another machine, a mount refused."""
    return bool(re.search("unix socket|mount", said, re.IGNORECASE))
