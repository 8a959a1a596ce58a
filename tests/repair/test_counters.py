"""An undo computes counters anew before its run is called undone: one that breaks off between them is run again."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from dbaudit.change import Update
from dbaudit.check import Tables
from dbaudit.errors import BusyError
from dbaudit.repair.apply import apply
from dbaudit.repair.records import RunRecord
from dbaudit.repair.retract import undo
from dbaudit.repair.target import Target
from dbaudit.repair.throttle import Throttle
from dbaudit.repair.work import Part, Work
from tests.repair.test_apply import BLANK, QUICK, Execute, blank, fill


def blanks(t: Tables) -> Any:
    return select(func.count()).select_from(t.child).where(t.child.c.words == "").scalar_subquery()


def wrong(t: Tables) -> Any:
    return select(t.parent.c.id).where(t.parent.c.id == 1, t.parent.c.name != blanks(t))


COUNT = Work(
    "test.count",
    (
        Part("blank", "child", blank, Update(lambda t: {"words": "filled"})),
        Part("count", "parent", wrong, Update(lambda t: {"name": blanks(t)}), derived=True),
    ),
)


def test_counters_come_before_the_end(target: Target, execute: Execute, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(execute)
    ((blank_rows,),) = execute("SELECT COUNT(*) FROM child WHERE words = ''")
    done = apply(BLANK, target, Throttle(), QUICK)
    execute("UPDATE parent SET name = '0' WHERE id = 1")
    state = f"SELECT state FROM {target.journal.table('run')}"

    def ends(_: Throttle, *__: object) -> None:
        raise BusyError("ends here")

    with monkeypatch.context() as patch:
        patch.setattr("dbaudit.repair.run.Run.recount", ends)
        with pytest.raises(BusyError, match="ends here"):
            undo(target, str(done.run), Throttle(), counters=counter)
    assert execute(state) == [("done",)]
    undo(target, str(done.run), Throttle(), counters=counter)
    assert execute(state) == [("undone",)]
    assert execute("SELECT name FROM parent WHERE id = 1") == [(str(blank_rows),)]
    assert execute(f"SELECT holder FROM {target.journal.table('lease')}") == [(None,)]


def counter(_: RunRecord) -> Work:
    return COUNT
