"""The kill matrix: whatever happens behind any statement of a chunk, running it again comes to the undisturbed end.

And the sum of the journal is the number of rows changed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from dbaudit.repair import run as runs
from dbaudit.repair.apply import apply
from dbaudit.repair.limits import Limits
from dbaudit.repair.plan import make_plan
from dbaudit.repair.retract import undo
from dbaudit.repair.target import Target
from dbaudit.repair.throttle import Throttle
from tests import matrix, spread
from tests.cli import forked
from tests.repair import saboteur
from tests.repair.saboteur import COMMITS, KINDS
from tests.repair.works import WORKS, Execute, make_things

Contents = Callable[[], list[str]]
QUICK = Limits(looks_apart=0.0)
# Reading, locking and cascades are the same for both works; of the update, what differs.
OF_FILL = ("look-again", "change", "after-image", *COMMITS)
CASES = [(work, kind) for work in WORKS for kind in (*KINDS, *COMMITS) if work != "fill" or kind in OF_FILL]


def sabotaged(target: Target, work: str, kind: str, what: str, folder: Path) -> tuple[int, str]:
    """The exit code of a repair that it happens to the second time, and what it said."""
    words = [target.url.render_as_string(hide_password=False), target.journal.schema, work, kind, "2", what]
    code, _, said = forked.call(words, dict(os.environ), folder, 120, saboteur.main)
    return code, said.decode()


def journaled(target: Target) -> tuple[int, int, str]:
    """Rows of the last run by its chunks, by its own sum, and its state."""
    with target.session() as connection, connection.cursor() as cursor:
        cursor.execute(
            f"SELECT r.run, r.changed, r.state, COALESCE(SUM(c.changed), 0) FROM {target.journal.table('run')} r "
            f"LEFT JOIN {target.journal.table('chunk')} c ON c.run = r.run GROUP BY r.run ORDER BY r.run DESC LIMIT 1"
        )
        _, changed, state, chunks = cursor.fetchone() or ()
    return int(chunks), int(changed), str(state)


def planned(target: Target, work: str) -> int:
    with target.session() as connection:
        return make_plan(WORKS[work], target, connection).rows


@pytest.fixture
def undisturbed(target: Target, execute: Execute, contents: Contents) -> dict[str, list[str]]:
    """What the tables are in the end, by work; the tables are as they began."""
    make_things(execute, 400)
    before, ends = contents(), {"": contents()}
    for name, work in WORKS.items():
        done = apply(work, target, Throttle(), QUICK)
        ends[name] = contents()
        undo(target, str(done.run), Throttle())
        assert contents() == before
    return ends


def kinds_of(work: str, what: str, wish: str) -> list[str]:
    """The servers of the matrix take turns, unless each is to have all (minutes more)."""
    every = [kind for each, kind in CASES if each == work]
    if spread.EVERYWHERE:
        return every
    here = [each for each, how in matrix.account() if how]
    return every[(here.index(wish) + (what == "drop")) % len(here) :: len(here)]


@pytest.mark.parametrize("what", ["kill", "drop"])
@pytest.mark.parametrize("work", list(WORKS))
def test_any_statement(
    work: str, what: str, target: Target, contents: Contents, undisturbed: dict[str, list[str]], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    monkeypatch.setattr(runs, "MOST_ROWS", saboteur.MOST_ROWS)
    rows = planned(target, work)
    kinds = kinds_of(work, what, request.node.callspec.params["server"])
    assert kinds
    for kind in kinds:
        code, said = sabotaged(target, work, kind, what, tmp_path)
        if what == "kill":
            assert code == -signal.SIGKILL, (kind, said)
            done = apply(WORKS[work], target, Throttle(), QUICK)
            assert done.resumed or kind in ("stretch", "candidates", "lock", "guard"), kind
        else:
            assert code == 0, (kind, said)
        assert contents() == undisturbed[work], kind
        assert journaled(target) == (rows, rows, "done"), kind
        undone = undo(target, last_run(target), Throttle())
        assert (undone.restored, undone.kept_units) == (rows, 0), kind
        assert contents() == undisturbed[""], kind


def last_run(target: Target) -> str:
    with target.session() as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT MAX(run) FROM {target.journal.table('run')}")
        return str((cursor.fetchone() or ("",))[0])
