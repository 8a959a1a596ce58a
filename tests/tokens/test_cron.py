"""A flush as cron and systemd run it: quiet, one at a time, with metrics; and what `contrib` has, run for real."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dbaudit.repair.journal import init_journal
from dbaudit.repair.lease import Lease
from dbaudit.repair.target import open_target
from tests.cli.conftest import ROOT, Dbaudit
from tests.tokens.conftest import Execute
from tests.tokens.databases import HAVANA, NOW, TOKENS
from tests.tokens.test_archive import fill

pytestmark = pytest.mark.heavy

CONTRIB = ROOT / "contrib" / "tokens"
_METRIC = re.compile(r'dbaudit_tokens_flush_[a-z_]+\{(?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*\} -?[0-9.]+')


def metrics(path: Path) -> dict[str, float]:
    """The file's figures; every line is one, or a comment of the format."""
    found = {}
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP|TYPE) dbaudit_tokens_flush_[a-z_]+ .+", line)
            continue
        assert _METRIC.fullmatch(line), line
        name, value = line.rsplit(" ", 1)
        found[re.sub(r'database="[^"]*",?', "", name).replace("{}", "")] = float(value)
    return found


def test_quiet_with_and_without_work_and_metrics(
    dbaudit: Dbaudit, execute: Execute, url: str, journal: str, tmp_path: Path
) -> None:
    execute(*HAVANA, TOKENS)
    words = ("tokens", "flush", url, "--before", NOW, "--journal-schema", journal, "--apply", "--metrics", "m.prom")
    for deleted in (3, 0):
        ran = dbaudit(*words)
        assert (ran.code, ran.out, ran.err) == (0, "", "")
        found = metrics(tmp_path / "m.prom")
        assert found['dbaudit_tokens_flush_deleted_rows{table="token"}'] == deleted
        assert found["dbaudit_tokens_flush_success"] == 1
        assert found["dbaudit_tokens_flush_cutoff_timestamp_seconds"] == 1384516800
        assert abs(found["dbaudit_tokens_flush_completed_timestamp_seconds"] - time.time()) < 600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["m.prom"]
    assert (tmp_path / "m.prom").stat().st_mode & 0o777 == 0o644


def test_a_second_run_says_who_is_at_work(
    dbaudit: Dbaudit, execute: Execute, url: str, journal: str, tmp_path: Path
) -> None:
    execute(*HAVANA, TOKENS)
    from sqlalchemy import make_url

    target = open_target(make_url(url), journal)
    init_journal(target)
    with target.session() as connection:
        Lease.take(connection, target.journal, target.database, "volumes rehost")
        ran = dbaudit(
            "tokens", "flush", url, "--before", NOW, "--journal-schema", journal, "--apply", "--metrics", "m.prom"
        )
    assert (ran.code, ran.out) == (75, "")
    assert "volumes rehost is at work" in ran.err
    assert not (tmp_path / "m.prom").exists()
    assert execute("SELECT COUNT(*) FROM token") == [(8,)]


def test_what_holds_it_back_is_told(dbaudit: Dbaudit, execute: Execute, url: str, journal: str, tmp_path: Path) -> None:
    execute(*HAVANA, TOKENS)
    words = ("tokens", "flush", url, "--before", NOW, "--journal-schema", journal, "--apply", "--metrics", "m.prom")
    (tmp_path / "stop").touch()
    cases = (("--sentinel", "stop"), ("--max-threads", "0", "--max-wait", "1"), ("--run-time", "0"))
    for option, said in zip(cases, ("sentinel", "Threads_running", "--run-time"), strict=True):
        ran = dbaudit(*words, *option)
        assert (ran.code, said in ran.err) == (75, True), ran.err
    assert metrics(tmp_path / "m.prom")["dbaudit_tokens_flush_success"] == 0
    assert execute("SELECT COUNT(*) FROM token") == [(8,)]


