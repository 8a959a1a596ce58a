"""A private server lives no longer than the dbaudit that has it, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dbaudit.server import supervisor, workspace
from dbaudit.server.disk import Needs
from dbaudit.server.identity import server_identity
from dbaudit.server.place import Places
from dbaudit.server.private import start_private
from tests.server.conftest import Dbaudit, runs, within

Start = Callable[..., Dbaudit]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of another user")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc")
pytestmark = linux
# None: whoever runs the tests; where that is root, its server runs as another user.
USERS = [None, pytest.param("nobody", marks=needs_root)]


KILLED_WHILE_IT_STARTS = """
import os, signal, sys
from pathlib import Path
from dbaudit.server import private
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
private._await = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
private.start_private(Path(sys.argv[3]), Places(Path(sys.argv[1]), Path(sys.argv[2])), Needs())
"""


def is_gone(dbaudit: Dbaudit) -> bool:
    return not runs(dbaudit.server) and not runs(dbaudit.supervisor) and not dbaudit.directory.exists()


@pytest.mark.parametrize("user", USERS)
def test_kill_9_of_dbaudit_leaves_nothing_after_a_second(start: Start, user: str | None) -> None:
    dbaudit = start(user=user)
    assert runs(dbaudit.server)
    dbaudit.kill()
    assert within(1, lambda: is_gone(dbaudit))


@needs_root
def test_the_server_of_root_is_another_users(start: Start) -> None:
    dbaudit = start()
    assert Path(f"/proc/{dbaudit.server}").stat().st_uid == server_identity().uid != 0
    dbaudit.kill()
    assert within(1, lambda: is_gone(dbaudit))


def test_a_forked_child_that_keeps_the_lifeline_does_not_keep_the_server(start: Start) -> None:
    dbaudit = start("os.fork() and print('forked', flush=True); time.sleep(20)")
    assert dbaudit.process.stdout and dbaudit.process.stdout.readline() == "forked\n"
    dbaudit.kill()
    assert within(1, lambda: is_gone(dbaudit))
    os.killpg(dbaudit.process.pid, signal.SIGKILL)


def test_kill_9_during_the_start_leaves_nothing(own: Places, program: Path) -> None:
    arguments = [sys.executable, "-c", KILLED_WHILE_IT_STARTS, own.tmp, own.cache, program]
    assert subprocess.run(arguments, check=False).returncode == -signal.SIGKILL
    assert within(1, lambda: not list(own.tmp.iterdir()) and not workspace.servers_of(own.tmp))


@pytest.mark.parametrize("user", USERS)
def test_without_its_supervisor_the_server_dies_and_the_next_start_sweeps(
    start: Start, own: Places, program: Path, user: str | None
) -> None:
    dbaudit = start(user=user)
    dbaudit.kill(dbaudit.supervisor)
    assert within(1, lambda: not runs(dbaudit.server) and not runs(dbaudit.supervisor))
    assert dbaudit.directory.exists()
    if user:  # what belongs to somebody else is left alone, by root too
        assert workspace.sweep(own.tmp) == [] and dbaudit.directory.exists()
        subprocess.run(["chown", "-R", "0:0", dbaudit.directory], check=True)
    with start_private(program, own, Needs()):
        assert not dbaudit.directory.exists()


def test_a_supervisor_that_is_killed_while_it_removes_leaves_what_is_swept(tmp_path: Path) -> None:
    space = workspace.make(tmp_path)
    for number in range(20):  # a file system lists them in an order of its own
        (space.path / f"data{number}").mkdir()
        for file in range(500):
            (space.path / f"data{number}" / str(file)).touch()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", supervisor.__file__, str(space.path)], stdin=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.close()
    assert within(5, lambda: len(list(space.path.iterdir())) < 20)
    process.kill()
    process.wait()
    assert list(space.path.glob("data*"))
    space.release()
    assert workspace.sweep(tmp_path) == [space.path]
    assert not space.path.exists()


def test_a_server_that_outlived_everything_is_killed_by_the_sweep(own: Places, program: Path) -> None:
    identity = server_identity()
    space = workspace.make(own.tmp, identity)
    data = workspace.own_directory(space.path / "data", identity)
    with start_private(program, own, Needs()) as server:
        assert server.directory is not None
        subprocess.run(["cp", "-a", f"{server.directory}/data/.", data], check=True)
    command = [program, "--no-defaults", f"--datadir={data}", f"--socket={data}/s", "--skip-networking"]
    drop = {"user": identity.uid, "group": identity.gid} if identity.drop else {}
    survivor = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **drop,
        start_new_session=True,
    )  # fmt: skip
    assert within(5, lambda: workspace.servers_of(space.path) == [survivor.pid])
    assert workspace.sweep(own.tmp) == []  # its dbaudit still holds the lock
    space.release()
    assert workspace.sweep(own.tmp) == [space.path]
    assert survivor.wait(1) == -signal.SIGKILL


@pytest.mark.heavy
def test_two_dbaudits_do_not_sweep_each_other(start: Start, own: Places, program: Path) -> None:
    first = start()
    with start_private(program, own, Needs()) as second:
        third = start()
        assert second.alive()
        assert runs(first.server) and runs(third.server)
        assert first.directory.exists() and third.directory.exists()
    assert runs(first.server)
    for each in (first, third):
        each.kill()
        assert within(1, lambda each=each: is_gone(each))


def test_the_sweep_touches_nothing_else(own: Places, tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    (own.tmp / "dbaudit-link").symlink_to(tmp_path)
    (own.tmp / "dbaudit-unlocked").mkdir()
    (own.tmp / "other").mkdir()
    (own.tmp / "other" / "lock").touch()
    (own.tmp / "dbaudit-file").touch()
    (own.tmp / ".dbaudit-being-made").mkdir()
    (own.tmp / ".dbaudit-being-made" / "lock").touch()
    assert workspace.sweep(own.tmp) == []
    assert len(list(own.tmp.iterdir())) == 5
    assert (tmp_path / "lock").exists()
    subprocess.run("rm -r dbaudit-* .dbaudit-*", shell=True, cwd=own.tmp, check=True)
    assert workspace.sweep(own.tmp / "not-there") == []


def test_ctrl_c_reaches_dbaudit_only(start: Start) -> None:
    dbaudit = start(
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(print(server.alive(), flush=True)));"
        "print('set', flush=True); time.sleep(600)"
    )
    assert dbaudit.process.stdout and dbaudit.process.stdout.readline() == "set\n"
    os.killpg(dbaudit.process.pid, signal.SIGINT)
    assert dbaudit.process.communicate(timeout=10)[0] == "True\n"
    assert within(1, lambda: is_gone(dbaudit))


def test_close_works_twice_and_without_a_supervisor(own: Places, program: Path) -> None:
    server = start_private(program, own, Needs())
    os.kill(server.supervisor, signal.SIGKILL)
    server.close()
    server.close()
    assert not server.alive()


def test_a_server_sees_nothing_of_ours(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_PASSWORD", "secret")
    dbaudit = start()
    environment = Path(f"/proc/{dbaudit.server}/environ").read_bytes()
    names = {item.partition(b"=")[0] for item in environment.split(b"\0") if item}
    assert names <= {b"PATH", b"LC_ALL", b"PWD", b"LD_LIBRARY_PATH"}  # the last two are of wrapper scripts
    files = {number: os.readlink(f"/proc/{dbaudit.server}/fd/{number}") for number in (0, 1, 2)}
    assert files == {0: "/dev/null", 1: f"{dbaudit.directory}/log", 2: f"{dbaudit.directory}/log"}
    assert b"secret" not in Path(f"/proc/{dbaudit.supervisor}/environ").read_bytes()
    dbaudit.kill()
    assert within(1, lambda: is_gone(dbaudit))
