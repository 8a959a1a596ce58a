"""What a command says when it cannot go on, and with which exit code.

Every layer raises `DbauditError`; only the command line prints it. Anything else that escapes is a bug of ours.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command. They follow `nova-status upgrade check` where a verdict is given."""

    CLEAN = 0
    WARNINGS = 1
    FAILED = 2
    USAGE = 64  # wrong usage: an option, an unknown release, a downgrade
    INPUT = 66  # input that cannot be read, or a server that does not start
    BUSY = 75  # somebody else holds it, or throttled out: try again
    INTERRUPTED = 130
    CRASH = 255  # a bug of ours


class DbauditError(Exception):
    """A failure that a user can act on.

    `what` says what went wrong and why, `hint` what to do next; both are shown, so neither may hold a password.
    """

    exit = Exit.INPUT

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class UsageError(DbauditError):
    """The command line asks for something that cannot be done (exit 64)."""

    exit = Exit.USAGE


class BusyError(DbauditError):
    """Another process holds what this one needs (exit 75)."""

    exit = Exit.BUSY
