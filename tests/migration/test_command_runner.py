"""Steps of a real command: what is reported of them, and that nothing of them is left running."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dbaudit.migration.command_runner import Command, CommandRunner
from dbaudit.migration.confine import Network
from dbaudit.migration.runner import Target, phase_step, version_step
from dbaudit.migration.tool import Surroundings
from dbaudit.result import Status
from dbaudit.server.server import Account, Endpoint, Server
from dbaudit.server.version import ServerVersion

Tool = Callable[..., str]
PHASES = "{tool} --config-file {{config}} db sync {{phase}}"
STEP = version_step("cinder", 10, "add transfers")


def rows(target: Target, sql: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(target.server.admin(target.database)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def is_running(number: int) -> bool:
    with contextlib.suppress(OSError):
        return "zombie" not in Path(f"/proc/{number}/status").read_text()
    return False


def gone_within(seconds: float, number: int) -> bool:
    end = time.monotonic() + seconds
    while is_running(number):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_one_version_at_a_time(tool: Tool, cinder: Target, environment: dict[str, str]) -> None:
    body = """
    db = connect(URL)
    if words[:2] == ["db", "version"]:
        return version(db)
    say("mode", oct(stat.S_IMODE(os.stat(config).st_mode)), "input", repr(sys.stdin.read()), "url", URL)
    sync(db, int(words[2]))
"""
    with CommandRunner(Command(tool(body), Surroundings(environment)), cinder) as runner:
        outcomes = [runner.run(version_step("cinder", number)) for number in (10, 11)]
    assert [outcome.status for outcome in outcomes] == [Status.OK, Status.OK]
    assert [outcome.revisions for outcome in outcomes] == [("cinder:10",), ("cinder:11",)]
    assert all(0 < outcome.seconds < 20 and outcome.error is None for outcome in outcomes)
    assert rows(cinder, "SELECT version FROM migrate_version") == [(11,)]
    said = outcomes[0].output.read_text()
    assert "mode 0o600 input ''" in said
    assert cinder.account.password not in said
    assert ":***@localhost/" in said
    assert outcomes[0].output.stat().st_mode & 0o777 == 0o600
    # The file with the password is gone.
    assert not list(cinder.directory.glob("*.conf"))


def test_a_url_in_the_command(tool: Tool, cinder: Target, environment: dict[str, str]) -> None:
    body = """
    db = connect(config)
    if words[:2] == ["db", "version"]:
        return version(db)
    sync(db, int(words[2]))
"""
    template = tool(body, "{tool} --config-file {{url}} db sync {{version}}")
    path = Path(template.split()[0])
    path.write_text(path.read_text().replace('URL = parser["database"]["connection"]', "URL = config"))
    with CommandRunner(Command(template, Surroundings(environment)), cinder) as runner:
        assert runner.run(STEP).error is None


def test_a_failed_step_says_what_the_tool_said_last(tool: Tool, cinder: Target, environment: dict[str, str]) -> None:
    body = """
    db = connect(URL)
    if words[:2] == ["db", "version"]:
        return version(db)
    say("begun")
    if int(words[2]) == 10:
        ask(db, "CREATE TABLE migrate_version (id INT)")
    say("cannot go on with " + URL)
    sys.exit(3)
"""
    with CommandRunner(Command(tool(body), Surroundings(environment)), cinder) as runner:
        refused, other = runner.run(STEP), runner.run(version_step("cinder", 11))
    assert refused.status is Status.FAILED
    assert refused.error == """pymysql.err.OperationalError: (1050, "Table 'migrate_version' already exists")"""
    assert "begun\nTraceback" in refused.output.read_text()
    assert refused.revisions == ()
    assert other.error is not None
    assert other.error.startswith("begun\ncannot go on with mysql+pymysql://")
    assert cinder.account.password not in other.error


def test_the_same_step_again_keeps_the_first_output(tool: Tool, cinder: Target, environment: dict[str, str]) -> None:
    body = "    db = connect(URL)\n    version(db)\n    sys.exit(words[1] == 'sync')"
    with CommandRunner(Command(tool(body), Surroundings(environment)), cinder) as runner:
        assert [runner.run(STEP).output.name for _ in range(2)] == ["cinder-10.log", "cinder-10.2.log"]


# Seconds to sleep, by which this process' sleepers are told from those of the tests that run beside it.
NAP = 10 * os.getpid() + 1_000_000
SLEEPER = """
    db = connect(URL)
    if words[:2] == ["db", "version"]:
        return version(db)
    # A child in the group, and a daemon that leaves it.
    for argv in (["sleep", "{nap}"], ["setsid", "sleep", "{nap}"]):
        subprocess.Popen(argv)
    open({ready!r}, "w").close()
    ask(db, "SELECT SLEEP({nap})")
