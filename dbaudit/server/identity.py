"""Whom a private server runs as. Never the system's root: a hole in the server would be a hole in the machine."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from dbaudit.errors import DbauditError

# In this order: the first that the machine has is taken.
UNPRIVILEGED = ("mysql", "nobody")


@dataclass(frozen=True, slots=True)
class Identity:
    """A system user and its group. `drop` says that the server must become it, since we are root."""

    name: str
    uid: int
    gid: int
    drop: bool

    def can_enter(self, directory: Path) -> Path | None:
        """None, or the first of `directory` and its parents that this user may not pass through."""
        for place in reversed([directory, *directory.parents]):
            found = place.stat()
            shift = 6 if found.st_uid == self.uid else 3 if found.st_gid == self.gid else 0
            if self.drop and not found.st_mode >> shift & 1:
                return place
        return None


def server_identity() -> Identity:
    """Ourselves, or an unprivileged user where we are root."""
    if os.geteuid() != 0:
        return Identity(f"user {os.geteuid()}", os.geteuid(), os.getegid(), drop=False)
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Identity(name, entry.pw_uid, entry.pw_gid, drop=True)
    raise DbauditError(
        "a private server is never run as root, and this machine has neither a user mysql nor nobody",
        "create one (useradd --system mysql), or run dbaudit as an ordinary user",
    )
