"""Both backfills, killed by SIGKILL in the middle: run again they go on with the same run, which is undone as one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from dbaudit.server.server import Server
from tests.cli.conftest import Dbaudit, dbaudit, environment
from tests.repair.conftest import execute
from tests.repair.dumps import dump
from tests.volumes.databases import load_untyped

pytestmark = pytest.mark.heavy

__all__ = ["dbaudit", "environment", "execute"]

VOLUMES = 1_500
WORDS = {
    "backfill-type": ("--type", "standard"),
    "rehost": ("p01=p01@standard", "--service-will-come"),
}


@pytest.mark.parametrize("command", list(WORDS))
def test_it_goes_on_after_a_kill(
    command: str, server: Server, schema: str, journal: str, dbaudit: Dbaudit, environment: dict[str, str],
    execute: Callable[..., list[tuple[Any, ...]]],
) -> None:  # fmt: skip
    load_untyped(server, schema, VOLUMES)
    before = dump(server, schema)
    url = server.url(server.restricted([schema, journal]), schema).render_as_string(hide_password=False)
    words = ("volumes", command, url, *WORDS[command], "--apply", "--journal-schema", journal)
    process = subprocess.Popen(
        [sys.executable, "-m", "dbaudit", *words, "--sleep", "0.4"], env=environment, stderr=subprocess.DEVNULL
    )
    made = f"SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{journal}' AND TABLE_NAME = 'chunk'"
    end = time.monotonic() + 60
    while not (execute(made) and execute(f"SELECT COUNT(*) FROM `{journal}`.chunk")[0][0]):
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 0 < execute(f"SELECT SUM(changed) FROM `{journal}`.chunk")[0][0] < VOLUMES
    ran = dbaudit(*words, "--format", "json")
    assert ran.code == 0, ran.err
    assert (ran.json["outcome"]["resumed"], ran.json["outcome"]["rows"]) == (True, VOLUMES)
    (run,) = dbaudit("runs", url, "--format", "json", "--journal-schema", journal).json["runs"]
    assert (run["rows"], run["state"]) == (VOLUMES, "done")
    assert dbaudit("undo", url, run["run"], "--apply", "--journal-schema", journal).code == 0
    assert dump(server, schema) == before
