"""A server that is killed and started again in the middle of a flush: it goes on, and nothing is counted twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbaudit.server.place import Places
from tests import cluster, matrix
from tests.cluster import Member, ask, until
from tests.repair.members import again
from tests.tokens.databases import NOW
from tests.tokens.test_groups import DEAD, keystone


@pytest.fixture
def member(places: Places) -> Iterator[Member]:
    try:
        server = cluster.begin(places, cluster.mariadb(), ["--skip-networking", "--innodb-flush-log-at-trx-commit=1"])
    except matrix.AbsentError as error:
        pytest.skip(str(error))
    yield server
    server.close()


def test_it_goes_on(member: Member, environment: dict[str, str], tmp_path: Path) -> None:
    where = keystone(member, 4_000)
    words = [sys.executable, "-m", "dbaudit", "tokens", "flush", where, "--before", NOW, "--apply", "--rate", "800"]
    process = subprocess.Popen(
        [*words, "--archive", "a.jsonl"], env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    for _ in range(2):
        left = ask(member, DEAD)[0][0]
        until("it is at work", lambda left=left: ask(member, DEAD)[0][0] < left, patience=60)
        member.process.send_signal(signal.SIGKILL)
        member.process.wait()
        time.sleep(0.5)
        again(member, "--skip-networking", "--innodb-flush-log-at-trx-commit=1")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert ask(member, DEAD) == [(0,)]
    assert ask(member, "SELECT changed, state FROM dbaudit.run") == [(4_000, "done")]
    kept = (tmp_path / "a.jsonl").read_text().splitlines()
    assert len(kept) == len(set(kept)) == 4_000
