"""What a private server is, and what is said when there cannot be one."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pymysql
import pytest

from dbaudit.errors import DbauditError
from dbaudit.server import binary, template
from dbaudit.server.binary import Binary
from dbaudit.server.disk import MIB, Needs
from dbaudit.server.identity import server_identity
from dbaudit.server.place import Places
from dbaudit.server.private import PrivateServer, start_private
from dbaudit.server.server import Server
from dbaudit.server.template import Recipe
from dbaudit.server.version import parse_version

root_on_linux = pytest.mark.skipif(
    os.geteuid() != 0 or not sys.platform.startswith("linux"), reason="needs root on Linux to mount a small disk"
)


def variable(server: Server, name: str) -> str | None:
    with contextlib.closing(server.admin()) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL VARIABLES LIKE %s", (name,))
        row = cursor.fetchone()
        return str(row[1]) if row else None


def script(directory: Path, *lines: str) -> Path:
    """A program in a directory that every user can enter."""
    path = directory / f"program-{len(list(directory.iterdir()))}"
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return path


def recipe(program: Path, cache: Path) -> Recipe:
    identity = server_identity()
    return Recipe(binary.examine(program, identity), identity, cache)


@pytest.fixture
def empty_cache(own: Places) -> Places:
    return replace(own, cache=own.tmp / "cache")


@pytest.fixture
def small_disk(own: Places) -> Iterator[Path]:
    """A file system of 260 MiB with a folder `tmp`."""
    disk = own.tmp / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=260m,mode=0711", "none", disk], check=False)
    if mounted.returncode:
        pytest.skip("this machine lets not even root mount a file system")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_its_directories_are_closed_and_its_own(own: Places, program: Path) -> None:
    identity = server_identity()
    with start_private(program, own, Needs()) as server:
        assert server.directory is not None and server.socket is not None
        assert server.directory.name.startswith(f"dbaudit-{os.getpid()}-")
        for name in ("data", "tmp", "files", "plugins"):
            found = (server.directory / name).stat()
            assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o700, identity.uid)
        assert server.directory.stat().st_mode & 0o066 == 0
        assert variable(server, "secure_file_priv") == f"{server.directory}/files/"
        assert variable(server, "skip_networking") == "ON"
        assert server.address is None
        assert not (server.directory / "data" / "first.sql").exists()
        with pytest.raises(DbauditError, match="Access denied"):
            server.connect(replace(server._endpoint.admin, password=""))
    assert not server.directory.exists()


def test_it_takes_over_the_defaults_of_the_dumps_server(own: Places, program: Path) -> None:
    with start_private(program, own, Needs(), origin=parse_version("5.6.24")) as server:
        assert variable(server, "sql_mode") == "NO_ENGINE_SUBSTITUTION"
        assert variable(server, "innodb_strict_mode") == "OFF"
    with start_private(program, own, Needs(), origin=parse_version("5.7.44-log")) as server:
        mode = str(variable(server, "sql_mode")).split(",")
        assert {"STRICT_TRANS_TABLES", "NO_ZERO_DATE", "ONLY_FULL_GROUP_BY"} <= set(mode)


def test_it_observes_when_asked(own: Places, program: Path) -> None:
    with start_private(program, own, Needs(observe=True, tables=300)) as server:
        assert variable(server, "performance_schema") == "ON"
        assert variable(server, "performance_schema_events_statements_history_long_size") == "20000"
        assert variable(server, "userstat") in ("ON", None)
        with contextlib.closing(server.admin("performance_schema")) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM setup_consumers WHERE name='events_statements_history_long' AND enabled='YES'"
            )
            assert cursor.fetchall() == ((1,),)
        if not server.version.at_least(mysql=(5, 7), mariadb=(10, 0)):  # others make room as they need it
            assert variable(server, "performance_schema_max_table_instances") == "2600"
    with start_private(program, own, Needs()) as server:
        assert variable(server, "performance_schema") == "OFF"


def test_a_long_path_gets_a_short_socket(own: Places, program: Path) -> None:
    tmp = own.tmp / ("long" * 20)
    tmp.mkdir(mode=0o711)
    with start_private(program, replace(own, tmp=tmp), Needs()) as server:
        assert server.directory is not None and server.socket is not None
        assert server.directory.parent == tmp
        assert server.socket.parent.parent.parent == Path("/tmp")
        place = server.socket.parent.parent
    assert list(tmp.iterdir()) == [] and not place.exists()


def test_the_second_start_copies_a_template(empty_cache: Places, program: Path) -> None:
    kept = recipe(program, empty_cache.cache).path
    start_private(program, empty_cache, Needs()).close()
    assert kept.is_dir() and stat.S_IMODE(kept.stat().st_mode) == 0o700
    (kept / "was-here").touch()
    with start_private(program, empty_cache, Needs()) as server:
        assert server.directory and (server.directory / "data" / "was-here").exists()


@pytest.mark.server("mariadb")  # the same for each program, and MySQL 9 takes seconds for a new one
def test_a_template_that_others_can_write_to_is_not_used(empty_cache: Places, program: Path) -> None:
    kept = recipe(program, empty_cache.cache).path
    start_private(program, empty_cache, Needs()).close()
    (kept / "was-here").touch()
    for place in (kept, kept.parent, empty_cache.cache):
        mode = stat.S_IMODE(place.stat().st_mode)
        place.chmod(0o777)
        with start_private(program, empty_cache, Needs()) as server:
            assert server.directory and not (server.directory / "data" / "was-here").exists()
        place.chmod(mode)
    if os.geteuid() == 0:
        os.chown(kept, 1, 1)
        with start_private(program, empty_cache, Needs()) as server:
            assert server.directory and not (server.directory / "data" / "was-here").exists()


@pytest.mark.server("mariadb")
def test_a_broken_template_is_made_anew(empty_cache: Places, program: Path) -> None:
    kept = recipe(program, empty_cache.cache).path
    start_private(program, empty_cache, Needs()).close()
    with (kept / "ibdata1").open("r+b") as stream:
        stream.truncate(10_000)
    with start_private(program, empty_cache, Needs()) as server:
        assert server.alive()
    assert (kept / "ibdata1").stat().st_size > 10_000


@pytest.mark.heavy
def test_a_cache_that_cannot_be_written_to_costs_only_time(own: Places, program: Path) -> None:
    (own.tmp / "file").touch()
    with start_private(program, replace(own, cache=own.tmp / "file" / "cache"), Needs()) as server:
        assert server.alive()


@pytest.mark.heavy
def test_several_start_at_once_without_a_template(empty_cache: Places, program: Path) -> None:
    def start(_: int) -> PrivateServer:
        return start_private(program, empty_cache, Needs())

    with ThreadPoolExecutor(3) as pool:
        servers = list(pool.map(start, range(3)))
    assert [server.alive() for server in servers] == [True] * 3
    for server in servers:
        server.close()
    assert [path.name for path in (empty_cache.cache / "templates").iterdir()] == [
        recipe(program, empty_cache.cache).path.name
    ]


def test_no_such_program(own: Places) -> None:
    with pytest.raises(DbauditError, match="there is no server program /no/such/mysqld") as caught:
        start_private(Path("/no/such/mysqld"), own, Needs())
    assert "--server-binary" in caught.value.hint


def test_a_program_that_cannot_be_run(own: Places) -> None:
    program = script(own.tmp)
    program.chmod(0o644)
    with pytest.raises(DbauditError, match="is not an executable file"):
        start_private(program, own, Needs())
    broken = script(own.tmp)
    broken.write_text("#!/no/such/interpreter\n")
    with pytest.raises(DbauditError, match="cannot be run"):
        start_private(broken, own, Needs())


def test_a_program_that_is_no_server(own: Places) -> None:
    with pytest.raises(DbauditError, match=r"is not a MySQL or MariaDB server: .* 'hello'"):
        start_private(script(own.tmp, "echo hello"), own, Needs())


def test_a_server_that_does_not_start_shows_its_log(own: Places, program: Path) -> None:
    refuses = script(own.tmp, f'case "$*" in *skip-networking*) bad=--no-such-option;; esac; exec {program} "$@" $bad')
    with pytest.raises(DbauditError, match=r"did not start: it ended with code \d+; its log ends with:") as caught:
        start_private(refuses, own, Needs())
    assert "no-such-option" in caught.value.what


def test_a_server_that_cannot_initialise_shows_its_log(own: Places, program: Path) -> None:
    refuses = script(
        own.tmp, 'case "$*" in *--version*) ;; *) bad=--no-such-option;; esac', f'exec {program} "$@" $bad'
    )
    with pytest.raises(DbauditError, match="cannot make a data directory: it ended with code") as caught:
        start_private(refuses, own, Needs())
    assert "no-such-option" in caught.value.what


def test_a_server_without_its_files_says_what_is_missing(own: Places, tmp_path: Path) -> None:
    old = Binary(Path("/opt/mysqld"), parse_version("5.6.24"))
    with pytest.raises(DbauditError, match=r"mysql_system_tables.sql\) are not found"):
        template._write_bootstrap(old, None, tmp_path / "bootstrap.sql")


def test_there_is_no_such_directory(own: Places, program: Path) -> None:
    with pytest.raises(DbauditError, match="there is no directory"):
        start_private(program, replace(own, tmp=own.tmp / "not-there"), Needs())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as another user")
def test_a_directory_that_is_closed_to_the_servers_user(own: Places, program: Path) -> None:
    (own.tmp / "closed" / "tmp").mkdir(parents=True)
    (own.tmp / "closed").chmod(0o700)
    with pytest.raises(DbauditError, match=f"{own.tmp}/closed is closed to that user") as caught:
        start_private(program, replace(own, tmp=own.tmp / "closed" / "tmp"), Needs())
    assert "TMPDIR" in caught.value.hint


@root_on_linux
def test_a_disk_that_is_too_small_is_refused(small_disk: Path, own: Places, program: Path) -> None:
    with pytest.raises(DbauditError, match=r"has 260.0 MiB free; this rehearsal needs about \S+ GiB"):
        start_private(program, replace(own, tmp=small_disk), Needs(bytes_of_dump=1000 * MIB))
    assert list(small_disk.iterdir()) == []


@root_on_linux
def test_a_disk_without_room_for_files_is_called_full(small_disk: Path, own: Places, program: Path) -> None:
    # Room for bytes, as far as one can see, but no more files than these.
    subprocess.run(["mount", "-o", "remount,nr_inodes=30", small_disk], check=True)
    with pytest.raises(DbauditError, match=f"the disk that holds {small_disk}/dbaudit-.* is full"):
        start_private(program, replace(own, tmp=small_disk), Needs())
    assert list(small_disk.iterdir()) == []


@root_on_linux
def test_a_disk_that_fills_up_is_called_full(small_disk: Path, own: Places, program: Path) -> None:
    with start_private(program, replace(own, tmp=small_disk), Needs()) as server:
        server.create_database("d")
        with contextlib.closing(server.admin("d")) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t (a LONGBLOB)")
            with (small_disk / "filler").open("wb") as filler, contextlib.suppress(OSError):
                while True:
                    filler.write(b"x" * MIB)
            with pytest.raises(pymysql.MySQLError) as caught:
                cursor.executemany("INSERT INTO t VALUES (REPEAT(%s, 1000000))", [("x",)] * 300)
        assert "is full" in server.failure(caught.value).what
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_the_search_finds_programs_once(own: Places, program: Path) -> None:
    folder = own.tmp / "bin"
    folder.mkdir()
    (folder / "mysqld").symlink_to(program)
    (folder / "mariadbd").symlink_to(program)
    found = binary.find(f"{folder}:/no/such/folder:")
    assert found[0] == folder / "mariadbd"
    assert len({path.resolve() for path in found}) == len(found)
    shutil.rmtree(folder)
