"""Run a check's Select: on the throwaway server, as the account that sees the restored schema alone, or live."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Select, create_engine

from dbaudit.check import Query
from dbaudit.server.server import Account, Server

if TYPE_CHECKING:
    from dbaudit.server.server import Connection


@contextmanager
def reader(server: Server, account: Account, database: str) -> Iterator[Query]:
    """A function that runs a Select on a throwaway server; see `reading`."""
    with reading(lambda: server.connect(account, database)) as query:
        yield query


@contextmanager
def reading(connect: Callable[[], Connection]) -> Iterator[Query]:
    """A function that runs a Select and yields its rows by label, a stretch at a time, while the block runs."""
    engine = create_engine("mysql+pymysql://", creator=connect)
    try:

        def rows(query: Select[*tuple[Any, ...]]) -> Iterator[Mapping[str, Any]]:
            with engine.connect() as connection:
                found = connection.execution_options(yield_per=1000).execute(query).mappings()
                yield from (cast("Mapping[str, Any]", row) for row in found)

        yield rows
    finally:
        engine.dispose()
