"""A server in a container. These tests need an engine, and an image that is there: nothing is pulled."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pymysql
import pytest
from docker.errors import NotFound

from dbaudit.errors import DbauditError
from dbaudit.server import owner, workspace
from dbaudit.server.container import start_container
from dbaudit.server.disk import MIB, Needs
from dbaudit.server.image import DEFAULT_IMAGE, image_for, version_of_image
from dbaudit.server.leftover import LABEL, sweep
from dbaudit.server.place import Places
from dbaudit.server.shared_socket import SharedSocket
from dbaudit.server.version import parse_version
from tests.server.conftest import ROOT, within

KNOWN = ("mariadb:10.11", "mysql:5.6", "mysql:8.0", "mysql:9", "mariadb:11.4")
MAKES_ONE = """
import docker, os, sys
from pathlib import Path
from dbaudit.server import owner
from dbaudit.server.container import start_container
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
tmp = Path(sys.argv[2])
start_container(sys.argv[1], Places(tmp, tmp), Needs())
ours = {"label": f"{sys.argv[3]}={owner.ourselves()}"}
print(*(each.id for each in docker.from_env().containers.list(filters=ours)), flush=True)
os.kill(os.getpid(), 9)
"""

KEEPS_ONE = """
import os, sys
from pathlib import Path
from dbaudit.server.container import start_container
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
tmp = Path(sys.argv[2])
with start_container(sys.argv[1], Places(tmp, tmp, os.environ["PATH"]), Needs()) as server:
    kept = server.keep()
print(kept.connect, kept.stop, sep="\\n")
"""


@pytest.fixture(scope="module")
def engine() -> Any:
    """The container engine's client."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        pytest.skip(f"no container engine answers: {error}")
    return client


@pytest.fixture(scope="module")
def image(engine: Any) -> str:
    """An image of a server that the engine has."""
    tags = [tag for each in engine.images.list() for tag in each.tags]
    for known in KNOWN:
        for tag in tags:
            if re.search(rf"(^|/){re.escape(known)}(\.|$)", tag):
                return str(tag)
    pytest.skip(f"the container engine has none of the images {', '.join(KNOWN)}")


def ours(engine: Any) -> set[str]:
    """The containers of this process; other workers have some too."""
    mine = {"label": f"{LABEL}={owner.ourselves()}"}
    return {str(each.id) for each in engine.containers.list(all=True, filters=mine)}


def test_a_container_serves_and_goes(engine: Any, image: str, places: Places) -> None:
    before = ours(engine)
    with start_container(image, places, Needs(), origin=parse_version("5.6.24")) as server:
        assert server.version.series == version_of_image(image).series
        assert image in server.label and server.version.name in server.label
        assert server.address is not None and server.socket is not None and server.socket.is_socket()
        private = server.socket.parent.parent
        assert private.parent == places.tmp and private.stat().st_mode & 0o777 == 0o700
        assert "ready for connections" in server.log_tail(50)
        with server.admin() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW DATABASES")
            assert "dbaudit_ready" not in {row[0] for row in cursor.fetchall()}
            cursor.execute("SELECT @@GLOBAL.sql_mode, @@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.log_bin")
            assert cursor.fetchone() == ("NO_ENGINE_SUBSTITUTION", 0, 0)
        made = engine.containers.get(*(ours(engine) - before))
        ports = [binding["HostIp"] for bound in made.ports.values() for binding in bound or ()]
        gateways = [each.get("Gateway") for each in engine.networks.get("bridge").attrs["IPAM"]["Config"]]
        assert ports == [server.address[0]] or (None in gateways and "0.0.0.0" in ports)
        assert "/var/lib/mysql" in made.attrs["HostConfig"]["Tmpfs"]
    assert ours(engine) == before and not private.exists()
    server.close()


