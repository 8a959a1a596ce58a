"""A locked folder for one run: what came from standard input, configuration files of runners. It goes with the run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbaudit.server import workspace
from dbaudit.server.identity import Identity
from dbaudit.server.place import Places


@contextmanager
def scratch(places: Places) -> Iterator[Path]:
    """A folder of mode 0700 that a killed run leaves to the next one's sweep."""
    ourselves = Identity(f"user {os.geteuid()}", os.geteuid(), os.getegid(), drop=False)
    workspace.sweep(places.tmp)
    space = workspace.make(places.tmp, ourselves)
    try:
        yield space.path
    finally:
        workspace.discard(space.path)
        space.release()