"""


@pytest.fixture(params=[Network.REFUSED, Network.ALLOWED])
def network(request: pytest.FixtureRequest) -> Network:
    return request.param


@pytest.fixture
def nothing_left(cinder: Target) -> Iterator[None]:
    """At the end neither the tool's processes nor its statement run."""
    yield
    time.sleep(0.1)
    left = subprocess.run(["pgrep", "-fx", f"sleep {NAP}"], capture_output=True, text=True).stdout
    assert left == ""
    assert rows(cinder, f"SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT SLEEP({NAP})'") == []
    assert rows(cinder, "SHOW TRIGGERS") == []


@pytest.mark.usefixtures("nothing_left")
def test_a_time_limit_kills_all_that_was_started(
    tool: Tool, cinder: Target, environment: dict[str, str], tmp_path: Path, network: Network
) -> None:
    body = SLEEPER.format(nap=NAP, ready=str(tmp_path / "ready"))
    with CommandRunner(Command(tool(body), Surroundings(environment, limit=4, network=network)), cinder) as runner:
        outcome = runner.run(STEP)
    assert (tmp_path / "ready").exists()
    assert outcome.status is Status.FAILED
    assert outcome.timed_out
    assert outcome.error == "stopped after its time limit of 4 s"
    assert 4 <= outcome.seconds < 15


@pytest.mark.usefixtures("nothing_left")
def test_a_tool_that_waits_for_ever_is_stopped(
    tool: Tool, cinder: Target, environment: dict[str, str], tmp_path: Path
) -> None:
    body = SLEEPER.format(nap=NAP, ready=str(tmp_path / "ready"))
    with CommandRunner(Command(tool(body), Surroundings(environment, stall=2)), cinder) as runner:
        outcome = runner.run(STEP)
    assert outcome.timed_out
    assert outcome.error == "stopped since nothing moved for 2 s"
    assert 2 <= outcome.seconds < 20


@pytest.mark.heavy
def test_a_tool_that_computes_or_prints_is_not_stopped(tool: Tool, cinder: Target, environment: dict[str, str]) -> None:
    body = """
    db = connect(URL)
    if words[:2] == ["db", "version"]:
        return version(db)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        sum(range(10000))
    for _ in range(8):
        say("still here")
        time.sleep(0.5)
    sync(db, int(words[2]))
"""
    with CommandRunner(Command(tool(body), Surroundings(environment, stall=2)), cinder) as runner:
        outcome = runner.run(STEP)
    assert outcome.error is None
    assert outcome.seconds > 7


@pytest.mark.usefixtures("nothing_left")
def test_interrupted_it_kills_all_that_was_started(
    tool: Tool, cinder: Target, environment: dict[str, str], tmp_path: Path, network: Network
) -> None:
    ready = tmp_path / "ready"

    def interrupt() -> None:
        while not ready.exists():
            time.sleep(0.05)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    with CommandRunner(
        Command(tool(SLEEPER.format(nap=NAP, ready=str(ready))), Surroundings(environment, network=network)), cinder
    ) as runner:
        runner.prove()
        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            runner.run(STEP)


def test_without_namespaces_daemons_are_found_by_their_mark(
    tool: Tool, cinder: Target, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = """
    db = connect(URL)
    if words[:2] == ["db", "version"]:
        return version(db)
    daemon = subprocess.Popen(["/usr/bin/sleep", "300"], start_new_session=True)
    say(daemon.pid)
    sync(db, int(words[2]))
"""
    template = tool(body)
    monkeypatch.setenv("PATH", str(tmp_path))  # no unshare
    with CommandRunner(Command(template, Surroundings(environment, network=Network.ALLOWED)), cinder) as runner:
        outcome = runner.run(STEP)
    assert outcome.error is None
    assert gone_within(2, int(outcome.output.read_text()))


def test_when_dbaudit_is_killed_its_tool_dies(tmp_path: Path) -> None:
    script = (
        "import os, pathlib; from dbaudit.migration import process; from dbaudit.migration.confine import *;"
        f"c = confine(Network.REFUSED).wrap(['sleep', '{NAP + 1}'], None);"
        f"process.run(c, dict(os.environ), pathlib.Path({str(tmp_path / 'out')!r}), process.Limits(100))"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).resolve().parents[2])
    end, found = time.monotonic() + 20, ""
    while not found and time.monotonic() < end:
        time.sleep(0.05)
        found = subprocess.run(["pgrep", "-fx", f"sleep {NAP + 1}"], capture_output=True, text=True).stdout
    parent.kill()
    parent.wait()
    assert found
    assert gone_within(1, int(found))