@pytest.mark.parametrize("what", ["the engine refuses", "the server ends", "nobody answers"])
def test_without_a_socket_it_is_reached_by_its_port(
    engine: Any, image: str, places: Places, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    if what == "the engine refuses":  # as on another machine
        from docker.types import Mount

        elsewhere = Mount("/run/dbaudit", "/no/such/directory", type="bind")
        monkeypatch.setattr(SharedSocket, "mount", lambda _: elsewhere)
    else:
        place = "/no/such/directory" if what == "the server ends" else "/tmp"
        monkeypatch.setattr(SharedSocket, "option", f"--socket={place}/s")
    before, places_before = ours(engine), set(places.tmp.iterdir())
    with start_container(image, places, Needs()) as server:
        assert server.socket is None and server.address is not None and server.alive()
        assert len(ours(engine) - before) == 1
    assert ours(engine) == before and set(places.tmp.iterdir()) == places_before


def test_one_that_is_kept_is_reached_and_ended_as_told(engine: Any, image: str, places: Places) -> None:
    made = subprocess.run(
        [sys.executable, "-c", KEEPS_ONE, image, str(places.tmp)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    connect, stop = made.stdout.splitlines()
    name = stop.split()[3]
    try:
        sweep(engine)  # its dbaudit is gone
        options = Path(connect.partition("=")[2])
        assert options.stat().st_mode & 0o777 == 0o600
        with pymysql.connect(read_default_file=str(options)) as connection:
            assert connection.cursor().execute("SELECT 1") == 1
        assert subprocess.run(stop, shell=True, check=False, capture_output=True).returncode == 0
        assert engine.containers.list(all=True, filters={"name": name}) == []
        assert not options.exists()
    finally:
        for left in engine.containers.list(all=True, filters={"name": name}):
            left.remove(force=True, v=True)


def test_what_a_killed_dbaudit_left_is_swept(engine: Any, image: str, places: Places) -> None:
    with start_container(image, places, Needs()) as living:
        here = set(places.tmp.iterdir())
        command = [sys.executable, "-c", MAKES_ONE, image, str(places.tmp), LABEL]
        killed = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
        assert killed.returncode == -signal.SIGKILL
        (left,) = killed.stdout.split()
        (left_place,) = set(places.tmp.iterdir()) - here
        assert (left_place / "run" / "s").is_socket()
        sweep(engine)  # as another worker's start may have done
        assert within(10, lambda: engine.containers.list(all=True, filters={"id": left}, ignore_removed=True) == [])
        assert workspace.sweep(places.tmp) == [left_place] and not left_place.exists()
        assert living.alive()


def test_one_that_goes_while_it_is_looked_at_is_passed_over(
    engine: Any, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = engine.containers.create(image, labels={LABEL: owner.ourselves()})
    listed = engine.api.containers

    def list_then_remove(**asked: Any) -> Any:
        found = listed(**asked)
        gone.remove(force=True)  # as another dbaudit does when it is done
        return found

    monkeypatch.setattr(engine.api, "containers", list_then_remove)
    assert gone.id not in sweep(engine)
    with pytest.raises(NotFound):
        gone.reload()


def test_a_large_dump_does_not_go_to_memory(
    engine: Any, image: str, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbaudit.server.options.available_memory", lambda: 300 * MIB)
    before = ours(engine)
    with start_container(image, places, Needs()) as server:
        made = engine.containers.get(*(ours(engine) - before))
        assert not made.attrs["HostConfig"].get("Tmpfs") and server.alive()


def test_an_image_that_is_nowhere(engine: Any, places: Places) -> None:
    with pytest.raises(DbauditError, match="no-such-image") as caught:
        start_container("dbaudit-test/no-such-image:1.2", places, Needs())
    assert caught.value.hint
    assert engine.containers.list(all=True, filters={"ancestor": "dbaudit-test/no-such-image:1.2"}) == []


def test_a_container_that_ends_shows_its_log(
    engine: Any, image: str, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ours(engine)
    monkeypatch.setattr("dbaudit.server.options.common", lambda *_: ["--no-such-option"])
    with pytest.raises(DbauditError, match="did not start: it ended; its log ends with:") as caught:
        start_container(image, places, Needs())
    assert "no-such-option" in caught.value.what
    assert ours(engine) == before


def test_without_an_engine(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such/docker.sock")
    with pytest.raises(DbauditError, match="there is no container engine that answers") as caught:
        start_container("mysql:8.4", places, Needs())
    assert "--server private" in caught.value.hint


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("mysql:5.6", "MySQL 5.6"),
        ("registry.example:5000/library/mariadb:10.11.6-jammy", "MariaDB 10.11.6"),
        ("percona:8.0", "MySQL 8.0"),
        ("mariadb", "MariaDB 11.8"),
        ("mysql:latest", "MySQL 9.0"),
    ],
)
def test_an_image_names_its_server(image: str, name: str) -> None:
    assert version_of_image(image).name == name


def test_the_image_is_the_dumps_servers() -> None:
    assert image_for(parse_version("5.6.24")) == "mysql:5.6"
    assert image_for(parse_version("5.5.5-10.11.19-MariaDB")) == "mariadb:10.11"
    assert image_for(None) == DEFAULT_IMAGE


def test_owners_are_judged_only_from_the_same_boot() -> None:
    ours = owner.ourselves()
    scope, pid, started = ours.split("/")
    assert not owner.is_gone(ours) and owner.is_here(ours)
    assert owner.is_gone(f"{scope}/{pid}/{started}1")  # another process with our number
    child = subprocess.Popen(["sleep", "0"])
    child.wait()
    assert owner.is_gone(f"{scope}/{child.pid}/{started}")
    assert not owner.is_gone(f"another-boot/{child.pid}/{started}")
    assert not owner.is_gone("nonsense") and os.getpid() == int(pid)
    assert Path("/proc").exists() or scope
