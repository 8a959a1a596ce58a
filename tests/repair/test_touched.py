"""An undo leaves a row of which one column, whichever, is not what the repair left there. Bytes count."""

from __future__ import annotations

from dbaudit.repair.apply import apply
from dbaudit.repair.retract import undo
from dbaudit.repair.target import Target
from dbaudit.repair.throttle import Throttle
from tests.repair.test_apply import BLANK, QUICK, Execute, fill

TOUCHES = (
    "parent_id = NULL", "parent_id = parent_id + 1", "words = 'Filled'", "words = 'filled '", "words = NULL",
    "raw = NULL", "raw = UNHEX('00FFFF')", "raw = CONCAT(raw, UNHEX('00'))", "at = '2013-01-01 00:00:01'",
    "at = NULL", "n = n + 0.001", "n = NULL",
)  # fmt: skip


ALL = "SELECT *, HEX(words), HEX(raw) FROM child ORDER BY id"


def test_touched_rows_stay_and_the_others_are_restored(target: Target, execute: Execute) -> None:
    fill(execute, 120)
    before = {row[0]: row for row in execute(ALL)}
    empty = [id_ for (id_,) in execute("SELECT id FROM child WHERE words = '' AND id % 20 ORDER BY id")]
    done = apply(BLANK, target, Throttle(), QUICK)
    touches = dict(zip(empty, TOUCHES, strict=False))
    assert len(touches) == len(TOUCHES) < len(empty)
    for id_, touch in touches.items():
        execute(f"UPDATE child SET {touch} WHERE id = {id_}")
    after = {row[0]: row for row in execute(ALL)}
    undone = undo(target, str(done.run), Throttle())
    assert {row[0]: row for row in execute(ALL)} == before | {id_: after[id_] for id_ in touches}
    assert (undone.kept_units, undone.restored) == (len(touches), done.rows - len(touches))
