"""Who made a container, written so that a later dbaudit can tell whether that process is gone.

Only a process of the same boot and the same process namespace can be judged: an engine may serve several machines.
"""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path


def ourselves() -> str:
    """The label value of this process."""
    return "/".join((_scope(), str(os.getpid()), _started(os.getpid())))


def is_here(owner: str) -> bool:
    """Whether a label was written by a process that can be judged from here."""
    return owner.split("/")[0] == _scope()


def is_gone(owner: str) -> bool:
    """Whether the process that wrote this label has ended; False where that cannot be known from here."""
    scope, _, rest = owner.partition("/")
    pid, _, started = rest.partition("/")
    return scope == _scope() and pid.isdigit() and _started(int(pid)) != started


def _scope() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return platform.node()


def _started(pid: int) -> str:
    """When a process started, in whatever the system counts; empty if there is none."""
    if Path("/proc/self/stat").exists():
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        except OSError:
            return ""
    command = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]
    said = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
    return "-".join(said.split())
