"""Both backfills while somebody creates and deletes volumes: nothing of his is lost, and his latencies are printed."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from dbaudit.repair import run as runs
from dbaudit.repair.apply import apply
from dbaudit.repair.limits import Limits
from dbaudit.repair.retract import undo
from dbaudit.repair.target import open_target
from dbaudit.repair.throttle import Throttle
from dbaudit.server.server import Server
from dbaudit.volumes import backfill, rehost
from dbaudit.volumes.look import Look
from tests.volumes.databases import load_untyped

pytestmark = pytest.mark.heavy

VOLUMES = 3000


class Writer(threading.Thread):
    """A cinder that goes on: makes volumes of the type, attaches and deletes them, each in its own transaction."""

    def __init__(self, server: Server, schema: str) -> None:
        super().__init__()
        self.server, self.schema, self.over = server, schema, threading.Event()
        self.there: dict[str, tuple[str, int]] = {}
        self.seconds: list[float] = []
        self.conflicts = 0

    def run(self) -> None:
        number = 0
        with contextlib.closing(self.server.admin(self.schema)) as connection, connection.cursor() as cursor:
            while not self.over.is_set():
                number += 1
                began = time.monotonic()
                for statement, values, state in self._statements(f"w{number:06}", number):
                    self._one(cursor, statement, values, state)
                self.seconds.append(time.monotonic() - began)
                time.sleep(0.003)

    def _statements(self, key: str, number: int) -> Iterator[tuple[str, tuple[Any, ...], tuple[str, int]]]:
        yield (
            "INSERT INTO volumes (id, project_id, host, size, status, volume_type_id, deleted) "
            "VALUES (%s, 'p1', 'p01@standard', 1, 'creating', 't-standard', 0)", (key,), ("creating", 0),
        )  # fmt: skip
        yield "UPDATE volumes SET status = 'available' WHERE id = %s", (key,), ("available", 0)
        if number % 3 == 0:
            yield "UPDATE volumes SET status = 'deleted', deleted = 1 WHERE id = %s", (key,), ("deleted", 1)

    def _one(self, cursor: Any, statement: str, values: tuple[Any, ...], state: tuple[str, int]) -> None:
        while True:
            try:
                cursor.execute(statement, values)
            except pymysql.OperationalError as error:
                if error.args[0] not in (1205, 1213):
                    raise
                self.conflicts += 1
            else:
                self.there[values[0]] = state
                return


@pytest.mark.no_cover  # long, along lines that others take too
def test_nothing_of_a_writer_is_lost(
    server: Server, schema: str, journal: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load_untyped(server, schema, VOLUMES)
    target = open_target(server.url(server.restricted([schema, journal]), schema), journal)
    with target.session() as connection:
        look = Look(connection, target)
        works = [
            backfill.backfill(look, "standard", backfill.Scope()),
            rehost.rehost(look, rehost.read_moves(["p01=p01@standard"]), service_will_come=True),
        ]
    monkeypatch.setattr(runs, "MOST_ROWS", 100)
    writer = Writer(server, schema)
    writer.start()
    try:
        done = [apply(work, target, Throttle(sleep=0.01), Limits()) for work in works]
        undone = [undo(target, str(each.run), Throttle(sleep=0.01)) for each in reversed(done)]
    finally:
        writer.over.set()
        writer.join(30)
    assert [each.rows for each in done] == [VOLUMES, VOLUMES]
    assert [(each.restored, each.kept_units) for each in undone] == [(VOLUMES, 0), (VOLUMES, 0)]
    with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, status, deleted FROM volumes WHERE id LIKE 'w%'")
        assert {key: (status, deleted) for key, status, deleted in cursor.fetchall()} == writer.there
        cursor.execute("SELECT COUNT(*) FROM volumes WHERE id LIKE 'v%' AND volume_type_id IS NULL AND host = 'p01'")
        assert cursor.fetchone() == (VOLUMES,)
    seconds = sorted(writer.seconds)
    assert len(seconds) > 50
    with capsys.disabled():
        print(
            f"\n{server.version.name}: {sum(each.rows for each in done)} rows changed and given back; the writer: "
            f"{len(seconds)} volumes, median {statistics.median(seconds) * 1000:.1f} ms, "
            f"p99 {seconds[int(len(seconds) * 0.99)] * 1000:.1f} ms, {writer.conflicts} conflicts"
        )
