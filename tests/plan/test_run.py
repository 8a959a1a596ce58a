"""Plans as a user runs them: real servers, real kills, a real cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dbaudit.server.place import Places
from tests.cli.conftest import SAMPLES, Dbaudit

pytestmark = pytest.mark.slow
CINDER = SAMPLES / "cinder-grizzly.sql.gz"
KEYSTONE = SAMPLES / "keystone-grizzly.sql.gz"


def steps(folder: Path, seconds: float, first: int = 10) -> Path:
    """SQL for the whole way of cinder to Havana; the first step waits."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, 22):
        wait = f"DO SLEEP({seconds});" if number == first else "DO 1;"
        (folder / f"{number:03}_step.sql").write_text(wait)
    return folder


def database(name: str, operand: Path, runner: Path | None = None, more: str = "") -> str:
    run = f'runner = "sql:{runner}"\n' if runner else ""
    return f'[[plan.database]]\nname = "{name}"\noperand = "{operand}"\n{run}{more}\n'


def write(tmp_path: Path, *databases: str) -> Path:
    path = tmp_path / "cloud.toml"
    path.write_text('[plan]\nto = "havana"\nserver = "private"\n' + "".join(databases))
    return path


def test_one_report_in_the_order_of_the_upgrade(
    dbaudit: Dbaudit, tmp_path: Path, leftovers: Callable[[], list[str]]
) -> None:
    budget = '[[budget]]\nservice = "cinder"\nseconds = 0.5\nseverity = "warning"\n'
    path = write(
        tmp_path,
        database("volumes", CINDER, steps(tmp_path / "steps", 0.6)),
        database("identity", KEYSTONE),
        database("cut", tmp_path / "cut.sql", more='service = "glance"'),
        budget,
    )
    (tmp_path / "cut.sql").write_text("CREATE TABLE `images` (\n")
    ran = dbaudit("dry-run", "--plan", path, "--format", "json", "--format", f"text={tmp_path / 'r.txt'}")
    assert ran.code == 2, ran.err
    report = ran.json
    assert [(each["label"], each["service"]) for each in report["databases"]] == [
        ("cut", "glance"), ("identity", "keystone"), ("volumes", "cinder"),
    ]  # fmt: skip
    assert report["basis"] == "predicted"
    assert {each["database"] for each in report["steps"]} == {"identity", "volumes"}
    (broken,) = [each for each in report["findings"] if each["check"] == "plan.not-rehearsed"]
    assert (broken["database"], broken["severity"]) == ("cut", "error")
    assert {each["database"] for each in report["findings"] if each["effect"] == "blocks"} >= {"identity"}
    (over,) = [each for each in report["findings"] if each["check"] == "budget.seconds"]
    assert over["facts"]["measured"] >= 0.6
    window = {each["stage"]: each for each in report["window"]["stages"]}
    assert window["cinder"]["seconds"] >= 0.6
    assert window["keystone"]["seconds"] is None
    assert "was not run" in window["keystone"]["reason"]
    assert report["window"]["seconds"] is None
    assert report["by_database"]["volumes"]["basis"] == "rehearsed"
    text = (tmp_path / "r.txt").read_text()
    assert "identity  keystone:33" in text
    assert "Window (not known: " in text
    assert leftovers() == []


def test_a_temporary_directory_with_a_long_name(dbaudit: Dbaudit, places: Places, tmp_path: Path) -> None:
    """No socket fits in it, by which processes are otherwise begun."""
    long = places.tmp / ("long" * 25)
    long.mkdir(mode=0o711)
    path = write(tmp_path, database("one", CINDER), database("two", CINDER))
    ran = dbaudit("dry-run", "--plan", path, "--format", "json", TMPDIR=str(long), stdin=b"")  # begun from nothing
    assert {each["label"]: each["service"] for each in ran.json["databases"]} == {"one": "cinder", "two": "cinder"}
    assert "plan.not-rehearsed" not in {each["check"] for each in ran.json["findings"]}, ran.err
    assert list(long.iterdir()) == []
    long.rmdir()


def start(path: Path, environment: dict[str, str], state: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dbaudit", "dry-run", "--plan", str(path), "--state", str(state), *words]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )


def until(what: Callable[[], bool], within: float = 120) -> None:
    end = time.monotonic() + within
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)  # a look goes through all processes


