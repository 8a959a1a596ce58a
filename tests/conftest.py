"""What every test may ask for: servers to work on, schemas in them, and the corpus of real databases where it is.

Each test that takes `server` (or `program`, for a private server of its own, or `on`, for the options of a command)
runs on each server of the matrix; see `tests/matrix.py` for which, and for `DBAUDIT_TEST_SERVERS`. A test that is
about some servers says so: `@pytest.mark.server("mysql>=9", "mariadb")`.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import re
import shutil
import signal
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbaudit.server.place import Places
from dbaudit.server.server import Server
from tests import cluster, matrix, spread
from tests.flavors.cloud import Dumps
from tests.once import folder_of_all

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
# Fixtures that stand for a server of the matrix.
MATRIX = ("server", "program", "on")
# The server on which coverage is measured.
MEASURED = next((wish for wish in matrix.WISHES if wish.startswith("mariadb")), matrix.WISHES[0])
# Bytes that the servers of a worker and their dumps are given.
ROOM = 8 << 30
# By which coverage asks a new process to measure itself.
COVERAGE = "COVERAGE_PROCESS_CONFIG"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each server of the matrix that the test wants, as far as the server's name tells."""
    ranges = ranges_of(metafunc.definition)
    for name in MATRIX:
        if name in metafunc.fixturenames:
            wishes = [wish for wish in matrix.WISHES if matrix.may_be_in(wish, ranges)]
            metafunc.parametrize(name, wishes, indirect=True, scope="session")
            return


