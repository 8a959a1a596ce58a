"""Servers of a test's own that can be killed and started again, with things to repair on them."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from typing import Any

from sqlalchemy import URL

from dbaudit.repair.target import Target, open_target
from dbaudit.server.server import Server
from tests.cluster import Member, until
from tests.repair.dumps import dump
from tests.repair.works import make_things

SCHEMA = "things"


def executor(server: Server, schema: str = SCHEMA) -> Callable[..., list[tuple[Any, ...]]]:
    """Runs statements in a schema as the administrator; gives the rows of the last."""

    def execute(*statements: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    return execute


def with_things(server: Server, rows: int = 800) -> tuple[Target, Callable[..., list[tuple[Any, ...]]]]:
    """Things on a server that has none, and the target of an account that has no more rights than it needs."""
    for schema in (SCHEMA, "dbaudit"):
        server.drop_database(schema)
    server.create_database(SCHEMA, "utf8")
    execute = executor(server)
    make_things(execute, rows)
    account = server.restricted([SCHEMA, "dbaudit"])
    return open_target(server.url(account, SCHEMA)), execute


def contents(server: Server) -> list[str]:
    return dump(server, SCHEMA)


def rows_of(server: Server) -> list[str]:
    """Without the definitions: killed servers and other nodes have other auto-increment counters."""
    return [line for line in contents(server) if not line.startswith("CREATE")]


def local(server: Member, schema: str = SCHEMA) -> URL:
    """The URL of the administrator."""
    return URL.create(
        "mysql+pymysql", "root", "", "localhost", database=schema, query={"unix_socket": str(server.socket)}
    )


def again(member: Member, *options: str) -> None:
    """Start a member's server anew on its data, after it was killed."""
    arguments = member.process.args
    assert isinstance(arguments, list)
    assert member.directory
    member.process.wait()
    owner = (member.directory / "data").stat()
    root = owner.st_uid != 0
    with (member.directory / "log").open("ab") as output:
        member.process = subprocess.Popen(
            [*arguments, *options], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=member.directory,
            **({"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if root else {}),
        )  # fmt: skip
    until("it answers again", member.alive)
