"""What the command line takes from its surroundings; nothing below it reads the environment."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path


def temporary() -> Path:
    """Where throwaway servers and spooled dumps live: $TMPDIR, else the system's own."""
    return Path(tempfile.gettempdir())


def cache() -> Path:
    """Templates and caches: $XDG_CACHE_HOME/dbaudit, else ~/.cache/dbaudit."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "dbaudit"


def colour() -> bool:
    """Whether standard output is a terminal that wants colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width() -> int | None:
    """Columns of the terminal, None where standard output is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
