"""Bad input: a clear error with a hint, the right exit code, nothing left running, nothing left on disk."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dbaudit.server.place import Places
from tests.cli import forked, interrupted
from tests.cli.conftest import ROOT, SAMPLES, Dbaudit, Ran

CINDER = SAMPLES / "cinder-grizzly.sql.gz"
Leftovers = Callable[[], list[str]]


def sample() -> str:
    return gzip.decompress(CINDER.read_bytes()).decode()


def refused(ran: Ran, code: int, *said: str) -> None:
    assert ran.code == code, (ran.code, ran.err)
    assert "Traceback" not in ran.err
    assert ran.err.startswith("error: ")
    assert "\nhint: " in ran.err
    for words in said:
        assert words in ran.err, ran.err
    assert ran.out == ""


def test_no_such_file(dbaudit: Dbaudit) -> None:
    refused(dbaudit("dry-run", "nowhere.sql", "--to", "havana"), 66, "nowhere.sql")


@pytest.mark.parametrize("command", [("inspect",), ("dry-run", "--to", "havana")])
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.sql", b"", "empty"),
        ("picture.sql", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 8, "picture.sql"),
        ("prose.sql", b"Dear colleague,\nplease find the dump attached.\n", "prose.sql"),
        ("wide.sql", "-- MySQL dump 10.13\n".encode("utf-16"), "UTF-16"),
        ("empty.sql.gz", gzip.compress(b"", mtime=0), "empty"),
    ],
)
def test_no_dump(
    dbaudit: Dbaudit,
    tmp_path: Path,
    leftovers: Leftovers,
    command: tuple[str, ...],
    name: str,
    content: bytes,
    said: str,
) -> None:
    (tmp_path / name).write_bytes(content)
    refused(dbaudit(command[0], name, *command[1:]), 66, said)
    assert leftovers() == []


def test_truncated_archive(dbaudit: Dbaudit, tmp_path: Path, leftovers: Leftovers) -> None:
    whole = CINDER.read_bytes()
    (tmp_path / "cut.sql.gz").write_bytes(whole[: len(whole) // 2])
    refused(dbaudit("dry-run", "cut.sql.gz", "--to", "havana"), 66, "not complete", "last whole table")
    assert leftovers() == []


def test_cut_tail(dbaudit: Dbaudit, tmp_path: Path) -> None:
    text = sample()
    (tmp_path / "cut.sql").write_text(text[: text.index("Table structure for table `volumes`")])
    refused(dbaudit("dry-run", "cut.sql", "--to", "havana"), 66, "not complete", "volume_types")
    ran = dbaudit("inspect", "cut.sql", "--format", "json")
    assert ran.code == 2
    assert ran.json["databases"][0]["complete"] is False


def test_only_data(dbaudit: Dbaudit, tmp_path: Path) -> None:
    text = re.sub(r"DROP TABLE.*?;\nCREATE TABLE .*?\n\)[^\n]*;\n", "", sample(), flags=re.DOTALL)
    (tmp_path / "data.sql").write_text(text)
    refused(dbaudit("dry-run", "data.sql", "--to", "havana"), 66, "data.sql")


def test_only_schema(dbaudit: Dbaudit, tmp_path: Path) -> None:
    (tmp_path / "schema.sql").write_text(re.sub(r"INSERT INTO .*?;\n", "", sample()))
    ran = dbaudit("dry-run", "schema.sql", "--to", "havana", "--format", "json")
    assert ran.code in (1, 2), ran.err
    assert any("holds no rows" in note for note in ran.json["notes"])
    assert "step.catalogue" in {skip["check"] for skip in ran.json["skipped"]}


def test_unknown_service(dbaudit: Dbaudit, tmp_path: Path) -> None:
    (tmp_path / "shop.sql").write_text(
        "-- MySQL dump 10.13  Distrib 5.5.34\nCREATE TABLE `orders` (\n  `id` int(11) NOT NULL,\n"
        "  PRIMARY KEY (`id`)\n"
        ") ENGINE=InnoDB DEFAULT CHARSET=utf8;\nINSERT INTO `orders` VALUES (1),(2);\n-- Dump completed\n"
    )
    ran = dbaudit("dry-run", "shop.sql", "--to", "havana", "--format", "json")
    assert ran.code == 1, ran.err
    assert ran.json["databases"][0]["service"] is None
    assert "no service that dbaudit knows" in ran.json["skipped"][0]["reason"]
    assert ran.json["findings"] == []


def test_unknown_release(dbaudit: Dbaudit) -> None:
    refused(dbaudit("dry-run", CINDER, "--to", "hawana"), 64, "hawana", "grizzly, havana, icehouse")


def test_downgrade(dbaudit: Dbaudit) -> None:
    refused(dbaudit("dry-run", CINDER, "--to", "folsom"), 64, "grizzly", "folsom")


def test_wrong_usage(dbaudit: Dbaudit) -> None:
    refused(dbaudit("dry-run", CINDER), 64, "--to")
    refused(dbaudit("dance"), 64, "dance")
    refused(dbaudit("dry-run", CINDER, "--to", "havana", "--format", "yaml"), 64, "yaml", "text, json")
    refused(dbaudit("dry-run", CINDER, "--to", "havana", "--server", "mainframe"), 64, "mainframe")
    refused(dbaudit("dry-run", CINDER, "--to", "havana", "--database", "nova"), 64, "nova")
    refused(dbaudit("dry-run", CINDER, "--to", "havana", "--runner", "shell:x"), 64, "command:TEMPLATE")
    refused(dbaudit("dry-run", CINDER, "--to", "havana", "--runner", "command:cinder-manage db sync"), 64, "{config}")


def test_two_databases(dbaudit: Dbaudit, tmp_path: Path) -> None:
    body = "CREATE TABLE `t` (\n  `id` int(11) NOT NULL\n) ENGINE=InnoDB;\nINSERT INTO `t` VALUES (1);\n"
    (tmp_path / "two.sql").write_text(
        f"-- MySQL dump\nCREATE DATABASE `a`;\nUSE `a`;\n{body}"
        f"CREATE DATABASE `b`;\nUSE `b`;\n{body}-- Dump completed\n"
    )
    refused(dbaudit("dry-run", "two.sql", "--to", "havana"), 64, "a, b", "--database")
    assert dbaudit("dry-run", "two.sql", "--to", "havana", "--database", "b").code == 1
    two = dbaudit("inspect", "two.sql", "--format", "json").json["databases"]
    assert [each["name"] for each in two] == ["a", "b"]
    size = len(body.encode())
    assert all(size - 2 <= each["bytes"] <= size for each in two)  # its tables' own; line ends are nobody's


def test_the_bytes_of_a_dumps_one_database_are_those_of_the_plain_dump(dbaudit: Dbaudit) -> None:
    (one,) = dbaudit("inspect", CINDER, "--format", "json").json["databases"]
    assert one["bytes"] == len(gzip.decompress(CINDER.read_bytes()))


def test_no_server_at_all(dbaudit: Dbaudit, tmp_path: Path) -> None:
    ran = dbaudit("dry-run", CINDER, "--to", "havana", "--server-binary", tmp_path / "mysqld")
    refused(ran, 66, "mysqld")


def test_server_that_does_not_start(dbaudit: Dbaudit, tmp_path: Path, leftovers: Leftovers) -> None:
    program = tmp_path / "mysqld"
    program.write_text(
        "#!/bin/sh\ncase $* in *--version*) echo 'mysqld  Ver 5.6.99 for Linux on x86_64 (MySQL)';; "
        "*) echo 'the tablespace is on fire' >&2; exit 3;; esac\n"
    )
    program.chmod(0o755)
    tmp_path.chmod(0o755)
    ran = dbaudit("dry-run", CINDER, "--to", "havana", "--server-binary", program)
    refused(ran, 66)
    assert leftovers() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small filesystem needs root")
def test_full_disk(dbaudit: Dbaudit, places: Places) -> None:
    small = places.tmp.parent / "small"
    small.mkdir(mode=0o711)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(small)], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not let root mount a filesystem")
    try:
        ran = dbaudit("dry-run", CINDER, "--to", "havana", TMPDIR=str(small))
        refused(ran, 66, "free")
        assert len(re.findall(r"\d+(?:\.\d+)? [kKMG]i?B", ran.err)) >= 2, ran.err
    finally:
        subprocess.run(["umount", str(small)], check=True)


# The same in a process that begins from nothing.
INTERRUPTED = "import sys; from tests.cli.interrupted import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("stage", ["read", "serve", "restore", "verify", "step"])
def test_interrupted_at_every_stage(
    environment: dict[str, str], tmp_path: Path, leftovers: Leftovers, stage: str, name: str
) -> None:
    steps = tmp_path / "steps"
    steps.mkdir()
    (steps / "010_slow.sql").write_text("SELECT SLEEP(60);")
    before = servers(environment["TMPDIR"])
    words = [stage, name, "dry-run", str(CINDER), "--to", "havana", "--runner", f"sql:{steps}"]
    if stage == "restore":
        done = subprocess.run(
            [sys.executable, "-c", INTERRUPTED, *words],
            env=environment, capture_output=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
            cwd=ROOT,
        )  # fmt: skip
        code, out, err = done.returncode, done.stdout, done.stderr
    else:
        code, out, err = forked.call(words, environment, tmp_path, 60, interrupted.main)
    assert code == 130, err.decode()
    assert err.decode() == "error: interrupted\n"
    assert out == b""
    assert leftovers() == []
    assert servers(environment["TMPDIR"]) == before


def test_killed_in_the_middle_of_restore(environment: dict[str, str], leftovers: Leftovers, dbaudit: Dbaudit) -> None:
    """kill -9 of dbaudit: the server is gone within a second, and the next run removes what is left."""
    before = servers(environment["TMPDIR"])
    command = [sys.executable, "-c", INTERRUPTED, "restore", "SIGKILL", "dry-run", str(CINDER), "--to", "havana"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 1
    while servers(environment["TMPDIR"]) != before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert servers(environment["TMPDIR"]) == before
    assert dbaudit("dry-run", CINDER, "--to", "havana").code == 2
    assert leftovers() == []


def servers(directory: str) -> list[str]:
    """Server processes whose data lie there: the one that the tests share may be among them."""
    if shutil.which("ps") is None:
        pytest.skip("there is no ps")
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if f"--datadir={directory}" in line]
