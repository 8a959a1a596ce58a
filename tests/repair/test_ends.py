"""How runs end before their end: signals, a killed server, a failover, a server that turns read-only, a second run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dbaudit.errors import BusyError, DbauditError
from dbaudit.repair import records
from dbaudit.repair import run as runs
from dbaudit.repair.apply import apply
from dbaudit.repair.limits import Limits, Outcome
from dbaudit.repair.link import Failover
from dbaudit.repair.plan import make_plan
from dbaudit.repair.retract import undo
from dbaudit.repair.run import Interrupted
from dbaudit.repair.stop import Stop
from dbaudit.repair.target import Target, open_target
from dbaudit.repair.throttle import Throttle
from dbaudit.server.place import Places
from tests import cluster, matrix
from tests.cli import forked
from tests.cluster import Member, until
from tests.repair.members import again, contents, local, rows_of, with_things
from tests.repair.works import DROP, FILL

ROOT = Path(__file__).resolve().parents[2]
QUICK = Limits(looks_apart=0.0)
DURABLE = "--innodb-flush-log-at-trx-commit=2"
EXPIRE = "UPDATE dbaudit.lease SET expires = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND"
PACK = '''"""Things without words.

What is wrong: x. Why it matters: x. How it came about: x. Repair: x.
"""

from dbaudit.check import NOTE, Check, Update
from sqlalchemy import select

check = Check(__name__, severity=NOTE, message="{count} blank", table="thing", key=("id",),
              repair=Update(lambda t: {"words": "filled"}))


@check.rows
def blank(t):
    return select(t.thing.c.id).where(t.thing.c.words == "")
'''


@pytest.fixture(scope="module", params=["mariadb", "mysql:9", "mysql:5.6"])
def own(places: Places, request: pytest.FixtureRequest) -> Iterator[Member]:
    """A server of the tests' own, with durable commits."""
    program = matrix.program("mariadb:10.11" if request.param == "mariadb" else request.param)
    if program is None and request.param == "mariadb":
        program = matrix.program("mariadb")
    if program is None:
        pytest.skip(f"{request.param} is absent: tests/images/build --roots {request.param}")
    made = cluster.begin(places, program, [DURABLE, "--skip-networking"])
    yield made
    made.close()


@pytest.fixture
def member(own: Member) -> Iterator[Member]:
    """The same, as it was begun, whatever happened to it in a test before."""
    options = own.process.args
    yield own
    if own.process.poll() is not None or own.process.args != options:
        own.restart()


class Background:
    """A run in a thread, slow enough to have something happen to it."""

    def __init__(self, target: Target, monkeypatch: pytest.MonkeyPatch, patience: float = 30.0) -> None:
        monkeypatch.setattr(runs, "MOST_ROWS", 20)
        self.stop = Stop()
        self.target, self.outcome, self.error = target, None, None
        self.limits = Limits(looks_apart=0.0, patience=patience)
        self.thread = threading.Thread(target=self._go)
        self.outcome: Outcome | None
        self.error: BaseException | None
        self.thread.start()

    def _go(self) -> None:
        try:
            self.outcome = apply(DROP, self.target, Throttle(stop=self.stop, sleep=0.15), self.limits)
        except BaseException as error:  # noqa: BLE001 - whatever ends it is looked at
            self.error = error

    def chunks(self, count: int, execute: Callable[..., list[tuple[Any, ...]]]) -> None:
        """Wait until so many chunks are journaled."""
        until("there is a journal", lambda: journal(execute))
        until("there are chunks", lambda: execute("SELECT COUNT(*) FROM dbaudit.chunk")[0][0] >= count)

    def end(self) -> BaseException | None:
        self.thread.join(90)
        assert not self.thread.is_alive()
        return self.error


def planned(target: Target) -> int:
    with target.session() as connection:
        return make_plan(DROP, target, connection).rows


