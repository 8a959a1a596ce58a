"""Two keystone databases side by side, as small as a sync needs them, and the users of each."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dbaudit.cli.app import run
from dbaudit.server.server import Server
from tests.cli.conftest import Dbaudit, Ran, environment

__all__ = ["environment"]

COMMON = (
    "CREATE TABLE user (id VARCHAR(64) NOT NULL PRIMARY KEY, name VARCHAR(255)) ENGINE=InnoDB CHARSET=utf8",
    "CREATE TABLE project (id VARCHAR(64) NOT NULL PRIMARY KEY, name VARCHAR(64)) ENGINE=InnoDB CHARSET=utf8",
    "CREATE TABLE migrate_version (repository_id VARCHAR(250) NOT NULL PRIMARY KEY, repository_path TEXT, version INT)"
    " ENGINE=InnoDB CHARSET=utf8",
    "INSERT INTO user (id) VALUES ('u'), ('v')",
    "INSERT INTO project (id) VALUES ('p'), ('q')",
)
OLD = (
    "CREATE TABLE ec2_credential (access VARCHAR(64) NOT NULL, secret VARCHAR(64), user_id VARCHAR(64), "
    "tenant_id VARCHAR(64), PRIMARY KEY (access)) ENGINE=InnoDB DEFAULT CHARSET=utf8"
)
NEW = (
    "CREATE TABLE credential (id VARCHAR(64) NOT NULL, user_id VARCHAR(64) NOT NULL, project_id VARCHAR(64), "
    "`blob` TEXT NOT NULL, type VARCHAR(255) NOT NULL, extra TEXT, PRIMARY KEY (id)) ENGINE=InnoDB DEFAULT CHARSET=utf8"
)
# What every planted secret begins with: no output may have it.
PLANTED = "PLANTED"
Row = tuple[Any, ...]


def sha(access: str) -> str:
    return hashlib.sha256(access.encode()).hexdigest()


def blob(access: str, secret: str | None, **more: Any) -> str:
    return json.dumps({"access": access, "secret": secret, **(more or {"trust_id": None})})


@dataclass
class Site:
    """A database of one side, or of both."""

    server: Server
    name: str
    _open: Any = None

    @property
    def url(self) -> str:
        account = self.server._endpoint.admin
        return self.server.url(account, self.name).render_as_string(hide_password=False)

    def run(self, *statements: str, args: Row | None = None) -> tuple[Row, ...]:
        if not self._alive():  # a test may kill it
            self._open = self.server.admin(self.name)
        with self._open.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement, args)
            return tuple(cursor.fetchall())

    def _alive(self) -> bool:
        with contextlib.suppress(Exception):
            self._open.ping(reconnect=False)
            return True
        return False

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._open.close()

    def old(self, access: str, secret: str | None = PLANTED, user: str | None = "u", project: str | None = "p") -> None:
        self.run("REPLACE INTO ec2_credential VALUES (%s, %s, %s, %s)", args=(access, secret, user, project))

    def new(
        self, access: str, secret: str | None = PLANTED, user: str = "u", project: str | None = "p",
        id: str | None = None, text: str | None = None,
    ) -> None:  # fmt: skip
        row = (id or sha(access), user, project, text if text is not None else blob(access, secret))
        self.run("REPLACE INTO credential VALUES (%s, %s, %s, %s, 'ec2', '{}')", args=row)

    def olds(self) -> dict[str, Row]:
        rows = self.run("SELECT access, secret, user_id, tenant_id FROM ec2_credential ORDER BY access")
        return {row[0]: row[1:] for row in rows}

    def news(self) -> dict[str, Row]:
        """Secret, user and project of the rows by access key, under the right id."""
        found = {}
        for id, user, project, text in self.run(
            "SELECT id, user_id, project_id, `blob` FROM credential WHERE type='ec2'"
        ):
            value = json.loads(text)
            while isinstance(value, str):
                value = json.loads(value)
            if sha(value["access"]) == id:
                found[value["access"]] = (value["secret"], user, project)
        return found


@pytest.fixture
def dbaudit(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dbaudit]:
    """Call `dbaudit` with these words, in this process: starting one takes longer than most of what it does here.

    The tests of `--follow` and of the ground truth start processes.
    """
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def call(*words: object) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run([*map(str, words)])
        return Ran(code, out.getvalue(), err.getvalue())

    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    yield call
    for each, handler in handlers.items():
        signal.signal(each, handler)


@pytest.fixture
def sites(server: Server, schema_name: str) -> Iterator[tuple[Site, Site]]:
    """A Grizzly and a Havana database on one server."""
    names = (schema_name[:50] + "_g", schema_name[:50] + "_h")
    made = []
    for name, table, version in zip(names, (OLD, NEW), (22, 36), strict=True):
        server.drop_database(name)
        server.create_database(name, "utf8")
        site = Site(server, name)
        site.run(*COMMON, table, f"INSERT INTO migrate_version VALUES ('keystone', '/x', {version})")
        made.append(site)
    server.drop_database("dbaudit")
    yield made[0], made[1]
    for site in made:
        site.close()
    for name in (*names, "dbaudit"):
        server.drop_database(name)


def no_secret(*texts: str | Ran | Path) -> None:
    """No planted secret is in any of these."""
    for each in texts:
        if isinstance(each, Ran):
            assert PLANTED not in each.out and PLANTED not in each.err
        else:
            assert PLANTED not in (each.read_text() if isinstance(each, Path) else each)


Run = Dbaudit
