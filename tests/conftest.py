"""What every test may ask for: servers to work on, schemas in them, and the corpus of real databases where it is.

`DBAUDIT_TEST_SERVERS` names the servers, with commas between: `private`, `private:/path/of/mysqld`,
`container:mysql:5.6`, or the URL of a server marked as throwaway. Each test that takes `server` runs on each of
them. Unset, it is the private server of this machine.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbaudit.server.choose import start
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
from dbaudit.server.server import Server

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
SERVERS = [wish for wish in os.environ.get("DBAUDIT_TEST_SERVERS", "private").replace(",", " ").split() if wish]


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real OpenStack databases; tests that need it are skipped, and say so, where it is absent."""
    if not (CORPUS / "README.md").is_file():
        pytest.skip("the corpus of real databases is not beside the checkout")
    return CORPUS


@pytest.fixture(scope="session")
def places() -> Iterator[Places]:
    """Directories for servers, with a short path that an unprivileged server can enter, and a cache of our own."""
    root = Path(tempfile.mkdtemp(prefix="t"))
    root.chmod(0o711)
    for name in ("tmp", "cache"):
        (root / name).mkdir(mode=0o711)
    yield Places(root / "tmp", root / "cache", os.environ.get("PATH", ""))
    shutil.rmtree(root)


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest, places: Places) -> Iterator[Server]:
    """A throwaway server for the whole session; tests keep to schemas of their own."""
    kind, _, binary = str(request.param).partition(":")
    if kind == "private" and binary:
        started = start("private", places=places, needs=Needs(), binary=Path(binary))
    else:
        started = start(request.param, places=places, needs=Needs())
    with started:
        yield started


@pytest.fixture
def schema_name(server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a schema that does not exist, made of the test's own; what the test puts there is dropped."""
    test = request.node.nodeid
    digest = hashlib.sha256(test.encode()).hexdigest()[:8]
    words = re.sub(r"\W+", "_", test.partition("::")[2]).lower().strip("_")
    name = f"{words[:36]}_{digest}"
    server.drop_database(name)
    yield name
    server.drop_database(name)


@pytest.fixture
def schema(server: Server, schema_name: str) -> str:
    """The name of an empty schema, made of the test's own; dropped afterwards."""
    server.create_database(schema_name, "utf8mb4")
    return schema_name
