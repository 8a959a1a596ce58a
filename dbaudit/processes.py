"""Processes of our own that begin quickly and hold nothing of this one."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from multiprocessing.context import ForkServerContext, SpawnContext

from dbaudit.server.workspace import SOCKET_PATH_LIMIT

# What multiprocessing puts below the temporary directory to talk to the process that forks.
_SOCKET = "/pymp-12345678/listener-12345678"


def context(module: str) -> ForkServerContext | SpawnContext:
    """Makes processes by a fork of one that has imported `module` and runs no threads.

    Where the path of the temporary directory is too long for a socket, each process imports everything anew: half a
    second to two of processor time.
    """
    if len(os.fsencode(tempfile.gettempdir() + _SOCKET)) >= SOCKET_PATH_LIMIT:
        return multiprocessing.get_context("spawn")
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([module])
    return found
