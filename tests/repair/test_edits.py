"""Edits of rows in several chunks: their undo is whole or none, and one that breaks off is stopped."""

from __future__ import annotations

import contextlib

import pytest

from dbaudit.errors import DbauditError
from dbaudit.repair import records
from dbaudit.repair.apply import apply
from dbaudit.repair.edits import Edit, Edits, Insert
from dbaudit.repair.prepared import Prepared
from dbaudit.repair.retract import undo
from dbaudit.repair.target import Target
from dbaudit.repair.throttle import Throttle
from dbaudit.repair.undo import parameters_of
from tests.repair.test_apply import BLANK, QUICK, Contents, Execute, fill

CHUNKS = (
    Edits((Edit("child", 5, {"words": ""}, {"words": "five"}),), (Insert("child", {"words": "new"}),)),
    Edits((Edit("child", 10, {"words": ""}, {"words": "ten"}), Edit("child", 1, {"words": "w1"}, {"id": "9001"}))),
)


def states(target: Target, execute: Execute) -> list[tuple[object, ...]]:
    return execute(f"SELECT run, state FROM {target.journal.table('run')}")


def written(target: Target) -> int:
    with contextlib.closing(Prepared(target, "test.edits", ("child",), {})) as prepared:
        prepared.begin(4)
        for chunk in CHUNKS:
            prepared.write(chunk)
            prepared.keep()
        return prepared.commit()


def test_an_undo_is_refused_before_its_first_chunk(target: Target, execute: Execute, contents: Contents) -> None:
    fill(execute)
    execute("ALTER TABLE child ADD deleted INT NOT NULL DEFAULT 0")
    before = contents()
    run = written(target)
    execute("UPDATE child SET words = 'mine' WHERE id = 5")  # of the first chunk, which would come back last
    after = contents()
    with pytest.raises(DbauditError, match="as a whole or not at all, and `child` 5 was changed since"):
        undo(target, str(run), Throttle())
    assert contents() == after
    execute("UPDATE child SET words = 'five' WHERE id = 5")
    undo(target, str(run), Throttle())
    assert [line for line in contents() if "CREATE" not in line] == [line for line in before if "CREATE" not in line]


def test_an_undo_refuses_where_images_are_gone(target: Target, execute: Execute, contents: Contents) -> None:
    fill(execute)
    execute("ALTER TABLE child ADD deleted INT NOT NULL DEFAULT 0")
    run = written(target)
    ((images,),) = execute(f"SELECT images FROM {target.journal.table('image')}")
    execute(f"DELETE FROM `{target.journal.schema}`.`{images}` WHERE dbaudit_side = 0 AND dbaudit_seq = 2 LIMIT 1")
    after = contents()
    with pytest.raises(DbauditError, match=rf"chunk 2 of run {run} changed 2 rows and the journal has images of 1"):
        undo(target, str(run), Throttle())
    assert contents() == after


@pytest.mark.parametrize("key", ["NULL", "'[]'", "'[\"id-1\"]'", "'?'", "'{}'"])
def test_a_chunk_of_another_version_is_left_alone(
    key: str, target: Target, execute: Execute, contents: Contents
) -> None:
    fill(execute)
    execute("ALTER TABLE child ADD deleted INT NOT NULL DEFAULT 0")
    run = written(target)
    execute(f"UPDATE {target.journal.table('chunk')} SET last_key = {key}")
    after = contents()
    with pytest.raises(DbauditError, match="another version of dbaudit wrote it"):
        undo(target, str(run), Throttle())
    assert contents() == after


@pytest.mark.parametrize("details", ["", "?", "[1]", "3"])
def test_a_run_of_another_version_is_listed_and_left_alone(details: str, target: Target, execute: Execute) -> None:
    fill(execute)
    run = apply(BLANK, target, Throttle(), QUICK).run
    execute(f"UPDATE {target.journal.table('run')} SET details = '{details}'")
    with pytest.raises(DbauditError, match="not written as this version of dbaudit writes runs"):
        undo(target, str(run), Throttle())
    with target.session() as connection:
        assert [each.run for each in records.all_runs(connection, target)] == [run]


def test_counters_of_another_version_are_not_guessed(target: Target, execute: Execute) -> None:
    fill(execute)
    run = apply(BLANK, target, Throttle(), QUICK).run
    with target.session() as connection:
        record = records.one_run(connection, target, str(run))
    with pytest.raises(DbauditError, match="does not say its type, name"):
        parameters_of(record, "type", "name")


def test_edits_that_break_off_are_stopped_and_can_be_undone(target: Target, execute: Execute) -> None:
    fill(execute)
    execute("ALTER TABLE child ADD deleted INT NOT NULL DEFAULT 0")
    with contextlib.closing(Prepared(target, "test.edits", ("child",), {})) as prepared:
        prepared.begin(4)
        prepared.write(CHUNKS[0])
        assert prepared.kept is None
        prepared.keep()
        prepared.write(CHUNKS[1])
    assert states(target, execute) == [(prepared.kept, "stopped")]
    assert execute("SELECT words FROM child WHERE id IN (5, 10) ORDER BY id") == [("five",), ("",)]
    assert undo(target, str(prepared.kept), Throttle()).restored == 1
    assert execute("SELECT words FROM child WHERE id = 5") == [("",)]


def test_swapped_names_in_a_column_that_is_called_like_an_id(target: Target, execute: Execute) -> None:
    """Names are no numbers, whatever their column is called."""
    fill(execute)
    execute("ALTER TABLE child ADD deleted INT NOT NULL DEFAULT 0, ADD wordid VARCHAR(40) NULL UNIQUE")
    execute("UPDATE child SET wordid = CONCAT('w-', id)")
    there = ((1, "w-1", "w-5"), (5, "w-5", "w-10"), (10, "w-10", "w-1"))
    edits = tuple(Edit("child", id_, {"wordid": was}, {"wordid": new}) for id_, was, new in there)
    with contextlib.closing(Prepared(target, "test.edits", ("child",), {})) as prepared:
        prepared.begin(len(edits))
        prepared.write(Edits(edits, through={"child": ("wordid",)}))
        prepared.keep()
        run = prepared.commit()
    look = "SELECT id, wordid FROM child WHERE id IN (1, 5, 10) ORDER BY id"
    assert execute(look) == [(id_, new) for id_, _, new in there]
    undo(target, str(run), Throttle())
    assert execute(look) == [(id_, was) for id_, was, _ in there]
