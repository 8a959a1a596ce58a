"""Containers that a killed dbaudit left behind.

Ryuk, testcontainers' own cleaner, is another image to pull and is not used: each container is labelled with the
process that made it, and the next start removes those whose process is gone.
"""

from __future__ import annotations

import contextlib
from typing import Any, Protocol

from dbaudit.server import owner

LABEL = "dbaudit.owner"
# How the name of a container begins that was kept on purpose.
KEPT = "dbaudit-kept-"


class Engine(Protocol):
    """What is used of docker's client."""

    containers: Any

    def info(self) -> dict[str, Any]: ...


def sweep(engine: Engine) -> list[str]:
    """Remove the containers of dbaudits that are gone; their ids."""
    swept = []
    # Docker's client asks for each that was listed, and one may be removed before that.
    for found in engine.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
        made_by = found.labels[LABEL]
        if found.name.startswith(KEPT):
            continue
        ended = found.status in ("exited", "dead")
        if owner.is_gone(made_by) or (ended and not owner.is_here(made_by)):  # as after a reboot
            with contextlib.suppress(Exception):  # another dbaudit may remove it at the same time
                found.remove(force=True, v=True)
                swept.append(str(found.id))
    return swept
