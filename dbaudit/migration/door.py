"""The one way from a confined tool to the throwaway server: a unix socket, which a network namespace does not stop.

A server that is reached by network only (a container, a URL) gets a socket of ours that passes bytes on to it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from dbaudit.errors import DbauditError
from dbaudit.server.server import Account, Server

# Bytes that a unix socket's path may have on every system (104 on macOS, 108 on Linux, one for the end).
_PATH_LIMIT = 103
_BLOCK = 64 << 10


class Door:
    """Where tools find the server; `socket` is valid until it is closed. `directory` must be private to us."""

    def __init__(self, server: Server, directory: Path) -> None:
        self._server = server
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self.socket = server.socket or self._forward(directory / "server.sock")

    def url(self, account: Account, database: str, driver: str = "mysql+pymysql") -> str:
        """The SQLAlchemy URL of a schema through this door; it holds the password.

        A slash is not escaped, as SQLAlchemy's own rendering does: alembic.ini and oslo.config give `%` a meaning, and
        tools pass the URL on without escaping (keystone 26 does).
        """
        if self._listener is not None:
            # MySQL 8 accepts a password on an unencrypted connection only of an account that it has just seen on a
            # safe one; the client believes that a unix socket is safe and sends it plainly.
            self._server.connect(account).close()
        who = f"{quote(account.user)}:{quote(account.password)}"
        return f"{driver}://{who}@localhost/{quote(database)}?unix_socket={quote(str(self.socket))}"

    def _forward(self, path: Path) -> Path:
        if self._server.address is None:
            raise DbauditError(f"{self._server.label} has neither a socket nor an address that a tool could use")
        if len(str(path).encode()) > _PATH_LIMIT:
            raise DbauditError(f"the path of a socket is too long: {path}", "set TMPDIR to a shorter directory")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen()
        threading.Thread(target=self._serve, args=(self._listener, self._server.address), daemon=True).start()
        return path

    def _serve(self, listener: socket.socket, address: tuple[str, int]) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:  # closed
                return
            try:
                far = socket.create_connection(address)
            except OSError:
                near.close()  # the tool sees that the server is gone
                continue
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()

    def close(self) -> None:
        """Take the socket away, and cut what goes through it. May be called twice."""
        if self._listener is None:
            return
        # A close alone does not wake a thread that waits in accept.
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()
        self.socket.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass bytes on until one side ends, then tell the other."""
    with contextlib.suppress(OSError):
        while data := source.recv(_BLOCK):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
