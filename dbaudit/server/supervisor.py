"""Stands between dbaudit and a server, and outlives dbaudit by as long as it takes to kill the server.

Run as `python -I -S supervisor.py DIRECTORY`: a program of its own that imports the standard library only. Its
standard input is the lifeline: one JSON order a line, `{"argv", "log", "stdin", "user", "env", "cwd"}`; each is
answered on standard output by `{"pid": n}` and later `{"exit": code}`, or by `{"error": text}`. When the lifeline
closes, however dbaudit ended, it kills what runs, removes DIRECTORY and the other directories given, and ends. After
the order `{"keep": true}`, answered by `{"kept": true}`, it stays without its lifeline: until SIGTERM, or the server's
own end.

It holds no state worth saving and never restarts a server.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import sys

TYPE_CHECKING = False  # what `typing` says too, which takes longer to import than all else here
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    Process = subprocess.Popen[bytes]

# The file in a directory of ours that whoever has it holds.
LOCK = "lock"
# Seconds between two looks at our parent, for the case that a forked child of dbaudit keeps the lifeline open.
PARENT_EVERY = 0.5
# Seconds to wait for a killed server: it only has to give its memory back.
GONE_WITHIN = 10
# Numbers of the Linux interface; those of system calls since 5.1 are the same on every architecture but Alpha.
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_LANDLOCK_CREATE, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT = 444, 445, 446


def tell(message: dict[str, Any]) -> None:
    """Answer dbaudit, if it is still there."""
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(message).encode() + b"\n")


def landlock(libc: ctypes.CDLL, writable: list[str]) -> int | None:
    """A Linux ruleset that leaves a process no file to write but below `writable`, and no TCP; its descriptor.

    A second line behind rights and options: MySQL up to 5.7 lets every user put InnoDB tables into any directory. None
    where the kernel has no Landlock (before 5.13, or switched off).
    """
    version = int(libc.syscall(_LANDLOCK_CREATE, None, 0, 1))
    if version < 1:
        return None
    # What may write, make and remove files: a bit each; later kernels know of two more.
    access = 0b1_1111_1111_0010 | (1 << 13 if version >= 2 else 0) | (1 << 14 if version >= 3 else 0)
    network = 0b11 if version >= 4 else 0
    attributes = struct.pack("=QQ", access, network)
    ruleset = int(libc.syscall(_LANDLOCK_CREATE, attributes, 16 if version >= 4 else 8, 0))
    for path, allowed in [*((path, access) for path in writable), ("/dev", 0b10)]:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
        libc.syscall(_LANDLOCK_ADD_RULE, ruleset, 1, struct.pack("=Qi", allowed, parent), 0)
        os.close(parent)
    return ruleset


def confine(writable: list[str]) -> Callable[[], None] | None:
    """What a child does after it became its user: die with the supervisor, and write nowhere else (Linux only)."""
    if not sys.platform.startswith("linux"):
        return None
    libc, supervisor = ctypes.CDLL(None, use_errno=True), os.getpid()
    ruleset = landlock(libc, writable)

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != supervisor:  # it died before we had asked
            os._exit(1)
        if ruleset is not None:
            libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0)

    return ask


def spawn(order: dict[str, Any], directories: list[str]) -> Process | None:
    """Start a server as ordered, in a session of its own; None, and an error told, where it cannot be."""
    user = order.get("user")
    ids: dict[str, Any] = {"user": user[0], "group": user[1], "extra_groups": []} if user else {}
    try:
        with open(order.get("stdin") or os.devnull, "rb") as stdin, open(order["log"], "ab") as log:
            process = subprocess.Popen(
                order["argv"],
                stdin=stdin,
                stdout=log,
                stderr=log,
                env=order["env"],
                cwd=order["cwd"],
                start_new_session=True,
                preexec_fn=confine(directories),
                umask=0o077,
                **ids,
            )
    except (OSError, subprocess.SubprocessError) as error:
        tell({"error": str(error)})
        return None
    tell({"pid": process.pid})
    return process


def kill(process: Process | None) -> None:
    """Kill a server and what it may have started; it is throwaway, so there is nothing to shut down."""
    if process is None or process.returncode is not None:
        return
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GONE_WITHIN)


def remove(directory: str) -> None:
    """Remove a directory, its lock last: what is left of it when we are killed meanwhile is still known to be ours."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(directory):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            elif entry.name != LOCK:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
    shutil.rmtree(directory, ignore_errors=True)


def finish(process: Process | None, directories: list[str]) -> NoReturn:
    """Kill, remove, end."""
    kill(process)
    for directory in directories:
        remove(directory)
    os._exit(0)


def serve(directories: list[str]) -> NoReturn:
    """Take orders until the lifeline closes or our parent changes."""
    parent, process, buffer, kept = os.getppid(), None, b"", False
    wake, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: finish(process, directories))
    while True:
        ready, _, _ = select.select([wake] if kept else [0, wake], [], [], PARENT_EVERY)
        if wake in ready:
            os.read(wake, 4096)
        if process is not None and process.poll() is not None:
            tell({"exit": process.returncode})
            process = None
            if kept:
                finish(process, directories)
        if os.getppid() != parent and not kept:
            finish(process, directories)
        if 0 in ready:
            data = os.read(0, 65536)
            if not data:
                finish(process, directories)
            *orders, buffer = (buffer + data).split(b"\n")
            for order in map(json.loads, orders):
                if "keep" in order:
                    kept = process is not None
                    tell({"kept": True} if kept else {"exit": None})
                else:
                    process = spawn(order, directories)


if __name__ == "__main__":
    serve(sys.argv[1:])
