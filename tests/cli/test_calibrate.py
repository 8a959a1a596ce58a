"""`dbaudit calibrate` against a durable server, and a dry-run that takes its ratio."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbaudit.production.estimate import BUSY
from dbaudit.server.place import Places
from tests import cluster
from tests.cli.conftest import SAMPLES, Dbaudit

DURABLE = [
    "--log-bin", "--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1", "--server-id=1",
    "--innodb-buffer-pool-size=1G",
]  # fmt: skip
CINDER = SAMPLES / "cinder-grizzly.sql.gz"


@pytest.fixture
def production(places: Places) -> Iterator[cluster.Member]:
    """A MariaDB that keeps what it writes, as production does."""
    (port,) = cluster.free_ports(1)
    with cluster.begin(places, cluster.mariadb(), [*DURABLE, f"--port={port}", "--bind-address=127.0.0.1"]) as member:
        yield member


def test_a_ratio_and_times_at_the_size_of_production(
    dbaudit: Dbaudit, production: cluster.Member, tmp_path: Path
) -> None:
    url = f"mysql+pymysql://root@localhost/?unix_socket={production.socket}"
    file, before = tmp_path / "ratio.json", cluster.ask(production, "SHOW DATABASES")
    said = tmp_path / "said.txt"
    words = ("calibrate", url, "-o", file, "--size", "1", "--rounds", "2", "--format", f"text={said}")
    planned = dbaudit(*words, "--format", "json")
    assert (planned.code, file.exists()) == (0, False), planned.err
    assert any("nothing was written" in note for note in planned.json["notes"])
    assert said.read_text().startswith("\nNothing was measured yet\n")
    done = dbaudit(*words, "--apply", "--format", "json")
    assert done.code == 0, done.err
    assert said.read_text().startswith("\nHow much slower production is was measured\n")
    assert cluster.ask(production, "SHOW DATABASES") == before
    ratio = json.loads(file.read_text())["ratio"]
    assert 0 < ratio["low"] <= ratio["middle"] <= ratio["high"]
    assert any("sync_binlog is 0 here, 1 there" in note for note in done.json["notes"])

    steps = tmp_path / "steps"
    steps.mkdir()
    (steps / "010_all.sql").write_text("ALTER TABLE volumes MODIFY size BIGINT;")
    words = ("dry-run", CINDER, "--to", "havana", "--runner", f"sql:{steps}", "--format", "json")
    bare = dbaudit(*words, "--production-size", "volumes=5000000").json
    (why,) = [each["reason"] for each in bare["skipped"] if each["check"] == "production.seconds"]
    assert "withheld: the dump is from MySQL 5.5.34" in why
    assert "innodb_flush_log_at_trx_commit=0" in why
    assert "production_seconds" not in bare["steps"][0]
    unlike = dbaudit(*words, "--production-size", "volumes=5000000", "--calibrate", file).json
    (why,) = [each["reason"] for each in unlike["skipped"] if each["check"] == "production.seconds"]
    assert "the dump is from MySQL 5.5.34, the calibration of MariaDB" in why


def test_a_dump_of_the_same_server(dbaudit: Dbaudit, production: cluster.Member, tmp_path: Path) -> None:
    url = f"mysql+pymysql://root@localhost/?unix_socket={production.socket}"
    file, dump = tmp_path / "ratio.json", tmp_path / "site.sql"
    assert dbaudit("calibrate", url, "-o", file, "--size", "1", "--rounds", "2", "--apply").code == 0
    rows = ", ".join(f"({number}, 'x')" for number in range(1, 3001))
    dump.write_text(
        f"-- MySQL dump 10.13  Distrib 10.11\n-- Server version\t{production.version.text}\n"
        f"CREATE TABLE `things` (`id` int PRIMARY KEY, `name` varchar(10)) ENGINE=InnoDB;\n"
        f"INSERT INTO `things` VALUES {rows};\n-- Dump completed on 2026-11-21\n"
    )
    steps = tmp_path / "steps"
    steps.mkdir()
    (steps / "001_wider.sql").write_text("ALTER TABLE things MODIFY id BIGINT;")
    words = ("dry-run", dump, "--to", "havana", "--server", "private", "--runner", f"sql:{steps}")
    ran = dbaudit(
        *words, "--production-size", "things=3_000_000", "--calibrate", file,
        "--format", "json", "--format", f"text={tmp_path / 'r.txt'}",
    )  # fmt: skip
    assert [each["status"] for each in ran.json["steps"]] == ["ok"], ran.err
    (step,) = ran.json["steps"]
    ratio = json.loads(file.read_text())["ratio"]
    assert [each for each in ran.json["skipped"] if each["check"] == "production.seconds"] == []
    low, high = step["production_seconds"]
    server = min(step["record"]["server_seconds"], step["seconds"])
    tool = step["seconds"] - server  # is as long in production
    least = 1_000 if server >= BUSY else 1
    assert low == pytest.approx(tool + server * least * ratio["low"], rel=0.01, abs=0.01 * least)
    assert high >= server * 1_000 * ratio["high"]
    tight = json.loads(file.read_text())
    tight["production"]["memory"] = 1 << 20
    file.write_text(json.dumps(tight))
    small = dbaudit(*words, "--production-size", "things=3000000", "--calibrate", file, "--format", "json").json
    assert ["buffer pool" in each["reason"] for each in small["skipped"] if each["check"] == "production.seconds"] == [
        True
    ]
    assert f"in production {low:,.2f} to {high:,.2f} s" in " ".join((tmp_path / "r.txt").read_text().split())


def test_what_must_not_be_written_to_is_refused(dbaudit: Dbaudit, production: cluster.Member, tmp_path: Path) -> None:
    url = f"mysql+pymysql://root@localhost/?unix_socket={production.socket}"
    cluster.run(production, "SET GLOBAL read_only = 1")
    ran = dbaudit("calibrate", url, "-o", tmp_path / "ratio.json", "--apply")
    assert (ran.code, "it is read-only" in ran.err) == (66, True), ran.err