def test_sigterm_ends_it_between_two_chunks(
    execute: Execute, url: str, journal: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    execute(*HAVANA)
    fill(execute, 4_000)
    words = [sys.executable, "-m", "dbaudit", "tokens", "flush", url, "--before", NOW, "--journal-schema", journal,
             "--apply", "--rate", "500"]  # fmt: skip
    process = subprocess.Popen(words, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while execute("SELECT COUNT(*) FROM token")[0][0] > 4_300 and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "run it again" in said
    left = execute("SELECT COUNT(*) FROM token WHERE expires < '2013-11-15'")[0][0]
    assert 0 < left < 4_000
    run = execute(f"SELECT state, changed FROM {journal}.run")
    assert run == [("stopped", 4_000 - left)]


def test_optimize(dbaudit: Dbaudit, execute: Execute, url: str, journal: str) -> None:
    execute(*HAVANA, TOKENS)
    ran = dbaudit("tokens", "flush", url, "--before", NOW, "--journal-schema", journal, "--apply", "--optimize",
                  "--format", "json")  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.json["flush"]["optimized"] == {"token": "OK"}


@pytest.fixture
def here(execute: Execute, url: str, tmp_path: Path) -> dict[str, str]:
    """What a site puts in the place of the paths in `contrib`."""
    execute(*HAVANA, TOKENS)
    conf = tmp_path / "keystone.conf"
    conf.write_text(f"[database]\nconnection = {url}\n")
    script = shutil.which("dbaudit", path=str(Path(sys.executable).parent))
    assert script
    return {
        "/usr/bin/dbaudit": script,
        "/etc/keystone/keystone.conf": str(conf),
        "/var/lib/prometheus/node-exporter": str(tmp_path),
        "User=keystone": "User=root",
    }


def placed(text: str, here: dict[str, str]) -> str:
    for old, new in here.items():
        text = text.replace(old, new)
    return text


def deleted_all(execute: Execute, tmp_path: Path, code: int, said: str) -> None:
    assert (code, said) == (0, "")
    assert execute("SELECT COUNT(*) FROM token") == [(2,)]  # those without an expiry
    assert metrics(tmp_path / "dbaudit_tokens.prom")['dbaudit_tokens_flush_deleted_rows{table="token"}'] == 6


@pytest.mark.server("mariadb")
def test_the_service_runs(
    execute: Execute, journal: str, here: dict[str, str], tmp_path: Path, environment: dict[str, str]
) -> None:
    service = placed((CONTRIB / "dbaudit-token-flush.service").read_text(), here)
    (command,) = re.findall(r"^ExecStart=(.*)$", service, re.MULTILINE)
    words = [*shlex.split(command), "--journal-schema", journal]
    ran = subprocess.run(words, cwd="/", env=environment, capture_output=True, text=True, check=False)
    deleted_all(execute, tmp_path, ran.returncode, ran.stdout + ran.stderr)


@pytest.mark.server("mariadb")
def test_the_crontab_line_runs(
    execute: Execute, journal: str, here: dict[str, str], tmp_path: Path, environment: dict[str, str]
) -> None:
    (line,) = [
        each for each in (CONTRIB / "dbaudit-token-flush.cron").read_text().splitlines() if not each.startswith("#")
    ]
    found = re.fullmatch(r"(\S+ \S+ \S+ \S+ \S+) (\S+) ([^%]+)", line)
    assert found
    assert [bool(re.fullmatch(r"\*|\d+", each)) for each in found[1].split()] == [True] * 5
    command = placed(found[3], here) + f" --journal-schema {journal}"
    ran = subprocess.run(["sh", "-c", command], cwd="/", env=environment, capture_output=True, text=True, check=False)
    deleted_all(execute, tmp_path, ran.returncode, ran.stdout + ran.stderr)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze here")
def test_systemd_knows_the_units(tmp_path: Path) -> None:
    script = str(shutil.which("dbaudit", path=str(Path(sys.executable).parent)))
    for name in ("dbaudit-token-flush.service", "dbaudit-token-flush.timer"):
        text = (CONTRIB / name).read_text().replace("/usr/bin/dbaudit", script).replace("User=keystone", "User=root")
        (tmp_path / name).write_text(text)
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "dbaudit" not in ran.stderr, ran.stderr
