"""Images are not deleted under an undo, and an undo does not go by images that are gone."""

from __future__ import annotations

import pytest

from dbaudit.errors import BusyError, DbauditError
from dbaudit.repair.apply import apply
from dbaudit.repair.lease import Lease
from dbaudit.repair.prune import prune
from dbaudit.repair.retract import undo
from dbaudit.repair.target import Target
from dbaudit.repair.throttle import Throttle
from tests.repair.test_apply import BLANK, QUICK, Contents, Execute, fill


def test_nothing_is_pruned_while_an_undo_is_at_work(target: Target, execute: Execute, contents: Contents) -> None:
    fill(execute)
    before = contents()
    done = apply(BLANK, target, Throttle(), QUICK)
    with target.session() as connection, target.session() as other:
        lease = Lease.take(other, target.journal, target.database, f"undo {done.run}")
        with pytest.raises(BusyError, match=f"undo {done.run} is at work") as busy:
            prune(connection, target, 0)
        assert busy.value.exit == 75
        lease.release(other)
        assert undo(target, str(done.run), Throttle()).restored == done.rows
        assert contents() == before
        assert prune(connection, target, 0) == (done.run,)
        assert prune(connection, target, 0) == ()
    assert execute(f"SELECT COUNT(*) FROM {target.journal.table('image')}") == [(0,)]


def test_a_run_that_is_half_undone_is_not_pruned(target: Target, execute: Execute) -> None:
    fill(execute)
    apply(BLANK, target, Throttle(), QUICK)
    execute(f"UPDATE {target.journal.table('chunk')} SET undone = UTC_TIMESTAMP(6) WHERE seq = 1")
    with target.session() as connection:
        assert prune(connection, target, 0) == ()


def test_an_undo_refuses_where_images_are_gone(target: Target, execute: Execute, contents: Contents) -> None:
    fill(execute)
    done = apply(BLANK, target, Throttle(), QUICK)
    ((images,),) = execute(f"SELECT images FROM {target.journal.table('image')}")
    execute(f"DELETE FROM `{target.journal.schema}`.`{images}` WHERE dbaudit_side = 0 LIMIT 1")
    after = contents()
    with pytest.raises(DbauditError, match=rf"chunk 1 of run {done.run} changed \d+ rows and the journal has images"):
        undo(target, str(done.run), Throttle())
    assert contents() == after
