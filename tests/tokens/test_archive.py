"""The archive: what went is in it, once, whatever was killed when; and it can be brought back."""

from __future__ import annotations

import gzip
import json
import os
import signal
import time
from pathlib import Path

import pytest

from dbaudit.errors import BusyError, DbauditError
from dbaudit.server.server import Server
from dbaudit.tokens.archive import Archive
from dbaudit.tokens.chunk import Rows
from dbaudit.tokens.record import SQL_HEAD
from tests.cli import forked
from tests.cli.conftest import Dbaudit
from tests.tokens.conftest import Execute
from tests.tokens.databases import AT, EVERYTHING, HAVANA, NOW, TOKENS
from tests.tokens.test_flush import every, living

ROWS = [
    Rows("token", ("id", "extra"), [("a", "it's \\ \n\r\0 \x1a ü🙂"), ("b", None)]),
    Rows("t", ("x",), [(b"\0\xff",)]),
]


def content(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.sql.gz", "a.jsonl", "a.sql"])
def test_what_is_kept_is_read_back(tmp_path: Path, name: str) -> None:
    archive = Archive(tmp_path / name)
    archive.keep(ROWS)
    archive.settle(True)
    archive.keep([Rows("token", ("id",), [("rolled back",)])])
    archive.settle(False)
    archive.close()
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert "rolled back" not in content(tmp_path / name)
    again = Archive(tmp_path / name)
    assert [(row.table, row.columns, row.values) for row in again.tail()] == [
        (rows.table, rows.columns, values) for rows in ROWS for values in rows.values
    ]
    with pytest.raises(BusyError):
        Archive(tmp_path / name)
    again.close()


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.sql.gz", "a.jsonl", "a.sql"])
def test_a_chunk_cut_short_is_cut_off(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for cut in range(1, 60, 7):
        path.unlink(missing_ok=True)
        archive = Archive(path)
        archive.keep(ROWS)
        archive.settle(True)
        whole = path.stat().st_size
        archive.keep([Rows("token", ("id",), [("x" * 100,)])])
        archive.close()
        os.truncate(path, path.stat().st_size - cut)
        archive = Archive(path)
        assert path.stat().st_size == whole, cut
        assert len(archive.tail()) == 3
        archive.close()


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    for name, data in (
        ("a.jsonl.gz", gzip.compress(b"mine")),
        ("b.sql", b"mine\n"),
        ("c.gz", b"mine, and long enough"),
        ("d.gz", b"\x1f\x8b\x08\x04short"),
        ("e.gz", b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff\x08\0DA\4\0" + bytes(10)),
        ("f.jsonl", b'{"event": "mine"}\n{"event": "too"}\n'),
        ("g.jsonl", b'{"table":"t","data":[1]}'),
        ("h.jsonl", b'{"table":"t","row":{"id":"of jq -c"}}\n'),
        ("i.jsonl", b'{"event": "mine"} \n{"event": "too"} \nmore'),
        ("j.jsonl", b'{"event": "mine"} \n{"table":"t","row":{"id":"a"}} \n'),
        ("k.sql", b"SET NAMES utf8;\nINSERT INTO `t` VALUES (1);\n"),
        ("l.sql", b"SET NAMES utf8; \nSELECT 1; \nSELECT 2;\n"),
        ("m.sql", SQL_HEAD.encode() + b"DROP TABLE t;\n"),
        ("n.jsonl", b'{"table":"t","row":{"id":"a"}} \n{"mine": 1}\n'),
    ):
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o644)
        with pytest.raises(DbauditError, match="no archive of dbaudit"):
            Archive(tmp_path / name)
        assert (tmp_path / name).read_bytes() == data
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o644
    (tmp_path / "link.gz").symlink_to(tmp_path / "a.jsonl.gz")
    with pytest.raises(DbauditError):
        Archive(tmp_path / "link.gz")


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.sql.gz", "a.jsonl", "a.sql"])
def test_a_first_chunk_cut_short_anywhere_is_cut_off(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    archive = Archive(path)
    archive.keep(ROWS[:1])
    archive.close()
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        if not name.endswith(".gz") and whole[:size].endswith((b"}\n", b");\n")):
            continue  # whole rows without a mark: refused
        Archive(path).close()
        assert path.stat().st_size == 0, size


def test_a_full_disk_deletes_nothing(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "a.jsonl")
    archive.keep(ROWS)
    archive.settle(True)
    before = (tmp_path / "a.jsonl").read_bytes()
    os.close(archive._file)
    archive._file = os.open("/dev/full", os.O_RDWR)
    with pytest.raises(DbauditError, match="nothing of this chunk was deleted"):
        archive.keep(ROWS)
    archive.settle(False)
    assert (tmp_path / "a.jsonl").read_bytes() == before
    archive.close()


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["dead.jsonl.gz", "dead.sql"])
def test_everything_that_goes_is_kept_first(
    dbaudit: Dbaudit, execute: Execute, url: str, journal: str, tmp_path: Path, name: str
) -> None:
    execute(*EVERYTHING)
    before, rows = every(execute), execute("SELECT * FROM token WHERE id LIKE 'dead%' ORDER BY id")
    ran = dbaudit(
        "tokens", "flush", url, *AT, "--journal-schema", journal, "--apply", "--archive", name,
        "--format", "json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert every(execute) == living(before)
    assert ran.json["flush"]["archived"] == 3 + 3 + 6 + 2 + 2 + 4 + 2
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    if name.endswith(".sql"):
        for statement in content(tmp_path / name).splitlines():
            execute(statement)
        assert every(execute) == before
        assert execute("SELECT * FROM token WHERE id LIKE 'dead%' ORDER BY id") == rows
    else:
        lines = [json.loads(line) for line in content(tmp_path / name).splitlines()]
        tokens = {line["row"]["id"]: line["row"]["extra"] for line in lines if line["table"] == "token"}
        assert tokens == {row[0]: row[2] for row in rows}


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["dead.jsonl.gz", "dead.sql"])
def test_killed_at_any_moment_nothing_is_lost_or_twice(
    server: Server, execute: Execute, url: str, journal: str, tmp_path: Path, name: str, environment: dict[str, str],
    dbaudit: Dbaudit,
) -> None:  # fmt: skip
    execute(*HAVANA)
    fill(execute, 6_000)
    everyone = {row[0] for row in execute("SELECT id FROM token")}
    words = [
        "tokens", "flush", url, "--before", NOW, "--journal-schema", journal,
        "--apply", "--archive", name, "--max-wait", "20", "--rate", "4000",
    ]  # fmt: skip
    kills = 0
    for pause in (0.0, 0.02, 0.05, 0.1, 0.2, 0.3):
        process = forked.Begun(words, environment, tmp_path, tmp_path / "out", tmp_path / "err")
        begun = time.monotonic()
        while not (tmp_path / name).exists() and process.poll() is None and time.monotonic() < begun + 30:
            time.sleep(0.005)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 4
    last = dbaudit(*words)
    assert last.code == 0, last.err
    lines = [line for line in content(tmp_path / name).splitlines() if "INSERT" in line or "{" in line]
    if name.endswith(".sql"):
        kept = [line.split("VALUES ('")[1].split("'")[0] for line in lines]
    else:
        kept = [json.loads(line)["row"]["id"] for line in lines]
    left = {row[0] for row in execute("SELECT id FROM token")}
    assert len(kept) == len(set(kept)) == 6_000
    assert set(kept) | left == everyone
    assert not set(kept) & left


def fill(execute: Execute, rows: int) -> None:
    """That many dead tokens, and a tenth as many living ones."""
    names = [(f"{number * 2654435761 % 2**32:08x}", number % 11 == 0) for number in range(rows * 11 // 10)]
    for start in range(0, len(names), 2_000):
        execute("INSERT INTO token VALUES " + ",".join(
            f"('{name}', '{'2014-01-01' if alive else '2013-01-01'}', 'x', 1, NULL, NULL)"
            for name, alive in names[start : start + 2_000]
        ))  # fmt: skip


@pytest.mark.heavy
def test_rows_that_came_back_are_not_taken_for_undeleted(
    dbaudit: Dbaudit, execute: Execute, url: str, journal: str, tmp_path: Path
) -> None:
    execute(*HAVANA, TOKENS)
    words = ("tokens", "flush", url, "--before", NOW, "--journal-schema", journal, "--apply", "--archive", "a.jsonl")
    assert dbaudit(*words).code == 0
    execute("INSERT INTO token VALUES ('dead-old', '2013-02-02 00:00:00', 'other', 1, NULL, 'u')")
    assert dbaudit(*words).code == 0
    kept = [json.loads(line)["row"] for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert sorted(row["expires"] for row in kept if row["id"] == "dead-old") == [
        "2013-01-01 00:00:00",
        "2013-02-02 00:00:00",
    ]
