"""A backfill on cinder's later tables: `__DEFAULT__` for what blocks Ussuri, volumes outside quotas, private types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dbaudit.errors import DbauditError, UsageError
from dbaudit.migration.catalogue import load_catalogue, reference_at
from dbaudit.release import release
from dbaudit.repair.apply import apply
from dbaudit.repair.limits import Limits
from dbaudit.repair.retract import undo
from dbaudit.repair.target import Target, open_target
from dbaudit.repair.throttle import Throttle
from dbaudit.repair.work import Work
from dbaudit.server.server import Server
from dbaudit.volumes import backfill
from dbaudit.volumes.look import Look
from tests.repair.conftest import execute
from tests.repair.dumps import dump
from tests.test_laws import load

__all__ = ["execute"]

Execute = Callable[..., list[tuple[Any, ...]]]
ROWS = """
ALTER TABLE volumes ADD service_uuid VARCHAR(36) NULL, ADD use_quota TINYINT(1) NULL;
ALTER TABLE snapshots ADD use_quota TINYINT(1) NULL;
ALTER TABLE encryption MODIFY volume_type_id VARCHAR(36) NULL;
INSERT INTO volume_types (id, name, is_public, deleted) VALUES ('t-gone', '__DEFAULT__', 1, 1),
  ('t-default', 'standard', 1, 0), ('t-other', 'other', 1, 0);
INSERT INTO volumes (id, project_id, host, size, status, volume_type_id, use_quota, deleted) VALUES
  ('live', 'p1', 'h@b#p', 10, 'available', NULL, 1, 0), ('old', 'p1', 'h@b#p', 20, 'in-use', NULL, NULL, 0),
  ('temporary', 'p1', 'h@b#p', 40, 'available', NULL, 0, 0), ('other', 'p1', 'h@b#p', 80, 'in-use', 't-other', 1, 0),
  ('mine', 'p2', 'h@b#p', 5, 'error', NULL, 1, 0), ('gone', 'p3', 'h@b#p', 7, 'deleted', NULL, 1, 1),
  ('undecided', 'p1', 'h@b#p', 9, 'available', NULL, 1, NULL);
INSERT INTO snapshots (id, volume_id, project_id, volume_size, status, use_quota, deleted) VALUES
  ('s-live', 'live', 'p1', 10, 'available', 1, 0), ('s-temporary', 'live', 'p1', 10, 'available', 0, 0),
  ('s-other', 'other', 'p1', 80, 'available', 1, 0), ('s-gone', 'gone', 'p3', 7, 'deleted', 1, 1),
  ('s-undecided', 'live', 'p1', 10, 'error', 1, NULL);
INSERT INTO quota_usages (project_id, resource, in_use, reserved, deleted) VALUES
  ('p1', 'volumes___DEFAULT__', 0, 0, 0), ('p1', 'gigabytes___DEFAULT__', 99, 0, 0),
  ('p1', 'snapshots___DEFAULT__', 7, 0, 0), ('p2', 'volumes_other', 3, 0, 0), ('p3', 'volumes___DEFAULT__', 1, 0, 0);