ALEMBIC = """
    db = connect(URL)
    if words[:2] == ["db", "version"]:
        return say(ask(db, "SELECT version_num FROM alembic_version")[0][0])
    phase = words[2]
    if phase == "expand":
        for old, new in (("aaa", "zzz"), ("zzz", "bbb")):
            ask(db, "UPDATE alembic_version SET version_num = '%s' WHERE version_num = '%s'" % (new, old))
        db.begin()
        ask(db, "UPDATE alembic_version SET version_num = 'undone' WHERE version_num = 'bbb'")
        db.rollback()
    if phase == "branch":
        ask(db, "INSERT INTO alembic_version VALUES ('ccc')")
        ask(db, "UPDATE alembic_version SET version_num = 'ddd' WHERE version_num = 'bbb'")
    if phase == "merge":
        ask(db, "DELETE FROM alembic_version WHERE version_num = 'ccc'")
        ask(db, "UPDATE alembic_version SET version_num = 'eee' WHERE version_num = 'ddd'")
    if phase == "anew":
        ask(db, "CREATE TABLE alembic_version_plugin (version_num VARCHAR(32))")
        ask(db, "INSERT INTO alembic_version_plugin VALUES ('fff')")
    if phase == "peek":
        try:
            say(ask(db, "SHOW DATABASES"))
            name = ask(db, "SHOW TRIGGERS")[0][0].rpartition("_")[0]
            ask(db, "DELETE FROM %s.seen" % name)
        except pymysql.MySQLError as error:
            say(error)
        ask(db, "UPDATE alembic_version SET version_num = 'ggg'")
"""


def test_a_phase_reports_its_revisions_in_their_order(tool: Tool, cinder: Target, environment: dict[str, str]) -> None:
    rows(cinder, "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    rows(cinder, "INSERT INTO alembic_version VALUES ('aaa')")
    names = ("expand", "contract", "branch", "merge", "anew", "peek")
    command = Command(tool(ALEMBIC, PHASES), Surroundings(environment), phases=names)
    with CommandRunner(command, cinder) as runner:
        assert runner.phases == tuple(phase_step("cinder", name) for name in names)
        assert str(runner.phases[0].step) == "cinder:expand"
        outcomes = [runner.run(step) for step in runner.phases]
    assert [outcome.error for outcome in outcomes] == [None] * 6
    assert [outcome.revisions for outcome in outcomes] == [
        ("zzz", "bbb"), (), ("ccc", "ddd"), ("eee",), ("fff",), ("ggg",),
    ]  # fmt: skip
    # The account that migrates sees its own schema, and cannot touch the notes.
    said = outcomes[-1].output.read_text()
    assert "denied" in said
    assert "dbaudit_watch" not in said.partition("(1142")[0]
    assert rows(cinder, "SHOW TRIGGERS") == []


class NetworkOnly(Server):
    """The server under test, as if it could be reached by TCP alone: a container's case."""

    kind = "container"

    def log_tail(self, lines: int = 20) -> str:
        return ""

    def close(self) -> None: ...


def test_a_server_that_is_reached_by_network_only(
    tool: Tool, cinder: Target, production: Server, relay: Any, environment: dict[str, str]
) -> None:
    schema = f"by_network_{cinder.database[-8:]}"
    production.drop_database(schema)
    production.create_database(schema)
    admin = Account("somebody", "s3cret-Aa1")
    with contextlib.closing(production.admin(schema)) as connection, connection.cursor() as cursor:
        cursor.execute("DROP USER IF EXISTS somebody@localhost")
        cursor.execute("CREATE USER somebody@localhost IDENTIFIED BY 's3cret-Aa1'")
        cursor.execute("GRANT ALL ON *.* TO somebody@localhost WITH GRANT OPTION")
        cursor.execute("CREATE TABLE migrate_version (repository_id VARCHAR(250) PRIMARY KEY, version INT)")
        cursor.execute("INSERT INTO migrate_version VALUES ('cinder', 9)")
    remote = NetworkOnly(
        label="a container",
        version=ServerVersion("mariadb", (10, 11), "10.11"),
        endpoint=Endpoint(admin, address=relay.address),
    )
    target = Target(remote, remote.restricted([schema]), schema, "cinder", cinder.directory)
    with CommandRunner(Command(tool(), Surroundings(environment)), target) as runner:
        outcome = runner.run(STEP)
    assert outcome.error is None
    assert outcome.revisions == ("cinder:10",)
    assert not (cinder.directory / "server.sock").exists()
