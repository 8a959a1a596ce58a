"""A plugin for pytest: restore a dump in your own tests, and audit it. See docs/testing.md.

pytest loads this module in every run of every project beside which dbaudit is installed, so it imports nothing of
dbaudit, nor anything else that is slow, before a fixture is asked for.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sqlalchemy import URL

    from dbaudit.comparison.side import Side
    from dbaudit.dryrun.inspection import Inspection
    from dbaudit.finding import Finding, Skipped
    from dbaudit.server.place import Places
    from dbaudit.server.server import Account, Connection, Server

_SERVER = "auto"
_RANK = {"note": 0, "warning": 1, "error": 2}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where the throwaway server comes from."""
    words = "auto, private, container, container:IMAGE, or the URL of a server that is marked as throwaway"
    parser.getgroup("dbaudit").addoption("--dbaudit-server", metavar="SERVER", help=f"Server for dbaudit: {words}.")
    parser.addini("dbaudit_server", f"Server for dbaudit, if --dbaudit-server is not given: {words}.", default=_SERVER)


@dataclass(frozen=True)
class Database:
    """A dump that was restored on the throwaway server, under a name of its own.

    `name` is its schema there, `url` what SQLAlchemy connects to with an account that sees this schema alone;
    `service` and `release` say what it is, None where dbaudit does not know.
    """

    name: str
    dump: str
    server: Server
    account: Account = field(repr=False)
    inspection: Inspection = field(repr=False)

    @property
    def url(self) -> URL:
        """The SQLAlchemy URL; it holds the password."""
        return self.server.url(self.account, self.name)

    @property
    def service(self) -> str | None:
        """The service whose database it is: `nova`."""
        return self.inspection.standing.service

    @property
    def release(self) -> str | None:
        """The release whose schema it has: `havana`."""
        at = self.inspection.standing.release
        return at.name if at else None

    def connect(self) -> Connection:
        """A connection of PyMySQL in autocommit mode; the caller closes it."""
        return self.server.connect(self.account, self.name)


Restore = Callable[..., Database]
# What a schema is compared by: a restored database, a dump, a folder of SQL files, a URL, `nova@havana`.
Operand = Database | str | os.PathLike[str]


@pytest.fixture(scope="session")
def dbaudit_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A throwaway server for the session (pytest-xdist: for each worker)."""
    from dbaudit.server.choose import start
    from dbaudit.server.disk import Needs

    config = request.config
    wish = str(config.getoption("--dbaudit-server") or config.getini("dbaudit_server"))
    with start(wish, places=_places(), needs=Needs()) as server:
        yield server


@pytest.fixture
def dbaudit_database(dbaudit_server: Server, tmp_path: Path) -> Iterator[Restore]:
    """Restores dumps: `dbaudit_database(dump="nova.sql.gz")` gives a Database; all go at the end of the test.

    `database` names one of several in the dump.
    """
    made: list[str] = []

    def restored(dump: str | os.PathLike[str], database: str | None = None) -> Database:
        from dbaudit.dryrun.inspection import inspect_one
        from dbaudit.dump.restore import restore
        from dbaudit.progress import silent

        with _plainly():
            found = inspect_one(os.fspath(dump), tmp_path, database=database, watch=silent)
            name = f"t{os.getpid()}_{len(made)}_{os.urandom(4).hex()}"
            made.append(name)
            restore(found.index, dbaudit_server, {found.entry.name: name})
        return Database(name, os.fspath(dump), dbaudit_server, dbaudit_server.restricted([name]), found)

    yield restored
    for name in made:
        dbaudit_server.drop_database(name)


@pytest.fixture
def assert_no_findings(dbaudit_database: Restore) -> Callable[..., None]:
    """The assertion of that name, which restores a dump first where it is given one."""

    def check(database: Database | str | os.PathLike[str], **wishes: Any) -> None:
        __tracebackhide__ = True
        told = database if isinstance(database, Database) else dbaudit_database(dump=database)
        fail_on_findings(told, **wishes)

    return check


@pytest.fixture
def assert_same_schema(tmp_path: Path) -> Callable[[Operand, Operand], None]:
    """The assertion of that name, for restored databases, dumps, URLs and references such as `nova@havana`."""

    def check(a: Operand, b: Operand) -> None:
        __tracebackhide__ = True
        fail_on_differences(a, b, tmp_path)

    return check


def fail_on_findings(
    database: Database,
    *,
    to: str | None = None,
    severity: str = "warning",
    ignore: tuple[str, ...] | list[str] = (),
    skips: bool = False,
) -> None:
    """Fail the test for every fault of the database that is at least of that severity.

    `to` is the release of a planned upgrade, whose hazards are then looked for too; `ignore` names checks; with
    `skips`, a check that could not run fails as well. An unknown service fails: nothing would have been looked at.
    """
    __tracebackhide__ = True
    if severity not in _RANK:
        pytest.fail(f"severity is one of {', '.join(_RANK)}, not {severity}")
    with _plainly():
        findings, skipped = _audit(database, to)
    grave = [each for each in findings if _RANK[each.severity] >= _RANK[severity] and each.check not in ignore]
    lines = [f"{each.severity} {each.check}: {each.object}: {each.message}" for each in grave]
    if skips:
        lines += [f"skipped {each.check}: {each.reason}" for each in skipped if each.check not in ignore]
    if lines:
        pytest.fail("\n  ".join([f"{database.dump} has {len(lines)} findings:", *lines]), pytrace=False)


def _audit(database: Database, to: str | None) -> tuple[tuple[Finding, ...], tuple[Skipped, ...]]:
    from dbaudit.comparison.policy import Policy
    from dbaudit.dryrun.prediction import check_direction, predict
    from dbaudit.dryrun.rows import reader
    from dbaudit.release import release

    target = release(to) if to else database.inspection.standing.release
    if target is None:
        pytest.fail(f"{database.dump}: dbaudit does not know which release this is, so nothing can be audited")
    check_direction(database.inspection, target)
    with reader(database.server, database.account, database.name) as query:
        told = predict(database.inspection, target, charset=None, policy=Policy(), query=query)
    return told.findings, told.skipped


def fail_on_differences(a: Operand, b: Operand, spool: Path) -> None:
    """Fail the test where the schemas differ in more than spelling; `spool` is a folder for temporary files."""
    __tracebackhide__ = True
    from dbaudit.comparison.compare import compare
    from dbaudit.comparison.findings import label, sentence

    with _plainly():
        found = compare(_side(a, spool), _side(b, spool))
    lines = [f"{label(each.difference)} {sentence(each.difference)}" for each in found.different]
    lines += [f"{side.label}: {fault.message}" for side in (found.left, found.right) for fault in side.faults]
    if lines:
        head = f"the schemas of {found.left.label} and {found.right.label} differ:"
        pytest.fail("\n  ".join([head, *lines]), pytrace=False)


def _side(operand: Operand, spool: Path) -> Side:
    from dbaudit.comparison.operand import Reading, read_operand

    if isinstance(operand, Database):
        operand = operand.url.render_as_string(hide_password=False)
    return read_operand(os.fspath(operand), Reading(spool))


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    """An error of dbaudit as a failed test with its sentence and hint, not as a traceback through dbaudit."""
    from dbaudit.errors import DbauditError

    try:
        yield
    except DbauditError as error:
        pytest.fail(f"{error.what}\nhint: {error.hint}" if error.hint else error.what, pytrace=False)


def _places() -> Places:
    from dbaudit.server.place import Places

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dbaudit"
    with contextlib.suppress(OSError):
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Places(Path(tempfile.gettempdir()), cache, os.environ.get("PATH", os.defpath))