def sleeping(places: Places) -> list[str]:
    """Servers that run in the temporary directory of the tests."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(str(places.tmp).encode() in word for word in words) and b"mariadbd" in words[0]:
            found.append(entry.parent.name)
    return found


# SIGINT comes to the same as SIGTERM: tests/cli/test_bad_input.py sends both.
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_plan_that_was_stopped_goes_on(
    dbaudit: Dbaudit, environment: dict[str, str], places: Places, tmp_path: Path, how: signal.Signals
) -> None:
    quick, slow, state = steps(tmp_path / "quick", 0), steps(tmp_path / "slow", 600), tmp_path / "state"
    path = write(tmp_path, database("one", CINDER, quick), database("two", CINDER, slow))
    before = set(sleeping(places))
    process = start(path, environment, state)
    until(lambda: len(list(state.glob("*.json"))) == 1)
    until(lambda: bool(set(sleeping(places)) - before))
    busy = dbaudit("dry-run", "--plan", path, "--state", state)
    assert busy.code == 75, busy.err
    os.kill(process.pid, how)  # the process alone: those that it started have to notice
    _, told = process.communicate(timeout=60)
    assert process.returncode == (-9 if how is signal.SIGKILL else 130), told.decode()
    until(lambda: not set(sleeping(places)) - before)
    (_kept,) = state.glob("*.json")
    steps(tmp_path / "slow", 0)
    ran = dbaudit("dry-run", "--plan", path, "--state", state, "--format", "json")
    assert ran.code == 1, ran.err  # steps that do nothing leave a schema that is not Havana's
    assert [note.partition(" was rehearsed at ")[0] for note in ran.json["notes"] if "was stopped" in note] == ["one"]
    assert {each["status"] for each in ran.json["steps"] if each["database"] == "two"} == {"ok"}
    assert not list(state.glob("*.json")), "a plan that is finished starts anew"


def test_what_changed_is_rehearsed_anew(dbaudit: Dbaudit, tmp_path: Path) -> None:
    """A plan with a database that cannot be read is not finished: what is, is kept, unless it changed, or --fresh."""
    cut, state = tmp_path / "cut.sql", tmp_path / "state"
    cut.write_text("CREATE TABLE `images` (\n")
    path = write(tmp_path, database("one", CINDER), database("cut", cut, more='service = "glance"'))

    def reused(*words: str) -> list[str]:
        ran = dbaudit("dry-run", "--plan", path, "--state", state, "--format", "json", *words)
        assert ran.code == 2, ran.err
        return [note for note in ran.json["notes"] if "was stopped" in note]

    assert reused() == []
    assert len(reused()) == 1
    assert reused("--fresh") == []
    assert reused("--to", "icehouse") == []
    os.utime(path)
    assert len(reused()) == 1


def test_cells_run_side_by_side(dbaudit: Dbaudit, tmp_path: Path) -> None:
    waiting = steps(tmp_path / "steps", 3)
    path = write(
        tmp_path, *(database(name, CINDER, waiting, 'service = "nova"\nrole = "cell"') for name in ("c1", "c2"))
    )
    report = dbaudit("dry-run", "--plan", path, "--jobs", "2", "--format", "json").json
    (stage,) = report["window"]["stages"]
    assert (stage["stage"], stage["parallel"]) == ("nova cells", True)
    times = [sum(s["seconds"] for s in report["steps"] if s["database"] == name) for name in ("c1", "c2")]
    assert stage["seconds"] == pytest.approx(max(times), abs=0.01)
    assert report["window"]["seconds"] == stage["seconds"] < sum(times)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "neither a dump nor a plan"),
        (("--plan", "cloud.toml", CINDER), "a dump and --plan"),
        (("--plan", "cloud.toml", "--runner", "sql:x"), "--runner is about one dump"),
        ((CINDER,), "--to is missing"),
        ((CINDER, "--to", "havana", "--jobs", "2"), "--jobs is about a plan"),
        (("--plan", "cloud.toml", "--executor", "ray://x"), "unknown executor"),
    ],
)
def test_wrong_usage(dbaudit: Dbaudit, tmp_path: Path, words: tuple[object, ...], said: str) -> None:
    write(tmp_path, database("one", CINDER, more='service = "cinder"'))
    ran = dbaudit("dry-run", *words)
    assert (ran.code, said in ran.err) == (64, True), ran.err


def test_a_missing_dump_is_told_before_anything_is_rehearsed(dbaudit: Dbaudit, tmp_path: Path) -> None:
    beside = database("two", CINDER, more='beside = ["absent.sql"]')
    for second in (database("two", tmp_path / "absent.sql"), beside):
        path = write(tmp_path, database("one", CINDER), second)
        ran = dbaudit("dry-run", "--plan", path)
        assert ran.code == 66
        assert "absent.sql is not there" in ran.err


@pytest.fixture
def cluster(environment: dict[str, str]) -> Iterator[str]:
    """The address of a Dask cluster with two worker processes, in an environment as the command line has it."""
    pytest.importorskip("distributed")
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address.startswith("tcp://"), address
    yield address.replace("tcp://", "dask://")
    process.communicate("stop\n", timeout=60)


CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.readline()
"""


