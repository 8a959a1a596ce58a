"""A repair of rows of one table, and its undo: journaled, resumable, exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from dbaudit.change import Delete, Guard, Update
from dbaudit.check import Tables
from dbaudit.errors import DbauditError, UsageError
from dbaudit.repair.apply import apply
from dbaudit.repair.limits import Limits
from dbaudit.repair.plan import make_plan
from dbaudit.repair.retract import undo
from dbaudit.repair.target import Target, open_target
from dbaudit.repair.throttle import Throttle
from dbaudit.repair.undo import plan_undo
from dbaudit.repair.work import Part, Work

Execute = Callable[..., list[tuple[Any, ...]]]
Contents = Callable[[], list[str]]
QUICK = Limits(looks_apart=0.0)
PARENT = "CREATE TABLE parent (id INT NOT NULL PRIMARY KEY, name VARCHAR(20)) ENGINE=InnoDB DEFAULT CHARSET=utf8"
CHILD = (
    "CREATE TABLE child (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, parent_id INT, words TEXT, raw VARBINARY(20), "
    "at DATETIME, n DECIMAL(10,3)) ENGINE=InnoDB DEFAULT CHARSET=utf8"
)


def orphans(t: Tables) -> Any:
    joined = t.child.outerjoin(t.parent, t.parent.c.id == t.child.c.parent_id)
    return select(t.child.c.id, t.child.c.words).select_from(joined).where(
        t.parent.c.id.is_(None), t.child.c.parent_id.is_not(None)
    )  # fmt: skip


ORPHANS = Work("test.orphans", (Part("orphans", "child", orphans, Delete((Guard("parent", {"parent_id": "id"}),))),))


def blank(t: Tables) -> Any:
    return select(t.child.c.id).where(t.child.c.words == "")


BLANK = Work(
    "test.blank",
    (Part("blank", "child", blank, Update(lambda t: {"words": "filled", "n": t.child.c.id + 0.5})),),
)


def fill(execute: Execute, rows: int = 500) -> None:
    execute(PARENT, CHILD)
    execute("SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
    values = [f"({n}, 'p{n}')" for n in range(1, 11)]
    execute("INSERT INTO parent VALUES " + ", ".join(values))
    children = [
        f"({n}, {n % 20 or 'NULL'}, {'NULL' if n % 7 == 0 else repr('' if n % 5 == 0 else f'w{n}')}, "
        f"UNHEX('00FF{n:04X}'), '2013-01-01 00:00:00', {n}.125)"
        for n in range(1, rows + 1)
    ]
    execute("INSERT INTO child VALUES " + ", ".join(children))
    execute("SET sql_mode = ''", "UPDATE child SET at = '0000-00-00 00:00:00' WHERE id % 3 = 0")


def planned(target: Target, work: Work) -> Any:
    with target.session() as connection:
        return make_plan(work, target, connection)


@pytest.mark.parametrize("work", [ORPHANS, BLANK], ids=lambda work: work.name)
def test_a_plan_changes_nothing_apply_does_and_undo_gives_it_back(
    work: Work, target: Target, execute: Execute, contents: Contents
) -> None:
    fill(execute)
    before = contents()
    plan = planned(target, work)
    assert plan.rows > 50
    assert contents() == before
    done = apply(work, target, Throttle(), QUICK)
    assert done.rows == plan.rows
    assert contents() != before
    assert planned(target, work).rows == 0
    again = apply(work, target, Throttle(), QUICK)
    assert (again.run, again.rows) == (None, 0)
    with target.session() as connection:
        told = plan_undo(target, connection, str(done.run))
    assert (told.units, told.kept) == (plan.rows, ())
    undone = undo(target, str(done.run), Throttle())
    assert (undone.restored, undone.kept) == (plan.rows, ())
    assert contents() == before
    with pytest.raises(DbauditError, match="undone already"):
        undo(target, str(done.run), Throttle())


def test_undo_leaves_what_somebody_touched_since(target: Target, execute: Execute, contents: Contents) -> None:
    fill(execute)
    before = contents()
    done = apply(BLANK, target, Throttle(), QUICK)
    execute("UPDATE child SET words = 'FILLED' WHERE id = 5", "DELETE FROM child WHERE id = 10")
    with target.session() as connection:
        told = plan_undo(target, connection, str(done.run))
    assert told.kept_units == 2
    assert {each.split(" ")[1] for each in told.kept} == {"5", "10"}
    undone = undo(target, str(done.run), Throttle())
    assert undone.restored == done.rows - 2
    assert execute("SELECT words FROM child WHERE id = 5") == [("FILLED",)]
    after = [line for line in contents() if line not in before]
    assert len(after) == 1


def test_a_row_whose_place_is_taken_stays_and_the_plan_says_so(
    target: Target, execute: Execute, contents: Contents
) -> None:
    fill(execute)
    done = apply(ORPHANS, target, Throttle(), QUICK)
    execute("INSERT INTO child (id, parent_id, words) VALUES (11, 1, 'mine')")
    with target.session() as connection:
        told = plan_undo(target, connection, str(done.run))
    assert (told.units, told.kept_units, told.kept) == (done.rows - 1, 1, ("`child` 11 is there again",))
    assert undo(target, str(done.run), Throttle()).restored == done.rows - 1
    assert execute("SELECT parent_id, words FROM child WHERE id = 11") == [(1, "mine")]


def test_a_later_run_on_the_rows_refuses_the_undo(target: Target, execute: Execute, contents: Contents) -> None:
    fill(execute)
    first = apply(BLANK, target, Throttle(), QUICK)
    execute("UPDATE child SET parent_id = 15 WHERE id IN (5, 15)")
    second = apply(ORPHANS, target, Throttle(), QUICK)
    with pytest.raises(DbauditError, match=rf"later runs changed rows of run {first.run}: {second.run} "):
        undo(target, str(first.run), Throttle())
    undo(target, str(second.run), Throttle())
    undo(target, str(first.run), Throttle())


def test_limits_refuse_before_anything_is_written(target: Target, execute: Execute, contents: Contents) -> None:
    fill(execute)
    before = contents()
    with pytest.raises(UsageError, match="--max-rows"):
        apply(ORPHANS, target, Throttle(), Limits(max_rows=3))
    with pytest.raises(UsageError, match="--max-share"):
        apply(ORPHANS, target, Throttle(), Limits(max_share=0.1))
    assert contents() == before


def test_what_cannot_be_repaired_is_refused_with_the_reason(
    target: Target, execute: Execute, contents: Contents
) -> None:
    fill(execute)
    execute("UPDATE child SET at = NULL", "ALTER TABLE child MODIFY id INT NOT NULL, DROP PRIMARY KEY")
    with pytest.raises(DbauditError, match="no primary key"):
        planned(target, ORPHANS)
    execute("ALTER TABLE child ADD PRIMARY KEY (id)", "ALTER TABLE child ENGINE=MyISAM")
    with pytest.raises(DbauditError, match="not InnoDB"):
        planned(target, ORPHANS)
    execute("ALTER TABLE child ENGINE=InnoDB", "CREATE TRIGGER noted AFTER DELETE ON child FOR EACH ROW SET @a = 1")
    with pytest.raises(DbauditError, match="trigger"):
        planned(target, ORPHANS)


def test_a_journal_beside_the_data_is_utf8_and_gives_back_what_is_not(
    target: Target, execute: Execute, contents: Contents
) -> None:
    fill(execute)
    execute(
        "SET sql_mode = ''",
        f"ALTER DATABASE `{target.database}` DEFAULT CHARACTER SET latin1",
        "ALTER TABLE child MODIFY words TEXT CHARACTER SET latin1",
        "UPDATE child SET words = _latin1 x'e9' WHERE id = 5",
    )
    before, beside = contents(), open_target(target.url, "SAME")
    done = apply(ORPHANS, beside, Throttle(), QUICK)
    assert execute(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() "
        "AND TABLE_NAME LIKE 'dbaudit%' AND TABLE_COLLATION NOT LIKE 'utf8%'"
    ) == []  # fmt: skip
    assert undo(beside, str(done.run), Throttle()).restored == done.rows > 50
    assert [line for line in contents() if "dbaudit_" not in line] == before
