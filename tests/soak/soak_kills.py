"""kill -9 of dbaudit at any moment: no server outlives it by a second, and the next run removes what it left.

Not collected by a plain run; `make soak` runs it.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dbaudit.server import workspace
from tests import matrix
from tests.cli.conftest import ROOT, SAMPLES

SECONDS = float(os.environ.get("DBAUDIT_SOAK_SECONDS", "60"))
# Seconds that a dry-run of the sample takes here, and some more.
LONGEST = 6.0


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT"])
@pytest.mark.parametrize("wish", matrix.WISHES)
def test_killed_at_any_moment(wish: str, name: str, places: matrix.Places) -> None:
    program = matrix.program(wish)
    if not program:
        pytest.skip(f"there is no server program of {wish} on this machine")
    seed = os.environ.get("DBAUDIT_SOAK_SEED", str(time.time_ns()))
    print(f"seed {seed}")
    chance = random.Random(f"{seed} {wish} {name}")
    environment = {
        **os.environ,
        "TMPDIR": str(places.tmp),
        "XDG_CACHE_HOME": str(places.cache),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "dbaudit", "dry-run", str(SAMPLES / "cinder-grizzly.sql.gz"), "--to", "havana"]
    command += ["--server-binary", str(program)]
    end, rounds = time.monotonic() + SECONDS / 5, 0
    while time.monotonic() < end or rounds < 3:
        rounds += 1
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        moment = chance.uniform(0, LONGEST)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.send_signal(getattr(signal, name))
            process.wait(30)
        deadline = time.monotonic() + 2
        while (left := workspace.servers_of(places.tmp)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not left, f"{name} after {moment:.3f} s left the servers {left}"
    assert subprocess.run(command, env=environment, capture_output=True, timeout=120).returncode == 2
    assert [each for each in Path(places.tmp).iterdir() if each.name.startswith("dbaudit-")] == []