def test_a_server_that_is_killed_and_comes_back_is_waited_for(member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    target, execute = with_things(member)
    before, rows = contents(member), planned(target)
    work = Background(target, monkeypatch)
    work.chunks(3, execute)
    member.process.kill()
    again(member)
    assert work.end() is None
    assert work.outcome is not None
    assert work.outcome.rows == rows
    assert execute("SELECT SUM(changed) FROM dbaudit.chunk") == [(rows,)]
    assert undo(target, str(work.outcome.run), Throttle()).restored == rows
    assert rows_of(member) == [line for line in before if not line.startswith("CREATE")]


def test_a_server_that_does_not_come_back_ends_the_run_which_goes_on_later(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, execute = with_things(member)
    rows = planned(target)
    work = Background(target, monkeypatch, patience=1.0)
    work.chunks(2, execute)
    member.process.kill()
    assert isinstance(work.end(), BusyError)
    again(member)
    execute(EXPIRE)  # in this test the process that held it is ours, which lives
    done = apply(DROP, target, Throttle(), QUICK)
    assert done.resumed
    assert execute("SELECT SUM(changed) FROM dbaudit.chunk") == [(rows,)]


def test_after_a_failover_it_stops_and_names_what_is_lost(member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    target, execute = with_things(member)
    work = Background(target, monkeypatch)
    work.chunks(3, execute)
    execute("FLUSH TABLES WITH READ LOCK")  # nobody is served from here on but by the other server
    member.process.kill()
    member.process.wait()
    assert member.directory
    (member.directory / "data" / "auto.cnf").unlink(missing_ok=True)  # MySQL's name of itself
    again(member, "--server-id=77", "--max-connections=1")
    error = work.end()
    assert isinstance(error, Failover)
    assert error.exit == 75
    assert "another server answers" in error.what


def test_the_chunks_that_another_server_lacks_are_named(member: Member) -> None:
    target, execute = with_things(member)
    done = apply(DROP, target, Throttle(), QUICK)
    execute("DELETE FROM dbaudit.chunk WHERE seq = 1")
    with target.session() as connection, connection.cursor() as cursor:
        assert records.absent_chunks(cursor, target, int(str(done.run)), done.chunks) == (1,)


def test_a_server_that_turns_read_only_stops_the_run(member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    target, execute = with_things(member)
    rows = planned(target)
    work = Background(target, monkeypatch)
    work.chunks(2, execute)
    execute("SET GLOBAL read_only = 1")
    error = work.end()
    assert isinstance(error, BusyError)
    assert "does not take writes any more" in error.what
    with pytest.raises(DbauditError, match="is read-only"):
        apply(DROP, open_target(target.url), Throttle(), QUICK)
    execute("SET GLOBAL read_only = 0", EXPIRE)
    apply(DROP, target, Throttle(), QUICK)
    assert execute("SELECT SUM(changed) FROM dbaudit.chunk") == [(rows,)]


def test_a_wish_to_stop_ends_after_a_chunk_and_a_second_run_is_told_at_once(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, execute = with_things(member)
    work = Background(target, monkeypatch)
    work.chunks(2, execute)
    with pytest.raises(BusyError, match=r"test.drop, run 1 is at work on this database: process \d+ on"):
        apply(FILL, target, Throttle(), QUICK)
    work.stop.want()
    error = work.end()
    assert isinstance(error, Interrupted)
    assert error.exit == 130
    assert execute("SELECT state FROM dbaudit.run") == [("stopped",)]
    assert execute("SELECT holder FROM dbaudit.lease") == [(None,)]
    assert apply(DROP, target, Throttle(), QUICK).resumed
    assert execute("SELECT state, changed FROM dbaudit.run") == [("done", 400)]


def test_signals_finish_the_chunk(member: Member, tmp_path: Path) -> None:
    _, execute = with_things(member, 3000)
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "blank_words.py").write_text(PACK)
    url = local(member).render_as_string(hide_password=False)
    words = ["repair", "demo.blank-words", url, "--pack", str(tmp_path), "--apply"]
    for number in (signal.SIGTERM, signal.SIGINT):
        before = filled(execute)
        process = subprocess.Popen(
            [sys.executable, "-m", "dbaudit", *words, "--sleep", "1.5"], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        until("it changed rows", lambda before=before: journal(execute) and filled(execute) > before)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert "stopped after a whole chunk" in said
        assert execute("SELECT state FROM dbaudit.run") == [("stopped",)]
        assert filled(execute) < 1000
    code, out, err = forked.call(words, dict(os.environ), tmp_path, 60)
    assert code == 0, err
    assert b"run 1, resumed" in out
    assert filled(execute) == 1000


def filled(execute: Callable[..., list[tuple[Any, ...]]]) -> int:
    return int(execute("SELECT COUNT(*) FROM thing WHERE words = 'filled'")[0][0])


def journal(execute: Callable[..., list[tuple[Any, ...]]]) -> bool:
    found = execute("SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'dbaudit' AND TABLE_NAME = 'chunk'")
    return bool(found)


def test_what_a_binary_log_tears_apart_is_refused(places: Places) -> None:
    options = ["--log-bin=log", "--server-id=1", "--skip-networking", "--binlog-do-db=things"]
    made = cluster.begin(places, cluster.mariadb(), [*options, "--binlog-format=STATEMENT"])
    try:
        _, execute = with_things(made)
        with pytest.raises(DbauditError, match="binlog_format=STATEMENT"):
            apply(DROP, open_target(local(made)), Throttle(), QUICK)
        execute("SET GLOBAL binlog_format = ROW")
        with pytest.raises(DbauditError, match="has only one of") as refused:
            apply(DROP, open_target(local(made)), Throttle(), QUICK)
        assert "--journal-schema SAME" in refused.value.hint
        beside = open_target(local(made), "SAME")
        done = apply(DROP, beside, Throttle(), QUICK)
        assert undo(beside, str(done.run), Throttle()).restored == done.rows
    finally:
        made.close()


def test_a_grant_that_lacks_is_named(member: Member) -> None:
    with_things(member)
    target = open_target(member.url(member.restricted(["things"]), "things"))
    with pytest.raises(DbauditError, match="may not do this") as refused:
        apply(DROP, target, Throttle(), QUICK)
    assert "GRANT CREATE, SELECT, INSERT, UPDATE, DELETE, DROP ON `dbaudit`.* TO" in refused.value.hint