INSERT INTO encryption (encryption_id, provider, control_location, deleted) VALUES ('e', 'p', 'front-end', 0);
INSERT INTO quality_of_service_specs (id, `key`, value, deleted) VALUES ('q', 'QoSSpec_Name', 'slow', 0);
"""
REVIVED = "UPDATE volume_types SET name = '__DEFAULT__' WHERE id = 't-default'"


@pytest.fixture
def target(server: Server, schema: str, journal: str) -> Target:
    catalogue = load_catalogue("cinder")
    assert catalogue
    reference = reference_at("cinder", catalogue.releases[release("kilo")])
    assert reference
    load(server, schema, reference, ROWS)
    return open_target(server.url(server.restricted([schema, journal]), schema), journal)


def work_of(target: Target, *, deleted_too: bool, wanted: str = "__DEFAULT__") -> Work:
    with target.session() as connection:
        return backfill.backfill(Look(connection, target), wanted, backfill.Scope(deleted_too))


def untyped(execute: Execute) -> Iterator[str]:
    for table in ("volumes", "snapshots"):
        yield from (row[0] for row in execute(f"SELECT id FROM {table} WHERE volume_type_id IS NULL ORDER BY id"))


def usage(execute: Execute) -> dict[tuple[str, str], int]:
    return {
        (who, what): number for who, what, number in execute("SELECT project_id, resource, in_use FROM quota_usages")
    }


def test_what_blocks_ussuri_gets_the_default(server: Server, schema: str, target: Target, execute: Execute) -> None:
    with pytest.raises(UsageError, match="__DEFAULT__ is deleted") as deleted:
        work_of(target, deleted_too=True)
    assert "migration 132 (Train) skips on a deleted row" in deleted.value.hint
    assert "no live volume type __DEFAULT__" in " ".join(work_of(target, deleted_too=False, wanted="other").warnings)
    execute(REVIVED)
    before = [line for line in dump(server, schema) if not line.startswith("quota_usages")]
    said = " ".join(work_of(target, deleted_too=False).warnings)
    for table in ("volumes", "snapshots"):
        assert f"1 untyped row(s) of `{table}` are deleted softly and not touched; they block the upgrade" in said
    work = work_of(target, deleted_too=True)
    said = " ".join(work.warnings)
    assert "1 untyped row(s) of `volumes` are neither live nor deleted (NULL) and not touched: undecided" in said
    assert "1 row(s) of `encryption` have no volume type and block Ussuri's migration 136 too" in said
    assert "deleted softly" not in said
    done = apply(work, target, Throttle(), Limits())
    assert list(untyped(execute)) == ["undecided", "s-undecided"]
    assert execute("SELECT volume_type_id FROM snapshots WHERE id = 's-other'") == [("t-other",)]
    # Two volumes of p1 count (10 and 20), not the temporary one, nor its snapshot; nothing of p3 is live.
    right = {("p1", "volumes___DEFAULT__"): 2, ("p1", "gigabytes___DEFAULT__"): 40, ("p1", "snapshots___DEFAULT__"): 1,
             ("p2", "volumes_other"): 3, ("p3", "volumes___DEFAULT__"): 0}  # fmt: skip
    assert usage(execute) == right
    assert undo(target, str(done.run), Throttle()).kept_units == 0
    assert [line for line in dump(server, schema) if not line.startswith("quota_usages")] == before


def test_a_type_brings_more_than_its_name(target: Target, execute: Execute) -> None:
    execute(REVIVED, "UPDATE volume_types SET qos_specs_id = 'q' WHERE id = 't-default'",
            "UPDATE encryption SET volume_type_id = 't-default'",
            "INSERT INTO quotas (project_id, resource, hard_limit, deleted) VALUES ('p1', 'volumes___DEFAULT__', 0, 0)",
            "INSERT INTO volume_type_extra_specs (volume_type_id, `key`, value, deleted) VALUES "
            "('t-default', 'volume_backend_name', 'elsewhere', 0)")  # fmt: skip
    said = " ".join(work_of(target, deleted_too=False).warnings)
    for warning in ("carries encryption", "carries QoS specs", "wants the back end elsewhere", "limit the type"):
        assert warning in said


def test_a_private_type_needs_access_for_the_projects_of_live_volumes(target: Target, execute: Execute) -> None:
    execute(REVIVED, "UPDATE volume_types SET is_public = 0 WHERE id = 't-default'",
            "INSERT INTO volume_type_projects (volume_type_id, project_id, deleted) VALUES "
            "('t-default', 'p1', 0), ('t-default', 'p2', 1)")  # fmt: skip
    with pytest.raises(DbauditError, match=r"private, and 1 project\(s\) with untyped volumes may not use it: p2"):
        work_of(target, deleted_too=True)
    execute("UPDATE volume_type_projects SET deleted = 0")
    assert work_of(target, deleted_too=True).parts
    execute("UPDATE volume_types SET is_public = NULL WHERE id = 't-default'")
    assert "is_public of the type __DEFAULT__ is NULL" in " ".join(work_of(target, deleted_too=True).warnings)
