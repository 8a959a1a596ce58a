"""Which server is taken when several could be, and what is said when there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dbaudit.errors import DbauditError, UsageError
from dbaudit.server import binary, choose
from dbaudit.server.choose import distance, start
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
from dbaudit.server.version import parse_version


@pytest.fixture
def nothing(own: Places, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A machine without servers: none where one is usually installed, no engine."""
    monkeypatch.setattr(binary, "DIRECTORIES", ())
    monkeypatch.setattr(binary, "HOMEBREW", ())
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such/docker.sock")
    return replace(own, search_path="")


def offer(folder: Path, name: str, version: str, program: Path) -> Path:
    """A program in `folder` that says it is of that version and is a real server."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *--version*) echo "$0  Ver {version} for Linux"; exit;; esac\nexec {program} "$@"\n'
    )
    path.chmod(0o755)
    return path


def test_auto_takes_a_private_server_and_says_which(own: Places, program: Path) -> None:
    with start("auto", places=own, needs=Needs(), binary=program) as server:
        assert server.kind == "private" and str(program) in server.label


def test_the_dumps_vendor_and_series_come_first(nothing: Places, own: Places, program: Path) -> None:
    real = binary.examine(program, choose.server_identity()).version
    other = "8.0.36" if real.vendor == "mariadb" else "10.6.1-MariaDB"
    folder = own.tmp / "bin"
    offer(folder, "mariadbd", other, program)
    wanted = offer(folder, "mysqld", real.text, program)
    with start("auto", places=replace(nothing, search_path=str(folder)), needs=Needs(), dump_version=real) as server:
        assert str(wanted) in server.label


def test_auto_goes_on_when_the_first_does_not_start(nothing: Places, own: Places, program: Path) -> None:
    real = binary.examine(program, choose.server_identity()).version
    folder = own.tmp / "bin"
    folder.mkdir()
    broken = folder / "mariadbd"
    broken.write_text(
        f'#!/bin/sh\ncase "$*" in *--version*) echo "mariadbd  Ver {real.text} for Linux"; exit;; esac\nexit 3\n'
    )
    broken.chmod(0o755)
    good = offer(folder, "mysqld", real.text, program)
    places = replace(nothing, search_path=str(folder))
    with start("auto", places=places, needs=Needs()) as server:
        assert str(good) in server.label
    good.unlink()
    with pytest.raises(DbauditError, match=f"{broken} .*it ended with code 3|files that {broken} makes"):
        start("auto", places=places, needs=Needs())


@pytest.mark.parametrize("wish", ["auto", "private"])
def test_with_no_server_the_commands_that_install_one_are_named(nothing: Places, wish: str) -> None:
    with pytest.raises(DbauditError, match="there is no MySQL or MariaDB server program on this machine") as caught:
        start(wish, places=nothing, needs=Needs())
    for command in ("apt-get install", "dnf install", "brew install"):
        assert command in caught.value.hint


@pytest.mark.parametrize("wish", ["", "docker", "private:x", "Container"])
def test_an_unknown_wish_lists_the_known_ones(own: Places, wish: str) -> None:
    with pytest.raises(UsageError) as caught:
        start(wish, places=own, needs=Needs())
    assert "container:IMAGE" in caught.value.hint


def test_a_program_and_a_container_exclude_each_other(own: Places) -> None:
    with pytest.raises(UsageError, match="--server-binary"):
        start("container", places=own, needs=Needs(), binary=Path("/usr/sbin/mysqld"))


def test_another_vendor_is_further_than_another_series() -> None:
    origin = parse_version("5.6.24")
    versions = [parse_version(text) for text in ("10.11.19-MariaDB", "9.7.4", "5.7.44", "5.6.51")]
    assert [each.text for each in sorted(versions, key=lambda each: distance(each, origin))] == [
        "5.6.51", "5.7.44", "9.7.4", "10.11.19-MariaDB"
    ]  # fmt: skip
    assert distance(origin, None) == (0, 0)
