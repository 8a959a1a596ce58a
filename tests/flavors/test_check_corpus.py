"""`flavors check` on real databases: what truth.json says is wrong, and no other instance."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dbaudit.comparison.side import Side
from dbaudit.finding import Finding
from dbaudit.flavors.check import check
from dbaudit.flavors.gather import gather, instances
from dbaudit.flavors.kilo import Migration
from tests.flavors.cloud import Dumps

Sided = Callable[[Path | str], Side]


def load(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.fixture
def checked(dumps: Dumps) -> Callable[[str], tuple[Finding, ...]]:
    return lambda release: dumps.told(check, release).findings


def uuids(side: Side) -> set[str]:
    assert side.data is not None
    return {str(uuid) for (uuid,) in side.data.values("instances", ("uuid",))}


@pytest.mark.parametrize("release", ["grizzly", "havana"])
def test_names_the_instances_of_the_truth_and_no_other(
    corpus: Path, side: Sided, checked: Callable[[str], tuple[Finding, ...]], release: str
) -> None:
    truth = load(corpus / "data/truth.json")["nova"]["top_vs_cell"]
    wrong = {name: set(value) for name, value in truth.items() if name.startswith(("sysmeta_", "instance_type_id"))}
    sides = [side(corpus / f"data/nova-{place}-{release}.sql.gz") for place in ("top", "cell")]
    found = checked(release)
    named = {key for finding in found for key in finding.keys} & set().union(*map(uuids, sides))
    assert named == set().union(*wrong.values())

    def of(check_id: str, database: str | None = None) -> set[str]:
        wanted = [each for each in found if each.check == check_id and database in (None, each.facts["database"])]
        return {key for each in wanted for key in each.keys}

    assert of("flavors.points-elsewhere") == wrong["instance_type_id"]
    both = wrong["sysmeta_missing_both"]
    assert of("flavors.embedded-missing", "d_nova_cell") == wrong["sysmeta_missing_cell"] | both
    assert of("flavors.embedded-missing", "d_nova_top") == wrong["sysmeta_missing_top"] | both
    for place in ("d_nova_top", "d_nova_cell"):
        assert of("flavors.embedded-partial", place) == wrong["sysmeta_partial"]
        assert of("flavors.embedded-duplicate", place) == wrong["sysmeta_duplicate"]
        assert of("flavors.embedded-unreadable", place) == wrong["sysmeta_vcpu_weight_none_string"]
    assert all(each.count == len(each.keys) for each in found if each.check.startswith("flavors.embedded"))


@pytest.mark.parametrize("release", ["grizzly", "havana", "kilo"])
def test_names_the_flavors_of_the_truth(
    corpus: Path, checked: Callable[[str], tuple[Finding, ...]], release: str
) -> None:
    notes = load(corpus / "data/truth.json")["nova"]["top_vs_cell"]["notes"]
    found = {(each.check, *each.keys): each for each in checked(release)}
    only, memory, spec = (
        notes[f"flavor {what}"] for what in ("only at top", "memory_mb differs", "extra_spec differs")
    )  # fmt: skip
    assert ("flavors.missing", only["flavorid"]) in found
    changed = found["flavors.changed-deleted", memory["flavorid"]]
    assert f"memory_mb is '{memory['top']}', there '{memory['cell']}'" in changed.message
    said = found["flavors.extra-specs", spec["flavorid"]].message
    assert f"{spec['key']} is '{spec['top']}', there '{spec['cell']}'" in said
    assert ("flavors.access-only-at-top",) in found
    moved = [each for each in found.values() if each.check == "flavors.id-disagreement"]
    assert len(moved) == 20
    assert {str(each.effect) for each in moved} == {"advice"}
    assert not any(set(each.keys) & set(notes) for each in moved)


def test_duplicates_that_havana_removes(checked: Callable[[str], tuple[Finding, ...]]) -> None:
    twice = {each.keys for each in checked("grizzly") if each.check == "flavors.duplicate"}
    assert ("119",) in twice
    assert not [each for each in checked("havana") if each.check == "flavors.duplicate"]
    assert {"Big.Mem", "big.mem"} & {
        key for each in checked("grizzly") if each.check == "flavors.case-collision" for key in each.keys
    }


@pytest.mark.parametrize("release", ["kilo", "kilo-migrate_flavor_data"])
def test_what_stops_the_kilo_migration(
    corpus: Path, checked: Callable[[str], tuple[Finding, ...]], release: str
) -> None:
    found = checked(release)
    for place in ("top", "cell"):
        truth = load(corpus / f"data/nova-{place}-kilo-migrate_flavor_data.truth.json")
        own = [each for each in found if each.facts["database"] == f"d_nova_{place}"]
        failed = {
            key: each.facts["cause"] for each in own if each.check == "flavors.migrate-fails" for key in each.keys
        }
        assert failed == truth["failed"]
        assert {key for each in own if each.check == "flavors.migrate-skips" for key in each.keys} == set(
            truth["skipped"]
        )
        (left,) = [each for each in own if each.check == "flavors.not-migrated"]
        assert str(left.step) == "nova:291"


@pytest.mark.parametrize("place", ["top", "cell"])
def test_the_json_is_what_upstream_wrote(corpus: Path, side: Sided, tmp_path: Path, place: str) -> None:
    truth = load(corpus / f"data/nova-{place}-kilo-migrate_flavor_data.truth.json")
    before = gather(side(corpus / f"data/nova-{place}-kilo.sql.gz"), "before", tmp_path / "before")
    after = side(corpus / f"data/nova-{place}-kilo-migrate_flavor_data.sql.gz")
    assert after.data is not None
    written = {
        uuid: json.loads(str(text)) for uuid, text in after.data.values("instance_extra", ("instance_uuid", "flavor"))
    }
    migration = Migration(before.definitions)
    left = {*truth["failed"], *truth["skipped"]}
    found = sorted(instances(before.path), key=lambda each: each.number)
    ours = {each.uuid: migration.document(each) for each in found if each.live and each.uuid not in left}
    assert len(written) > 1300
    assert ours == written
