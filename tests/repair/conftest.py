"""A database to be repaired: tables of one test's own, and a journal schema that belongs to it alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from dbaudit.repair.target import Target, open_target
from dbaudit.server.server import Server
from tests.repair.dumps import dump


@pytest.fixture
def target(server: Server, schema: str, journal: str) -> Target:
    """The test's own schema as a target, with an account that has rights on it and on its journal."""
    return open_target(server.url(server.restricted([schema, journal]), schema), journal)


@pytest.fixture
def execute(server: Server, schema: str) -> Iterator[Callable[..., list[tuple[object, ...]]]]:
    """Runs statements in the schema as the server's administrator; gives the rows of the last."""
    with contextlib.closing(server.admin(schema)) as connection:

        def run(*statements: str) -> list[tuple[object, ...]]:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())

        yield run


@pytest.fixture
def contents(server: Server, schema: str) -> Callable[[], list[str]]:
    """Gives everything that is in the schema, to be compared."""
    return lambda: dump(server, schema)