def ranges_of(node: pytest.Item | pytest.Function) -> tuple[str, ...]:
    return tuple(str(each) for mark in node.iter_markers("server") for each in mark.args)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Heavy cases on one server each; of a tree that is green already a part."""
    here = [wish for wish, how in matrix.account() if how]
    done = spread.spread(items, wish_of, here)
    items[:] = done.kept
    config.stash[SPREAD] = done.chosen
    config.hook.pytest_deselected(items=done.left_out)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)  # so that none is left at the end, alone
    for item in unmeasured(items):
        item.add_marker("no_cover")
    if part := os.environ.get("DBAUDIT_TEST_PART"):
        number, of = map(int, part.split("/"))
        items[:] = [item for item in items if zlib.crc32(item.nodeid.encode()) % of == number - 1]


def unmeasured(items: list[pytest.Item]) -> Iterator[pytest.Item]:
    """What goes through lines that others go through too, and is not measured: tracing takes longer than testing.

    That is the same test on another server, and of a test with many cases all but the first.
    """
    measured: set[str] = set()
    for item in items:
        test = item.nodeid.partition("[")[0]
        if item.get_closest_marker("no_cover") or on_another_server(item) or test in measured:
            yield item
        else:
            measured.add(test)


def on_another_server(item: pytest.Item) -> bool:
    """Whether the same test runs on MariaDB too, where it is measured."""
    wish = wish_of(item) or MEASURED
    return wish != MEASURED and matrix.may_be_in(MEASURED, ranges_of(item)) and not spread.is_heavy(item)


def wish_of(item: pytest.Item) -> str | None:
    """The server of the matrix that a test is for; None where it asks for none."""
    params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return next((params[name] for name in MATRIX if isinstance(params.get(name), str)), None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """What is not measured starts no process that is; pytest-cov itself sees the marker."""
    measured = os.environ.pop(COVERAGE, None) if item.get_closest_marker("no_cover") else None
    try:
        return (yield)
    finally:
        if measured is not None:
            os.environ[COVERAGE] = measured


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end, and is not looked through for what can go."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[STARTED] = time.monotonic()
    gc.set_threshold(200_000)  # objects; a test makes many that live to its end
    # Ended from outside, it stops its servers as it does when it is interrupted; begun in the background by a shell, it
    # would ignore interrupts, and so would all that it begins.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.default_int_handler)


def pytest_report_header() -> list[str]:
    return [f"server {wish}: {how or 'ABSENT'}" for wish, how in matrix.account()]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """An absent server fails a run that insists on it."""
    worker = hasattr(session.config, "workerinput")
    if worker:
        session.config.workeroutput["spread"] = session.config.stash.get(SPREAD, {})
    if not worker and not exitstatus and matrix.INSIST and None in dict(matrix.account()).values():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker of pytest-xdist has spread, which all of them do alike."""
    node.config.stash[SPREAD] = getattr(node, "workeroutput", {}).get("spread", {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """How long it took, and what was not tested."""
    seconds = time.monotonic() - config.stash[STARTED]
    terminalreporter.section("servers")
    for wish, how in matrix.account():
        if how:
            terminalreporter.write_line(f"{wish}: {how}")
        else:
            verdict = "this fails the run" if matrix.INSIST else "make test-matrix insists on it"
            terminalreporter.write_line(
                f"!!! NOT TESTED ON {wish}, WHICH IS ABSENT: {verdict} !!!", red=True, bold=True
            )
    if part := os.environ.get("DBAUDIT_TEST_PART"):
        terminalreporter.write_line(f"!!! PART {part} OF THE TESTS: the others are not run again !!!", bold=True)
    if reason := os.environ.get("DBAUDIT_TEST_NO_ENGINE"):
        terminalreporter.write_line(f"!!! NO CONTAINERS WERE TESTED: {reason} !!!", red=True, bold=True)
    if chosen := config.stash.get(SPREAD, {}):
        terminalreporter.write_line(spread.told(chosen))
    terminalreporter.write_line(f"wall time of the suite: {seconds:.0f} s on {os.cpu_count()} processors")


STARTED = pytest.StashKey[float]()
SPREAD = pytest.StashKey[dict[str, int]]()


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real OpenStack databases; tests that need it are skipped, and say so, where it is absent."""
    if not (CORPUS / "README.md").is_file():
        pytest.skip("the corpus of real databases is not beside the checkout")
    return CORPUS


@pytest.fixture(scope="session")
def dumps(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Dumps:
    """nova's databases of the corpus, and parts of them."""
    return Dumps(corpus, folder_of_all(tmp_path_factory, "dumps"))


def memory() -> Path | None:
    """Where files are in memory, with room for servers; None where there is no such place."""
    place = Path("/dev/shm")
    with contextlib.suppress(OSError):
        if os.access(place, os.W_OK | os.X_OK) and shutil.disk_usage(place).free >= ROOM:
            return place
    return None


@pytest.fixture(scope="session")
def places() -> Iterator[Places]:
    """Directories for servers, with a short path that an unprivileged server can enter, and a cache of our own."""
    root = Path(tempfile.mkdtemp(prefix="t", dir=memory()))
    root.chmod(0o711)
    for name in ("tmp", "cache", "servers"):
        (root / name).mkdir(mode=0o711)
    yield Places(root / "tmp", root / "cache", os.environ.get("PATH", ""))
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def serve(places: Places) -> Iterator[Callable[[str], Server]]:
    """Gives the server of a wish, started once for the session: by pytest-xdist, once for each worker."""
    kept = matrix.cache() / "private"  # so that data directories are initialised once, not in each session
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
    own = replace(places, tmp=places.tmp.with_name("servers"), cache=kept)
    served: dict[str, Server] = {}
    with contextlib.ExitStack() as stack:

        def get(wish: str) -> Server:
            if wish not in served:
                served[wish] = stack.enter_context(matrix.serve(wish, own))
                suit(served[wish])
            return served[wish]

        yield get


def suit(server: Server) -> None:
    """What is set on a server of our own.

    Statistics are not written for each table that is made: that takes a third of making it.

    MySQL 5.6 ends within minutes a session that it was told to kill and did not end. It closes the session's socket,
    and where the session's thread has just begun to wait at it, that waits on for wait_timeout, 8 hours, and keeps its
    locks: what a test leaves could not be dropped.
    """
    if server.kind == "url":
        return
    with contextlib.closing(server.admin()) as connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL innodb_stats_persistent = 0")
        if server.version.vendor == "mysql" and not server.version.at_least(mysql=(5, 7)):
            cursor.execute("SET GLOBAL wait_timeout = 120")


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, serve: Callable[[str], Server]) -> Server:
    """A throwaway server for the whole session; tests keep to schemas of their own."""
    try:
        return serve(request.param)
    except matrix.AbsentError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def _in_range(request: pytest.FixtureRequest) -> None:
    """Skip a test whose range the server's real version is not in."""
    if "server" in request.fixturenames and (ranges := ranges_of(request.node)):
        server: Server = request.getfixturevalue("server")
        if not matrix.in_ranges(server.version, ranges):
            pytest.skip(f"is about {' and '.join(ranges)}, not {server.version.name}")


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


@pytest.fixture
def journal(server: Server, schema: str) -> Iterator[str]:
    """The name of a journal schema that does not exist; dropped afterwards."""
    name = f"j_{schema[-8:]}"
    server.drop_database(name)
    yield name
    server.drop_database(name)


@pytest.fixture(scope="module")
def pair(places: Places) -> Iterator[cluster.Replicated]:
    """A MariaDB primary with a replica that can be delayed."""
    try:
        with cluster.replicated(places) as made:
            yield made
    except matrix.AbsentError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def nodes(places: Places) -> Iterator[list[cluster.Member]]:
    """The nodes of a small Galera cluster."""
    try:
        with cluster.galera(places) as made:
            yield made
    except matrix.AbsentError as error:
        pytest.skip(str(error))
