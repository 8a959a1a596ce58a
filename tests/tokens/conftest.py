"""Keystone databases to flush: Grizzly's and Havana's tokens, and what still grows today."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from dbaudit.server.server import Server
from tests.cli.conftest import dbaudit, environment

__all__ = ["dbaudit", "environment"]

Execute = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def execute(server: Server, schema: str) -> Execute:
    """Runs statements in the schema as the server's administrator; gives the rows of the last."""

    def run(*statements: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    return run


@pytest.fixture
def url(server: Server, schema: str, journal: str) -> str:
    """The schema's URL, of an account with rights on it and on its journal; it holds the password."""
    account = server.restricted([schema, journal])
    return server.url(account, schema).render_as_string(hide_password=False)
