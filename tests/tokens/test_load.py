"""A flush on a busy database, and one whose connection or server is killed: nothing of a writer's is lost."""

from __future__ import annotations

import contextlib
import random
import statistics
import threading
import time
from pathlib import Path
from typing import Any

import pymysql
import pytest
from sqlalchemy import make_url

from dbaudit.repair.throttle import Throttle
from dbaudit.server.server import Server
from dbaudit.tokens.entry import Entry
from dbaudit.tokens.flush import GENTLE, Report
from dbaudit.tokens.opened import Wish, open_flush
from dbaudit.tokens.run import Run, flush
from tests.cli import forked
from tests.cli.conftest import Dbaudit
from tests.tokens.conftest import Execute
from tests.tokens.databases import GRIZZLY, HAVANA, NOW
from tests.tokens.test_archive import fill

pytestmark = pytest.mark.heavy

DEAD = "SELECT COUNT(*) FROM token WHERE expires < '2013-11-15 12:00:00'"


class Writer(threading.Thread):
    """Inserts, validates, revokes and deletes tokens of its own; `living` has those that must be there, and `valid`."""

    def __init__(self, server: Server, schema: str) -> None:
        super().__init__()
        self.living: dict[str, int] = {}
        self.missed: list[str] = []
        self.seconds: list[float] = []
        self.retries = 0
        self._server, self._schema, self._over = server, schema, threading.Event()

    def run(self) -> None:
        pick = random.Random(1)
        with contextlib.closing(self._server.admin(self._schema)) as connection, connection.cursor() as cursor:
            while not self._over.is_set():
                began = time.monotonic()
                try:
                    self._one(cursor, pick)
                except pymysql.OperationalError as error:
                    if error.args[0] not in (1205, 1213):
                        raise
                    self.retries += 1
                self.seconds.append(time.monotonic() - began)

    def _one(self, cursor: pymysql.cursors.Cursor, pick: random.Random) -> None:
        known, act = list(self.living)[-200:], pick.random()
        if act < 0.4 or not known:
            name = f"{pick.getrandbits(32):08x}w"
            cursor.execute("INSERT INTO token VALUES (%s, '2014-01-01', 'x', 1, NULL, 'w')", (name,))
            self.living[name] = 1
        elif act < 0.8:
            name = pick.choice(known)
            cursor.execute("SELECT valid FROM token WHERE id = %s", (name,))
            if cursor.fetchone() != (self.living[name],):
                self.missed.append(name)
        elif act < 0.9:
            name = pick.choice(known)
            cursor.execute("UPDATE token SET valid = 0 WHERE id = %s", (name,))
            self.living[name] = 0
        else:
            name = pick.choice(known)
            cursor.execute("DELETE FROM token WHERE id = %s", (name,))
            del self.living[name]

    def finish(self) -> None:
        self._over.set()
        self.join()
        times = sorted(self.seconds)
        print(
            f"writer: {len(times)} statements, median {statistics.median(times) * 1e3:.1f} ms, "
            f"p99 {times[len(times) * 99 // 100] * 1e3:.1f} ms, longest {times[-1] * 1e3:.0f} ms, "
            f"{self.retries} retries"
        )


@pytest.mark.parametrize("ddl", [(GRIZZLY,), HAVANA], ids=["grizzly", "havana"])
@pytest.mark.parametrize("profile", ["--fast", "--gentle"])
def test_nothing_of_a_writer_is_lost(
    server: Server, schema: str, execute: Execute, url: str, journal: str, dbaudit: Dbaudit,
    ddl: tuple[str, ...], profile: str,
) -> None:  # fmt: skip
    execute(*ddl)
    fill(execute, 10_000)
    writer = Writer(server, schema)
    writer.start()
    ran = dbaudit(*words(url, journal, profile))
    writer.finish()
    assert (ran.code, ran.out) == (0, ""), ran.err
    assert writer.missed == []
    assert dict(execute("SELECT id, valid FROM token WHERE user_id = 'w'")) == writer.living
    assert execute(DEAD) == [(0,)]
    assert execute("SELECT COUNT(*) FROM token WHERE user_id IS NULL") == [(1_000,)]


@pytest.mark.parametrize("committed", [False, True], ids=["lost", "committed"])
def test_the_answer_of_a_commit_is_lost_and_the_next_connection_too(
    execute: Execute, url: str, journal: str, tmp_path: Path, committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(*HAVANA)
    fill(execute, 2_000)
    note, has, faults = Entry.note, Entry.has, ["commit", "ask"]

    def broken(self: Entry, cursor: Any, *words: Any) -> None:
        note(self, cursor, *words)
        if faults[:1] == ["commit"]:
            faults.pop(0)
            if committed:
                cursor.connection.commit()
            execute(f"KILL {cursor.connection.thread_id()}")
            raise pymysql.OperationalError(2013, "Lost connection to MySQL server during query")

    def asked(self: Entry, cursor: Any, number: int) -> bool:
        if faults[:1] == ["ask"]:
            faults.pop(0)
            raise pymysql.OperationalError(2013, "Lost connection to MySQL server during query")
        return has(self, cursor, number)

    monkeypatch.setattr(Entry, "note", broken)
    monkeypatch.setattr(Entry, "has", asked)
    opened = open_flush(Wish(make_url(url), NOW, ("token",), journal=journal))
    flush(opened, Run(Throttle(), archive=tmp_path / "a.jsonl"), Report(GENTLE))
    assert faults == []
    assert execute(DEAD) == [(0,)]
    assert execute(f"SELECT SUM(changed) FROM {journal}.chunk") == [(2_000,)]
    kept = (tmp_path / "a.jsonl").read_text().splitlines()
    assert len(kept) == len(set(kept)) == 2_000


def words(url: str, journal: str, *more: str) -> list[str]:
    command = ["tokens", "flush", url, "--before", NOW, "--apply"]
    return [*command, "--journal-schema", journal, *more]


@pytest.mark.parametrize("archive", [False, True], ids=["plain", "archived"])
def test_killed_connections_are_opened_again(
    execute: Execute, url: str, journal: str, environment: dict[str, str], tmp_path: Path, archive: bool
) -> None:
    execute(*HAVANA)
    fill(execute, 4_000)
    more = ("--rate", "2000", *(("--archive", "a.jsonl") if archive else ()))
    process = forked.Begun(words(url, journal, *more), environment, tmp_path, tmp_path / "out", tmp_path / "err")
    killed, left = 0, 4_000
    while process.poll() is None:
        now = execute(DEAD)[0][0]
        # Only after some progress: twelve failures on end are more than it bears, and a slow machine makes that many.
        if now < left and killed < 12:
            left = now
            for number, database in execute(
                "SELECT ID, DB FROM information_schema.PROCESSLIST WHERE USER LIKE 'dbaudit%'"
            ):
                with contextlib.suppress(pymysql.MySQLError):
                    killed += bool(database and execute(f"KILL {number}") == [])
        time.sleep(0.3)
    assert process.wait() == 0, (tmp_path / "err").read_text()
    assert killed
    assert execute(DEAD) == [(0,)]
    assert execute("SELECT COUNT(*) FROM token") == [(400,)]
    assert execute(f"SELECT SUM(changed) FROM {journal}.chunk") == [(4_000,)]
    assert execute(f"SELECT changed, state FROM {journal}.run") == [(4_000, "done")]
    if archive:
        kept = (tmp_path / "a.jsonl").read_text().splitlines()
        assert len(kept) == len(set(kept)) == 4_000
