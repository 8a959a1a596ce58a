"""What the tests of runners share: tools that really migrate, and a second live server that must stay untouched."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dbaudit.errors import UsageError
from dbaudit.migration.confine import Network, confine
from dbaudit.migration.runner import Target
from dbaudit.server.choose import start
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
from dbaudit.server.server import Account, Server

# A tool as services have them, in small: it reads the file that it is given and keeps migrate_version.
TOOL = """#!{python}
import configparser, os, stat, subprocess, sys, time, urllib.parse
sys.modules["cryptography"] = None  # takes longer to import than pymysql itself, and no password needs it
import pymysql

def connect(url):
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))
    where = dict(unix_socket=query["unix_socket"], ssl_disabled=True) if "unix_socket" in query else dict(
        host=parts.hostname, port=parts.port or 3306)
    return pymysql.connect(user=parts.username, password=urllib.parse.unquote(parts.password or ""),
                           database=parts.path[1:] or None, autocommit=True, connect_timeout=5, **where)

def ask(db, sql):
    cursor = db.cursor()
    cursor.execute(sql)
    return cursor.fetchall()

config = sys.argv[sys.argv.index("--config-file") + 1]
parser = configparser.RawConfigParser()
parser.read(config)
URL = parser["database"]["connection"]
words = sys.argv[sys.argv.index("--config-file") + 2:]
say = lambda *what: print(*what, flush=True)

def version(db):
    say(ask(db, "SELECT version FROM migrate_version WHERE repository_id = 'cinder'")[0][0])

def sync(db, number):
    ask(db, "CREATE TABLE made_%d (id INT)" % number)
    ask(db, "UPDATE migrate_version SET version = %d WHERE repository_id = 'cinder'" % number)

def main():
{body}

main()
"""
USUAL = """
    db = connect(URL)
    if words[:2] == ["db", "version"]:
        return version(db)
    sync(db, int(words[2]))
"""
TEMPLATE = "{tool} --config-file {{config}} db sync {{version}}"

Tool = Callable[..., str]


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """Writes a tool whose steps are `body`, called cinder-manage, and gives the template that runs it."""

    def write(body: str = USUAL, template: str = TEMPLATE) -> str:
        path = tmp_path / "bin" / "cinder-manage"
        path.parent.mkdir(exist_ok=True)
        path.write_text(TOOL.replace("{python}", sys.executable).replace("{body}", body))
        path.chmod(0o755)
        return template.format(tool=path)

    return write


@pytest.fixture
def cinder(server: Server, schema: str, tmp_path: Path) -> Target:
    """A schema that stands at cinder 9, and the target that it is."""
    with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE migrate_version (repository_id VARCHAR(250) PRIMARY KEY, repository_path TEXT, version INT)"
            " CHARSET=utf8"  # MySQL 5.6 has keys of 767 bytes
        )
        cursor.execute("INSERT INTO migrate_version VALUES ('cinder', 'x', 9)")
    return Target(server, server.restricted([schema]), schema, "cinder", tmp_path / "run")


@pytest.fixture(scope="session")
def production(places: Places) -> Iterator[Server]:
    """A second live server, which no step may reach."""
    with start("private", places=places, needs=Needs()) as started:
        started.create_database("cinder", "utf8")
        with contextlib.closing(started.admin("cinder")) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE migrate_version (repository_id VARCHAR(250) PRIMARY KEY, version INT)")
            cursor.execute("INSERT INTO migrate_version VALUES ('cinder', 9)")
        yield started


@pytest.fixture(scope="session")
def foreign(production: Server) -> Account:
    """An account that could really log in there, and change what is there."""
    return production.restricted(["cinder", "nova"])


class Relay:
    """Makes a server that has only a socket answer by TCP on this machine; `seen` counts the connections."""

    def __init__(self, server: Server) -> None:
        self._path = str(server.socket)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self.seen = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.seen += 1
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._path)
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    @staticmethod
    def _pump(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def relay(production: Server) -> Iterator[Relay]:
    """Its door by network."""
    opened = Relay(production)
    yield opened
    opened.close()


@pytest.fixture
def untouched(production: Server, foreign: Account) -> Iterator[Server]:
    """The second server; at the end of the test nobody but the counting itself may have connected to it."""
    before = connections(production)
    yield production
    assert connections(production) == before + 1, "something connected to the other server"


def connections(server: Server) -> int:
    """Connection attempts that the server has seen since it started, this one included."""
    with contextlib.closing(server.admin()) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Connections'")
        row = cursor.fetchone()
        assert row is not None
        return int(row[1])


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment of the test run, where commands can be confined; tests are skipped, and say so, where not."""
    try:
        confine(Network.REFUSED)
    except UsageError as error:
        pytest.skip(f"runners were NOT tested: {error.what}")
    return dict(os.environ)
