"""A row that somebody heals or deletes between the search for it and its lock is left as they left it.

And what the truth of a check rests on, its guards, nobody changes while a chunk is at work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pymysql
import pytest
from sqlalchemy import select

from dbaudit.change import Guard, Update
from dbaudit.check import Tables
from dbaudit.repair.apply import apply
from dbaudit.repair.chunk import Chunker
from dbaudit.repair.limits import Limits
from dbaudit.repair.plan import make_plan
from dbaudit.repair.retract import undo
from dbaudit.repair.target import Target
from dbaudit.repair.throttle import Throttle
from dbaudit.repair.work import Part, Work
from tests.repair.works import WORKS, Execute, make_things

QUICK = Limits(looks_apart=0.0)
HEALED = {
    "an owner of its own": ("drop", "UPDATE thing SET owner_id = 1 WHERE id = '{}'"),
    "the owner that was missing": ("drop", "INSERT INTO owner SELECT owner_id, 'late' FROM thing WHERE id = '{}'"),
    "deleted by others": ("drop", "DELETE FROM thing WHERE id = '{}'"),
    "words of others": ("fill", "UPDATE thing SET words = 'theirs' WHERE id = '{}'"),
    "deleted with what was to be filled": ("fill", "DELETE FROM thing WHERE id = '{}'"),
}


def rows_of(work: Work, target: Target) -> int:
    with target.session() as connection:
        return make_plan(work, target, connection).rows


@pytest.mark.parametrize("how", HEALED)
def test_it_is_left_as_it_is(
    how: str, target: Target, execute: Execute, contents: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_things(execute, 60)
    name, heal = HEALED[how]
    work = WORKS[name]
    planned, change = rows_of(work, target), Chunker.change
    told: list[tuple[int, list[str]]] = []

    def late(self: Chunker, cursor: Any, run: int, seq: int, keys: Any) -> int:
        if not told:  # the chunk's keys are known, its transaction has begun, nothing is locked
            execute(heal.format(keys[0][0]))
            told.append((rows_of(work, target), contents()))
        return change(self, cursor, run, seq, keys)

    monkeypatch.setattr(Chunker, "change", late)
    done = apply(work, target, Throttle(), QUICK)
    ((left, healed),) = told
    assert done.rows == left < planned
    assert rows_of(work, target) == 0
    undone = undo(target, str(done.run), Throttle())
    assert (undone.restored, undone.kept_units) == (left, 0)
    assert contents() == healed


def misnamed(t: Tables) -> Any:
    joined = t.thing.join(t.owner, t.owner.c.id == t.thing.c.owner_id)
    return select(t.thing.c.id).select_from(joined).where(t.thing.c.words != t.owner.c.name)


def owners_name(t: Tables) -> dict[str, Any]:
    name = select(t.owner.c.name).where(t.owner.c.id == t.thing.c.owner_id).correlate(t.thing)
    return {"words": name.scalar_subquery()}


GUARDED = Update(owners_name, (Guard("owner", {"owner_id": "id"}),))
RENAME = Work("test.rename", (Part("rename", "thing", misnamed, GUARDED),))


def test_what_a_check_rests_on_does_not_change_under_a_chunk(
    target: Target, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_things(execute, 60)
    statement, refused = Chunker._statement, []

    def meanwhile(self: Chunker, condition: Any) -> Any:  # looked at again, and not yet changed
        with pytest.raises(pymysql.err.OperationalError) as error:
            execute("SET innodb_lock_wait_timeout = 1", "UPDATE owner SET name = 'other' WHERE id = 2")
        refused.append(error.value.args[0])
        return statement(self, condition)

    monkeypatch.setattr(Chunker, "_statement", meanwhile)
    apply(RENAME, target, Throttle(), QUICK)
    assert set(refused) == {1205}
    assert rows_of(RENAME, target) == 0
