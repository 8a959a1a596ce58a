"""The lease: one run at a time, told by whom, and a stale holder that cannot commit."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest

from dbaudit.errors import BusyError
from dbaudit.repair import lease as leases
from dbaudit.repair.apply import apply
from dbaudit.repair.journal import init_journal, is_there
from dbaudit.repair.lease import Lease, LeaseLost, held, unlock
from dbaudit.repair.limits import Limits
from dbaudit.repair.retract import undo
from dbaudit.repair.target import Target
from dbaudit.repair.throttle import Throttle
from tests.repair.works import FILL


def test_the_journal_is_made_once(target: Target) -> None:
    assert set(init_journal(target)) == {"lease", "run", "chunk", "image"}
    assert init_journal(target) == ()
    with target.session() as connection:
        assert is_there(connection, target)


def test_a_second_run_is_told_who_holds_it(target: Target) -> None:
    init_journal(target)
    with target.session() as one, target.session() as two:
        lease = Lease.take(one, target.journal, "cinder", "cinder.some-check")
        with pytest.raises(BusyError) as refused:
            Lease.take(two, target.journal, "cinder", "tokens flush")
        assert "cinder.some-check" in refused.value.what
        assert f"process {leases.this_process().pid}" in refused.value.what
        assert refused.value.exit == 75
        Lease.take(two, target.journal, "nova", "another database").release(two)
        lease.release(one)
        assert Lease.take(two, target.journal, "cinder", "tokens flush").number == lease.number + 1


def test_a_second_run_is_told_at_once_before_it_counts(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    init_journal(target)
    for module in ("apply", "retract"):
        for name in ("make_plan", "plan_undo"):
            monkeypatch.setattr(f"dbaudit.repair.{module}.{name}", lambda *_: pytest.fail("it counts"), raising=False)
    with target.session() as one:
        lease = Lease.take(one, target.journal, target.database, "cinder.some-check")
        for again in (lambda: apply(FILL, target, Throttle(), Limits()), lambda: undo(target, "1", Throttle())):
            with pytest.raises(BusyError, match=r"cinder.some-check is at work on this database: process \d+ on"):
                again()
        lease.release(one)
    with pytest.raises(pytest.fail.Exception):
        apply(FILL, target, Throttle(), Limits())


def test_an_expired_lease_is_taken_and_its_holder_cannot_commit(target: Target) -> None:
    init_journal(target)
    with target.session() as one, target.session() as two:
        stale = Lease.take(one, target.journal, "cinder", "slow", seconds=0)
        Lease.take(two, target.journal, "cinder", "next")
        with one.cursor() as cursor, pytest.raises(LeaseLost):
            stale.renew(cursor)
        one.rollback()
        stale.release(one)
        found = held(two, target.journal, "cinder")
        assert found
        assert found.work == "next"


def test_unlock_takes_only_what_is_dead(target: Target) -> None:
    init_journal(target)
    with target.session() as one:
        assert unlock(one, target.journal, "cinder") is None
        Lease.take(one, target.journal, "cinder", "alive")
        with pytest.raises(BusyError):
            unlock(one, target.journal, "cinder")
        with contextlib.suppress(BusyError):
            unlock(one, target.journal, "cinder")
        with one.cursor() as cursor:
            cursor.execute(f"UPDATE {target.journal.table('lease')} SET expires = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND")
        one.commit()
        found = unlock(one, target.journal, "cinder")
        assert found
        assert found.work == "alive"
        assert held(one, target.journal, "cinder") is None


def test_a_dead_process_of_this_machine_holds_nothing(target: Target) -> None:
    init_journal(target)
    script = (
        "import json; from dbaudit.repair.lease import this_process as p; h = p(); "
        "print(json.dumps({'host': h.host, 'pid': h.pid, 'space': h.space, 'started': h.started}))"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    with target.session() as one:
        Lease.take(one, target.journal, "cinder", "killed")
        with one.cursor() as cursor:
            cursor.execute(f"UPDATE {target.journal.table('lease')} SET holder = %s", (said,))
        one.commit()
        assert Lease.take(one, target.journal, "cinder", "next").number == 2
