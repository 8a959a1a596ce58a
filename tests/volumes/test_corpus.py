"""Both backfills on the databases of real upgrades, and their undo."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dbaudit.cli.app import run
from dbaudit.dump.index import read_counts
from dbaudit.dump.restore import restore
from dbaudit.dump.source import open_dump
from dbaudit.progress import silent
from dbaudit.server.server import Server
from tests.repair.dumps import dump

pytestmark = pytest.mark.heavy

TYPE = "0a1b2c3d-0000-4000-8000-000000000001"
MOVES = ("p01=p01@standard", "p02=p02@standard", "p03=p03@standard")


@dataclass(frozen=True)
class Cinder:
    """A restored database, what its administrator sees, and dbaudit on it."""

    server: Server
    schema: str
    url: str
    said: Callable[..., tuple[int, Any]]

    def ask(self, *statements: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(self.server.admin(self.schema)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def contents(self) -> list[str]:
        """Everything but the derived counters."""
        return [line for line in dump(self.server, self.schema) if not line.startswith("quota_usages: ")]

    def wrong_counters(self) -> list[tuple[Any, ...]]:
        """Per-type usage rows that say another number than there are volumes, gigabytes, snapshots."""
        wrong = []
        for (name,) in self.ask("SELECT name FROM volume_types WHERE deleted = 0"):
            kind = f"JOIN volume_types t ON t.id = v.volume_type_id AND t.name = '{name}'"
            volumes = f"FROM volumes v {kind} WHERE v.deleted = 0 AND v.project_id = q.project_id"
            snapshots = (
                f"FROM snapshots s JOIN volumes v ON v.id = s.volume_id {kind} "
                "WHERE s.deleted = 0 AND s.project_id = q.project_id"
            )
            size, more = (
                f"(SELECT IFNULL(SUM(v.size), 0) {volumes})",
                f"(SELECT IFNULL(SUM(s.volume_size), 0) {snapshots})",
            )
            for resource, truth in (
                ("volumes", f"(SELECT COUNT(*) {volumes})"),
                ("gigabytes", f"{size} + {more}"),
                ("snapshots", f"(SELECT COUNT(*) {snapshots})"),
            ):
                wrong += self.ask(
                    f"SELECT q.project_id, q.resource, q.in_use, {truth} FROM quota_usages q WHERE q.deleted = 0 "
                    f"AND q.resource = '{resource}_{name}' AND q.in_use <> {truth}"
                )
        return wrong


@pytest.fixture(params=["grizzly", "havana", "juno", "kilo"])
def cinder(
    request: pytest.FixtureRequest, server: Server, schema_name: str, corpus: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Cinder]:  # fmt: skip
    index = read_counts(open_dump(str(corpus / "data" / f"cinder-{request.param}.sql.gz"), tmp_path), silent)
    restore(index, server, {index.databases[0].name: schema_name})
    journal = f"j_{schema_name[-8:]}"
    server.drop_database(journal)

    def said(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = run([*words, "--format", "json", "--journal-schema", journal])
        told = capsys.readouterr()
        assert told.out or code, told.err
        return code, json.loads(told.out) if told.out else told.err

    url = server.url(server.restricted([schema_name, journal]), schema_name).render_as_string(hide_password=False)
    found = Cinder(server, schema_name, url, said)
    found.ask(f"INSERT INTO volume_types (id, name, deleted) VALUES ('{TYPE}', 'standard', 0)")
    if request.param != "grizzly":  # projects that used the type before: their counters have to follow
        found.ask(
            "INSERT INTO quota_usages (project_id, resource, in_use, reserved, deleted) SELECT DISTINCT project_id, "
            "'volumes_standard', 0, 0, 0 FROM volumes LIMIT 10",
            "INSERT INTO quota_usages (project_id, resource, in_use, reserved, deleted) SELECT DISTINCT project_id, "
            "'gigabytes_standard', 0, 0, 0 FROM volumes LIMIT 10",
        )
    yield found
    server.drop_database(journal)


def test_both_backfills_and_their_undo(cinder: Cinder) -> None:
    original = cinder.contents()
    undecided = cinder.ask("SELECT * FROM volumes WHERE deleted IS NULL")
    assert undecided
    assert cinder.wrong_counters() == []

    code, plan = cinder.said("volumes", "backfill-type", cinder.url, "--type", "standard")
    assert (code, plan["applied"]) == (0, False)
    assert any("neither live nor deleted" in note for note in plan["notes"])
    assert sum(each["rows"] for each in plan["plan"]["parts"][0]["counts"]) == plan["plan"]["parts"][0]["rows"]
    assert plan["plan"]["parts"][0]["sample"]
    assert cinder.contents() == original
    code, typed = cinder.said("volumes", "backfill-type", cinder.url, "--type", "standard", "--apply")
    assert code == 0
    assert typed["outcome"]["rows"] == plan["plan"]["rows"]
    assert cinder.ask("SELECT COUNT(*) FROM volumes WHERE deleted = 0 AND volume_type_id IS NULL") == [(0,)]
    assert cinder.wrong_counters() == []

    assert cinder.said("volumes", "rehost", cinder.url, *MOVES)[0] == 66  # no such service
    code, moved = cinder.said("volumes", "rehost", cinder.url, *MOVES, "--service-will-come", "--apply")
    assert (code, moved["outcome"]["rows"] > 0) == (0, True)
    assert any("row of `services` of p01" in note for note in moved["notes"])
    left = cinder.ask(
        "SELECT DISTINCT host FROM volumes v WHERE deleted = 0 AND host IS NOT NULL AND host NOT LIKE '%@standard%'"
    )
    assert left == []
    for table in ("iscsi_targets", "consistencygroups"):
        if cinder.ask(f"SHOW TABLES LIKE '{table}'"):
            assert cinder.ask(f"SELECT id FROM {table} WHERE deleted = 0 AND host IN ('p01', 'p02', 'p03')") == []
    assert cinder.ask("SELECT * FROM volumes WHERE deleted IS NULL") == undecided

    runs = [each["run"] for each in cinder.said("runs", cinder.url)[1]["runs"]]
    assert len(runs) == 2
    assert cinder.said("undo", cinder.url, str(runs[1]), "--apply")[0] == 66  # the later run is named
    for each in runs:
        code, undone = cinder.said("undo", cinder.url, str(each), "--apply")
        assert (code, undone["undo"]["kept_rows"]) == (0, 0)
    assert cinder.contents() == original
    assert cinder.wrong_counters() == []


def test_the_name_of_a_type_may_be_long(cinder: Cinder) -> None:
    name = "x" * 200
    cinder.ask(
        f"UPDATE volume_types SET name = '{name}' WHERE id = '{TYPE}'",
        "INSERT INTO quota_usages (project_id, resource, in_use, reserved, deleted) SELECT DISTINCT project_id, "
        f"'volumes_{name}', 0, 0, 0 FROM volumes LIMIT 10",
    )
    code, typed = cinder.said("volumes", "backfill-type", cinder.url, "--type", name, "--apply")
    assert code == 0, typed
    assert cinder.wrong_counters() == []
    assert cinder.said("undo", cinder.url, str(typed["outcome"]["run"]), "--apply")[0] == 0
    assert cinder.wrong_counters() == []


def test_pools_are_kept_and_backups_left_alone(cinder: Cinder) -> None:
    cinder.ask(
        "UPDATE volumes SET host = 'p01#fast' WHERE host = 'p01' AND deleted = 0 LIMIT 3",
        "UPDATE volumes SET host = 'p010' WHERE host = 'p02' AND deleted = 0 LIMIT 2",
        "INSERT INTO backups (id, volume_id, host, deleted) VALUES ('b1', 'v', 'p01', 0)",
        "INSERT INTO services (host, `binary`, topic, report_count, updated_at, deleted, disabled) VALUES "
        "('p01@standard', 'cinder-volume', 'cinder-volume', 1, UTC_TIMESTAMP(), 0, 0)",
    )
    assert cinder.said("volumes", "rehost", cinder.url, "p01=p01@standard", "--apply")[0] == 0
    assert cinder.ask("SELECT COUNT(*) FROM volumes WHERE host = 'p01@standard#fast'") == [(3,)]
    assert cinder.ask("SELECT COUNT(*) FROM volumes WHERE host = 'p010'") == [(2,)]
    assert cinder.ask(
        "SELECT COUNT(*) FROM volumes WHERE deleted = 0 AND host LIKE 'p01#%' OR host = 'p01' AND deleted = 0"
    ) == [(0,)]
    assert cinder.ask("SELECT host FROM backups WHERE id = 'b1'") == [("p01",)]


def test_what_stands_against_it_is_said(cinder: Cinder) -> None:
    words = ("volumes", "backfill-type", cinder.url, "--type")
    assert cinder.said(*words, "nothing-of-the-kind")[0] == 64
    assert "old-type is deleted" in cinder.said(*words, "old-type")[1]
    code, plan = cinder.said(*words, "ssd")
    assert code == 0
    assert any("wants the back end lvm_ssd" in note for note in plan["notes"])
    cinder.ask("INSERT INTO volume_types (id, name, deleted) VALUES ('twin', 'standard', 0)")
    code, error = cinder.said(*words, "standard")
    assert (code, "2 live volume types are called standard" in error) == (64, True)
    assert cinder.said(*words, "twin")[0] == 0
    for wrong in (("p01",), ("p01=p02", "p02=p03"), ("p01=a", "P01=b"), ("p01=p01@x#pool",)):
        assert cinder.said("volumes", "rehost", cinder.url, *wrong)[0] == 64
    if cinder.ask("SHOW COLUMNS FROM volume_types LIKE 'is_public'"):
        cinder.ask("UPDATE volume_types SET is_public = 0 WHERE id = 'twin'")
        code, error = cinder.said(*words, "twin")
        assert (code, "is private" in error) == (66, True)
    if cinder.ask("SHOW TABLES LIKE 'encryption'"):
        cinder.ask(
            "INSERT INTO encryption (volume_type_id, provider, control_location, deleted) VALUES "
            f"('{TYPE}', 'p', 'front-end', 0)"
        )
        assert any("carries encryption" in note for note in cinder.said(*words, TYPE)[1]["notes"])