def test_a_plan_on_a_cluster(
    dbaudit: Dbaudit, cluster: str, tmp_path: Path, leftovers: Callable[[], list[str]]
) -> None:
    path = write(
        tmp_path,
        database("volumes", CINDER, steps(tmp_path / "steps", 0)),
        database("identity", KEYSTONE),
        database("far", tmp_path / "absent.sql", more='service = "glance"'),
    )
    here = write_copy(path, "--here")
    ran = dbaudit("dry-run", "--plan", path, "--executor", cluster, "--format", "json")
    assert ran.code == 2, ran.err
    report = ran.json
    (far,) = [each for each in report["findings"] if each["check"] == "plan.not-rehearsed"]
    assert "absent.sql is not there on" in far["message"]
    assert "every worker must see the dumps" in far["remedy"]
    local = dbaudit("dry-run", "--plan", here, "--format", "json").json
    assert essence(report) == essence(local)
    assert leftovers() == []


def write_copy(path: Path, name: str) -> Path:
    """The same plan without the database that only workers could see."""
    copy = path.with_name(f"cloud{name}.toml")
    copy.write_text(path.read_text().partition('[[plan.database]]\nname = "far"')[0])
    return copy


def essence(report: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on where and when it was rehearsed."""
    found = [each for each in report["findings"] if each["check"] != "plan.not-rehearsed"]
    for each in found:
        each["remedy"] = ""
    return {
        "findings": json.dumps(found, sort_keys=True),
        "steps": [(each["database"], each["step"], each["status"]) for each in report["steps"]],
    }


def test_a_cluster_that_does_not_answer(dbaudit: Dbaudit, tmp_path: Path) -> None:
    path = write(tmp_path, database("one", CINDER, more='service = "cinder"'))
    ran = dbaudit("dry-run", "--plan", path, "--executor", "dask://127.0.0.1:1")
    assert ran.code == 66, ran.err
    assert "does not answer" in ran.err


def test_how_to_go_through_the_steps_stands_in_the_plan_or_on_the_command_line(
    dbaudit: Dbaudit, tmp_path: Path
) -> None:
    folder = steps(tmp_path / "steps", 0)
    (folder / "011_step.sql").write_text("CREATE TABLE once (id INT); DO nonsense();")
    path = write(
        tmp_path,
        database(
            "goes", CINDER, folder, more='service = "cinder"\ncontinue_after = ["cinder:11"]\nrollback_time = true'
        ),
        database("stays", CINDER, folder, more='service = "cinder"\nmanifest = "off"'),
    )
    report = dbaudit("dry-run", "--plan", path, "--format", "json").json
    status = {(each["database"], each["step"]): each["status"] for each in report["steps"]}
    assert (status["goes", "cinder:11"], status["goes", "cinder:12"]) == ("failed", "ok")
    assert (status["stays", "cinder:11"], status["stays", "cinder:12"]) == ("failed", "not-run")
    assert report["by_database"]["goes"]["rollback"]["seconds"] > 0
    assert "rollback" not in report["by_database"]["stays"]
    assert any(each["reason"].startswith("stays: the data was not compared") for each in report["skipped"])
    path = write(tmp_path, database("stays", CINDER, folder, more='service = "cinder"\nmanifest = "off"'))
    report = dbaudit("dry-run", "--plan", path, "--format", "json", "--continue-after", "all", "--fresh").json
    status = {(each["database"], each["step"]): each["status"] for each in report["steps"]}
    assert (status["stays", "cinder:11"], status["stays", "cinder:12"]) == ("failed", "ok")
    for option in (["--restart-at", "cinder:11"], ["--keep"], ["--workers", "3"], ["--with", str(KEYSTONE)]):
        refused = dbaudit("dry-run", "--plan", path, *option)
        assert refused.code == 64 and f"{option[0]} is about one dump" in refused.err
