"""Where servers may put things, and where their programs are looked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """What the environment decides; only the command line reads that, so it is passed down.

    tmp: the directory for server directories ($TMPDIR). cache: dbaudit's own, which outlives it
    ($XDG_CACHE_HOME/dbaudit). search_path: $PATH, for server programs.
    """

    tmp: Path
    cache: Path
    search_path: str = ""
