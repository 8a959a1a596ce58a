"""What the command line takes from its surroundings; nothing below it reads the environment."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from dbaudit.server.place import Places


def places() -> Places:
    """Where servers live ($TMPDIR), what outlives them ($XDG_CACHE_HOME/dbaudit), where programs are ($PATH)."""
    return Places(Path(tempfile.gettempdir()), cache(), os.environ.get("PATH", os.defpath))


def cache() -> Path:
    """Templates and caches: $XDG_CACHE_HOME/dbaudit, else ~/.cache/dbaudit."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "dbaudit"


def state() -> Path:
    """What must be kept between runs: $XDG_STATE_HOME/dbaudit, else ~/.local/state/dbaudit."""
    root = os.environ.get("XDG_STATE_HOME")
    return (Path(root) if root else Path.home() / ".local" / "state") / "dbaudit"


def runs() -> Path:
    """A new folder's path in the cache, for what the tools of one run print."""
    return cache() / "runs" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}"


def environment() -> Mapping[str, str]:
    """The environment, which a runner's tool gets after it was scrubbed."""
    return dict(os.environ)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def colour() -> bool:
    """Whether standard output is a terminal that wants colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def terminal() -> bool:
    """Whether somebody looks on: standard output is a terminal. Where not (cron), commands may keep quiet."""
    return sys.stdout.isatty()


def width() -> int | None:
    """Columns of the terminal, None where standard output is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
