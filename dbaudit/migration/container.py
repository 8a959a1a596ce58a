"""A migration tool in a container of the operator's own image: no network, and of this machine's files three.

They are the private directory of the run, the throwaway server's socket and dbaudit's driver for Alembic, each under
the name that it has here. Images are never pulled. Containers are labelled as those of servers are, so that what a
killed dbaudit leaves is swept away by the next run.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from dbaudit.errors import UsageError
from dbaudit.migration import alembic_driver
from dbaudit.server import owner
from dbaudit.server.leftover import LABEL

# Programs that understand Docker's words, in the order in which they are tried.
_ENGINES = ("docker", "podman")
# Seconds for an engine to answer a question, or to take a container away.
_ANSWER = 60


class Container:
    """How a command is run in a container; as `confine.Confinement`, and `finish` takes away what is left of it."""

    def __init__(self, image: str, directory: Path, variables: Sequence[str] = ()) -> None:
        self._image = image
        self._directory = directory
        self._variables = tuple(variables)
        self._engine = _engine()
        self._name: str | None = None
        if _answer(self._engine, "image", "inspect", image):
            raise UsageError(
                f"the container engine has no image {image}, or does not answer",
                "dbaudit pulls no images: docker pull, or docker load, and try again",
            )

    @property
    def label(self) -> str:
        """Half a sentence for people."""
        return f"in a container of {self._image}, without a network"

    def wrap(self, command: Sequence[str], socket: Path | None) -> list[str]:
        """The command as it is to be started."""
        self._name = f"dbaudit-runner-{secrets.token_hex(6)}"
        driver = Path(alembic_driver.__file__)
        mounts = [f"{self._directory}:{self._directory}", f"{driver}:{driver}:ro"]
        if socket is not None:
            mounts.append(f"{socket}:{socket}")
        # Values of variables come from the environment of the engine's client, where nobody sees them.
        words = [self._engine, "run", "--rm", "--init", "--pull", "never", "--network", "none", "--name", self._name]
        words += ["--label", f"{LABEL}={owner.ourselves()}", "--user", f"{os.getuid()}:{os.getgid()}"]
        words += ["--env", "HOME=/tmp", "--workdir", "/tmp", "--entrypoint", command[0]]
        words += [word for name in self._variables for word in ("--env", name)]
        words += [word for mount in mounts for word in ("--volume", mount)]
        return [*words, self._image, *command[1:]]

    def finish(self) -> None:
        """Take the container away: it outlives a client that was killed. May be called twice."""
        if self._name is not None:
            _answer(self._engine, "rm", "--force", "--volumes", self._name)
            self._name = None


def _engine() -> str:
    for name in _ENGINES:
        if found := shutil.which(name):
            return found
    raise UsageError("there is no container engine for --runner-image", f"install one of {', '.join(_ENGINES)}")


def _answer(*words: str) -> int:
    """The exit code of a question; 1 where there is no answer in time."""
    try:
        return subprocess.run(words, capture_output=True, timeout=_ANSWER, stdin=subprocess.DEVNULL).returncode
    except (OSError, subprocess.SubprocessError):
        return 1
