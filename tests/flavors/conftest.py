"""Sides of dumps, databases of the corpus on a server, and how to look at them, for tests."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dbaudit.cells.looking import Looking
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.comparison.side import Side
from dbaudit.server.server import Server
from tests.flavors.cloud import WHOLE, Cloud, Cut, Dumps, restored


@pytest.fixture
def side(tmp_path: Path) -> Callable[[Path | str], Side]:
    return lambda operand: read_operand(str(operand), Reading(tmp_path))


@pytest.fixture
def looking(tmp_path: Path) -> Looking:
    return Looking(tmp_path, 1, 0)


@pytest.fixture
def cloud_of(server: Server, dumps: Dumps, schema_name: str, tmp_path: Path) -> Iterator[Callable[..., Cloud]]:
    """Gives the top and the cell of a release on a server, or a cut of them, dropped behind the test."""
    names = (f"t_{schema_name[-12:]}", f"c_{schema_name[-12:]}", f"j_{schema_name[-12:]}")
    for name in names:
        server.drop_database(name)
    with contextlib.ExitStack() as stack:

        def get(release: str, cut: Cut = Cut()) -> Cloud:
            return stack.enter_context(restored(server, dumps, release, names, tmp_path, cut))

        yield get


@pytest.fixture
def cloud(cloud_of: Callable[..., Cloud], request: pytest.FixtureRequest) -> Cloud:
    """A part of Havana's, where a test does not say another release."""
    return cloud_of(getattr(request, "param", "havana"))


@pytest.fixture
def whole(cloud_of: Callable[..., Cloud], request: pytest.FixtureRequest) -> Cloud:
    """The same with every instance."""
    return cloud_of(getattr(request, "param", "havana"), WHOLE)
