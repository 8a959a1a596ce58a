"""Whether a disk is large enough, and what is said when it is not."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dbaudit.errors import DbauditError
from dbaudit.server.disk import EMPTY_SERVER, EXPANSION, MIB, SMALL_TABLES, Needs, available, require, size, tells_full
from dbaudit.server.server import Server


def test_what_a_dump_needs_is_added_up() -> None:
    needs = Needs(bytes_of_dump=1000 * MIB, largest_table=400 * MIB)
    assert needs.redo == 1000 * MIB
    assert needs.disk == int(1400 * MIB * EXPANSION) + 1000 * MIB + SMALL_TABLES + EMPTY_SERVER


def test_the_redo_log_stays_within_reason() -> None:
    assert Needs().redo == 16 * MIB
    assert Needs(bytes_of_dump=1 << 40).redo == 1024 * MIB


def test_too_small_a_disk_is_refused_with_both_numbers(tmp_path: Path) -> None:
    needs = Needs(bytes_of_dump=10 << 30, largest_table=2 << 30)
    with pytest.raises(DbauditError) as caught:
        require(tmp_path, needs, lambda _: 20 << 30)
    assert caught.value.what.startswith(f"{tmp_path} has 20.0 GiB free; this rehearsal needs about 37.2 GiB")
    assert "10.0 GiB of dump take 30.0 GiB as tables" in caught.value.what
    assert "TMPDIR" in caught.value.hint


def test_just_enough_is_enough(tmp_path: Path) -> None:
    needs = Needs(bytes_of_dump=1 << 30)
    require(tmp_path, needs, lambda _: needs.disk)
    with pytest.raises(DbauditError):
        require(tmp_path, needs, lambda _: needs.disk - 1)


def test_available_is_what_an_ordinary_user_may_write(tmp_path: Path) -> None:
    assert 0 < available(tmp_path) <= shutil.disk_usage(tmp_path).total


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (9 << 50, "9216.0 TiB")],
)
def test_sizes_are_for_people(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    "text",
    [
        "[Errno 28] No space left on device",
        "Disk is full writing './d/t.MYD' (Errcode: 28 - No space left on device)",
        "[ERROR] InnoDB: preallocating 98304 bytes for file ./d/t.ibd failed with error 28",
        "[ERROR] [MY-012639] [InnoDB] Write to file failed, OS errno 28.",
        "The table 't' is full",
    ],
)
def test_servers_say_full_in_many_ways(text: str) -> None:
    assert tells_full(text)
    assert not tells_full("error 280, Errcode: 2, 28 rows")


@pytest.mark.parametrize("dump", ["keystone-grizzly", "nova-top-grizzly"])
def test_real_dumps_take_no_more_than_expected(server: Server, schema: str, corpus: Path, dump: str) -> None:
    client = shutil.which("mariadb") or shutil.which("mysql")
    if client is None or server.directory is None or server.socket is None:
        pytest.skip("needs the client program mariadb or mysql and a server with its files on this machine")
    sql = gzip.decompress((corpus / "data" / f"{dump}.sql.gz").read_bytes())
    account = server.restricted([schema])
    done = subprocess.run(
        [client, "--no-defaults", f"--socket={server.socket}", f"--user={account.user}", schema],
        input=b"SET SESSION sql_mode = '';" + sql, env={"MYSQL_PWD": account.password}, capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    files = [path for path in (server.directory / "data" / schema).iterdir() if path.is_file()]
    taken = sum(os.stat(path).st_blocks * 512 for path in files)
    assert len(sql) < taken <= len(sql) * EXPANSION + SMALL_TABLES
