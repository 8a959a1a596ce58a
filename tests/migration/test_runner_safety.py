"""A runner proves where it writes before its first step, and can reach nothing else."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dbaudit.errors import DbauditError, UsageError
from dbaudit.migration.command_runner import Command, CommandRunner
from dbaudit.migration.confine import _SHELL, Network, confine, listening_sockets, scrubbed
from dbaudit.migration.runner import Target, version_step
from dbaudit.migration.tool import Surroundings
from dbaudit.result import Status
from dbaudit.server.server import Account, Server

Tool = Callable[..., str]
STEP = version_step("cinder", 10)

# Reads its own configuration, as a wrapper script with a built-in path does.
HARD_CODED = """
    db = connect({url!r})
    if words[:2] == ["db", "version"]:
        return version(db)
    sync(db, int(words[2]))
"""
# Reads what it is given, but its step goes elsewhere.
TWO_FACED = """
    db = connect(URL)
    if words[:2] == ["db", "version"]:
        return version(db)
    sync(connect({url!r}), int(words[2]))
"""


def by_socket(production: Server, foreign: Account, _: Any) -> str:
    return production.url(foreign, "cinder").render_as_string(hide_password=False)


def by_network(_: Server, foreign: Account, relay: Any) -> str:
    host, port = relay.address
    return f"mysql+pymysql://{foreign.user}:{foreign.password}@{host}:{port}/cinder"


WAYS = pytest.mark.parametrize("way", [by_socket, by_network])


@WAYS
def test_a_tool_with_a_url_of_its_own_is_refused(
    tool: Tool,
    cinder: Target,
    untouched: Server,
    foreign: Account,
    relay: Any,
    way: Any,
    environment: dict[str, str],
) -> None:
    body = HARD_CODED.format(url=way(untouched, foreign, relay))
    with (
        CommandRunner(Command(tool(body), Surroundings(environment)), cinder) as runner,
        pytest.raises(DbauditError, match=r"does not read the configuration it is given: .* answered"),
    ):
        runner.run(STEP)
    assert relay.seen == 0


@WAYS
def test_a_step_that_connects_elsewhere_is_stopped(
    tool: Tool,
    cinder: Target,
    untouched: Server,
    foreign: Account,
    relay: Any,
    way: Any,
    environment: dict[str, str],
) -> None:
    body = TWO_FACED.format(url=way(untouched, foreign, relay))
    with CommandRunner(Command(tool(body), Surroundings(environment)), cinder) as runner:
        outcome = runner.run(STEP)
    assert outcome.status is Status.FAILED
    assert "Can't connect" in str(outcome.error)
    assert relay.seen == 0


def test_these_tools_do_reach_the_other_server_when_nothing_holds_them(
    tool: Tool, cinder: Target, production: Server, foreign: Account, relay: Any, environment: dict[str, str]
) -> None:
    """The two tests above would prove nothing if the tools could not connect at all."""
    with contextlib.closing(production.admin("cinder")) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS made_10")  # by this test, on another server of the matrix
    body = TWO_FACED.format(url=by_network(production, foreign, relay))
    with CommandRunner(Command(tool(body), Surroundings(environment, network=Network.ALLOWED)), cinder) as runner:
        outcome = runner.run(STEP)
    assert relay.seen == 1
    # It ended well, and yet the step does not count: the rehearsal's own database did not move.
    assert outcome.error == "the command ended well, but the database stands at cinder:9, not at cinder:10"


def test_the_probe_refuses_with_the_network_allowed_too(
    tool: Tool, cinder: Target, production: Server, foreign: Account, environment: dict[str, str]
) -> None:
    body = HARD_CODED.format(url=by_socket(production, foreign, None))
    command = Command(tool(body), Surroundings(environment, network=Network.ALLOWED))
    with CommandRunner(command, cinder) as runner, pytest.raises(DbauditError, match=r"answered '\d+'"):
        runner.prove()


def test_the_proof_is_a_sentence_and_leaves_nothing(tool: Tool, cinder: Target, environment: dict[str, str]) -> None:
    with CommandRunner(Command(tool(), Surroundings(environment)), cinder) as runner:
        assert runner.prove().startswith(
            "cinder-manage reads the configuration it is given, and runs without a network"
        )
    assert sorted(path.name for path in cinder.directory.iterdir()) == ["probe.log"]
    with cinder.server.admin() as cursor_source, cursor_source.cursor() as cursor:
        cursor.execute("SHOW DATABASES LIKE 'dbaudit\\_%'")
        assert not cursor.fetchall()


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("    say(open(config).read()); say(sys.argv)", r"\['.*cinder-manage', '--config-file', .*, 'db', 'version'\]"),
        ("    sys.exit('ERROR: no such option')", "ERROR: no such option"),
        ("    pass", "nothing"),
        ("    say(987654)", "987654"),
    ],
)
def test_other_answers_prove_nothing(
    tool: Tool, cinder: Target, body: str, answer: str, environment: dict[str, str]
) -> None:
    """Least of all a tool that prints its own configuration."""
    with CommandRunner(Command(tool(body), Surroundings(environment)), cinder) as runner:
        with pytest.raises(DbauditError, match=f"answered ['\"]{answer}['\"]") as refused:
            runner.prove()
        assert "--runner-probe" in refused.value.hint


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("cinder-manage db sync {version}", "has neither {config} nor {url}"),
        ("cinder-manage --config-file {config} db sync", "has neither {version} nor {phase}"),
        ("cinder-manage --config-file {config} db sync {phase}", "no phases are named"),
        ("cinder-manage --config-file {config} db sync {revision}", "unknown placeholder {revision}"),
        ("cinder-manage --config-file {config} db sync {version", "cannot be read"),
        ("cinder-manage --config-file '{config} db sync {version}", "cannot be read"),
        ("", "is empty"),
        ("mytool --config {config} go {version}", "how mytool is asked for the version"),
        ("cinder-manage db sync {version} --config-file {config}", "the probe derived .* has neither {config} nor"),
        ("/no/such/cinder-manage --config-file {config} db sync {version}", "not found, or is not executable"),
    ],
)
def test_templates_that_could_not_be_run_safely(
    cinder: Target, template: str, problem: str, environment: dict[str, str]
) -> None:
    with pytest.raises(UsageError, match=problem) as refused:
        CommandRunner(Command(template, Surroundings(environment)), cinder)
    assert refused.value.hint


def test_phases_need_a_place_in_the_command(cinder: Target, environment: dict[str, str]) -> None:
    command = Command(
        "cinder-manage --config-file {config} db sync {version}", Surroundings(environment), phases=("expand",)
    )
    with pytest.raises(UsageError, match=r"has no {phase}"):
        CommandRunner(command, cinder)


def test_the_environment_is_scrubbed(tool: Tool, cinder: Target) -> None:
    mine = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "OS_DATABASE__CONNECTION": "x",
        "OS_AUTH_URL": "x",
        "DATABASE_URL": "x",
        "NOVA_DATABASE": "x",
        "KEYSTONE_CONFIG_FILES": "x",
        "MYSQL_PWD": "x",
        "MYSQL_UNIX_PORT": "x",
        "ANYTHING": "mysql+pymysql://nova:secret@db/nova",
    }
    assert scrubbed(mine) == {"PATH": mine["PATH"], "LANG": "C.UTF-8"}
    body = "    say(*sorted(os.environ))\n    return version(connect(URL))"
    with CommandRunner(Command(tool(body), Surroundings(mine)), cinder) as runner:
        runner.prove()
    seen = (cinder.directory / "probe.log").read_text()
    assert "LANG" in seen
    assert not any(name in seen for name in set(mine) - {"PATH", "LANG"})


def test_without_a_namespace_it_refuses_unless_the_network_is_allowed(
    tool: Tool, cinder: Target, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    template = tool()
    monkeypatch.setenv("PATH", str(tmp_path))
    with CommandRunner(Command(template, Surroundings(environment)), cinder) as runner:
        with pytest.raises(UsageError, match="cannot be cut off from the network") as refused:
            runner.prove()
        assert "--allow-network" in refused.value.hint
    with CommandRunner(Command(template, Surroundings(environment, network=Network.ALLOWED)), cinder) as runner:
        assert "network allowed" in runner.prove()
        assert runner.run(STEP).status is Status.OK


def test_no_socket_but_the_servers_is_visible(production: Server, server: Server) -> None:
    if server.socket is None:
        pytest.skip("the server under test has no unix socket on this machine")
    assert production.socket in listening_sockets()
    script = "import sys, os, stat; print(*[int(stat.S_ISSOCK(os.stat(p).st_mode)) for p in sys.argv[1:]])"
    command = [sys.executable, "-c", script, str(server.socket), str(production.socket)]
    wrapped = confine(Network.REFUSED).wrap(command, server.socket)
    assert subprocess.run(wrapped, capture_output=True, text=True, check=True).stdout.split() == ["1", "0"]
    # Only there: outside, everything is as it was.
    assert production.alive()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user to try this")
def test_an_ordinary_user_is_confined_too() -> None:
    user = shutil.which("setpriv")
    assert user is not None
    script = (
        "import sys; sys.path[:0] = ['.']; from dbaudit.migration.confine import *; import subprocess;"
        "c = confine(Network.REFUSED); print(c.prefix);"
        "print(subprocess.run(c.wrap(['cat', '/proc/net/dev'], None), capture_output=True, text=True).stdout)"
    )
    command = [user, "--reuid", "65534", "--regid", "65534", "--clear-groups", "/usr/bin/env", "python3", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2])
    if done.returncode and ("ermission" in done.stderr or "ModuleNotFound" in done.stderr):
        pytest.skip("the checkout or its Python is closed to other users")
    assert "--map-root-user" in done.stdout, done.stderr
    assert "eth" not in done.stdout


@pytest.mark.parametrize(("then", "code"), [('rm "$3"; exit 32', 0), ("exit 32", 125)], ids=["gone", "there"])
def test_a_socket_that_goes_before_it_is_hidden_is_no_reason_to_stop(tmp_path: Path, then: str, code: int) -> None:
    """Others' servers come and go at any instant; one that stays and cannot be hidden stops the tool."""
    mount, place = tmp_path / "mount", tmp_path / "other.sock"
    mount.write_text(f"#!/bin/sh\n{then}\n")
    mount.chmod(0o755)
    place.touch()
    command = ["sh", "-c", _SHELL, "sh", str(place), "--", "echo", "ran"]
    around = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    ran = subprocess.run(command, env=around, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (code, "" if code else "ran\n")
    assert ran.stderr == (f"dbaudit: cannot hide {place}: \n" if code else "")
