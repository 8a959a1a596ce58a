"""The laws that every check with a repair obeys, on a real server.

3 a plan changes no table; 4 after the repair it finds nothing, and once more changes nothing; 5 killed after any chunk
it resumes to the same end; 6 undo restores everything, and leaves rows that somebody touched since. Laws 1 and 2 are in
`test_laws`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from dbaudit import packs
from dbaudit.check import Check
from dbaudit.migration.catalogue import reference_at
from dbaudit.repair.apply import apply
from dbaudit.repair.limits import Limits
from dbaudit.repair.plan import Plan, make_plan
from dbaudit.repair.retract import undo
from dbaudit.repair.run import Run
from dbaudit.repair.target import Target, open_target
from dbaudit.repair.throttle import Throttle
from dbaudit.repair.work import work_of
from dbaudit.schema.text import name as quoted
from dbaudit.server.server import Server
from tests.repair.dumps import dump
from tests.test_laws import MARK, fixture_of, load, versions_before

REPAIRED = [check for service in packs.services() for check in packs.checks(service) if check.repair]
QUICK = Limits(looks_apart=0.0)
Contents = Callable[[], list[str]]
Execute = Callable[..., list[tuple[Any, ...]]]


class KilledError(BaseException):
    """The end of a process in the middle of its work, as far as this process can die and be looked at."""


@pytest.fixture
def broken(check: Check, server: Server, schema: str, journal: str) -> tuple[Target, Execute, Contents]:
    """A database with the faults of the check's fixture."""
    reference = reference_at(check.service, versions_before(check))
    assert reference is not None
    load(server, schema, reference, fixture_of(check).read_text())

    def execute(*statements: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
            cursor.execute("SET foreign_key_checks = 0")
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    target = open_target(server.url(server.restricted([schema, journal]), schema), journal)
    return target, execute, lambda: dump(server, schema)


def planned(check: Check, target: Target) -> Plan:
    with target.session() as connection:
        return make_plan(work_of(check), target, connection)


@pytest.mark.parametrize("check", REPAIRED, ids=lambda check: check.id)
def test_laws_3_to_5(check: Check, broken: tuple[Target, Execute, Contents], monkeypatch: pytest.MonkeyPatch) -> None:
    target, execute, contents = broken
    before = contents()
    rows = changes_no_table_where_it_plans(check, broken, before)
    run, repaired = finds_nothing_after_the_repair(check, broken, rows)
    undo(target, str(run), Throttle())
    assert contents() == before
    with monkeypatch.context() as patch:
        kills = killed_after_every_chunk(check, target, rows, patch)
    done = apply(work_of(check), target, Throttle(), QUICK)
    assert kills == rows
    assert contents() == repaired
    changed = execute(f"SELECT changed FROM {target.journal.table('run')} ORDER BY run DESC LIMIT 1")
    assert changed == [(rows,)]
    undo(target, str(done.run or run + 1), Throttle())
    assert contents() == before


def changes_no_table_where_it_plans(check: Check, broken: tuple[Target, Execute, Contents], before: list[str]) -> int:
    """Law 3. Gives how many rows there are to repair: those that the fixture marks."""
    target, execute, contents = broken
    rows = planned(check, target).rows
    assert rows == sum(check.id in match["ids"] for match in MARK.finditer(fixture_of(check).read_text()))
    assert contents() == before
    assert not execute(f"SHOW DATABASES LIKE '{target.journal.schema}'")
    return rows


def finds_nothing_after_the_repair(
    check: Check, broken: tuple[Target, Execute, Contents], rows: int
) -> tuple[int, list[str]]:
    """Law 4. Gives the number of the run, and what the tables are after it."""
    target, _, contents = broken
    done = apply(work_of(check), target, Throttle(), QUICK)
    assert done.run is not None
    assert done.rows == rows
    assert planned(check, target).rows == 0
    repaired = contents()
    assert apply(work_of(check), target, Throttle(), QUICK).run is None
    assert contents() == repaired
    return done.run, repaired


def killed_after_every_chunk(check: Check, target: Target, rows: int, patch: pytest.MonkeyPatch) -> int:
    """Law 5: chunks of one row, and after each of them the process ends. Gives how often it did."""
    chunk = Run._transaction

    def one_row(self: Run, chunker: Any, keys: Any) -> int:
        if not chunk(self, chunker, keys):
            return 0
        raise KilledError

    patch.setattr("dbaudit.repair.pace.LEAST", 1)
    patch.setattr("dbaudit.repair.run.MOST_ROWS", 1)
    patch.setattr(Run, "_transaction", one_row)
    patch.setattr(Run, "_end", lambda self, state: self.lease.release(self.link.connection))
    kills = 0
    while True:
        try:
            apply(work_of(check), target, Throttle(), QUICK)
        except KilledError:
            kills += 1
            assert kills <= rows
            continue
        return kills


@pytest.mark.parametrize("check", REPAIRED, ids=lambda check: check.id)
def test_undo_leaves_a_row_that_somebody_touched(check: Check, broken: tuple[Target, Execute, Contents]) -> None:
    target, execute, contents = broken
    done = apply(work_of(check), target, Throttle(), QUICK)
    table, deletes = check.table, check.repair is not None and check.repair.verb == "delete"
    with target.session() as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT tbl, images FROM {target.journal.table('image')} WHERE run = %s", (done.run,))
        images = dict(cursor.fetchall())[table]
    journaled = f"{quoted(target.journal.schema)}.{quoted(images)}"
    stored = [str(row[0]) for row in execute(f"SHOW COLUMNS FROM {quoted(table)}")]
    columns = ", ".join(map(quoted, stored))
    first = f"(SELECT * FROM (SELECT {columns} FROM {journaled} WHERE dbaudit_side = 0 LIMIT 1) one)"
    if deletes:
        execute(f"INSERT INTO {quoted(table)} ({columns}) {first[1:-1]}")
    else:
        key = target_key(execute, table)
        execute(f"DELETE FROM {quoted(table)} WHERE {key} = (SELECT {key} FROM {first} x)")
    touched = contents()
    undone = undo(target, str(done.run), Throttle())
    assert undone.kept_units == 1
    assert undone.restored == done.rows - 1
    assert deletes <= (set(touched) <= set(contents()))


def target_key(execute: Execute, table: str) -> str:
    return quoted(str(execute(f"SHOW KEYS FROM {quoted(table)} WHERE Key_name = 'PRIMARY'")[0][4]))
