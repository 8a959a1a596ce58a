"""A scan that remembers the last one sees what a scan of everything sees, and reads only what changed."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbaudit.ec2 import bucket, scan
from dbaudit.ec2.bucket import bucket_of
from dbaudit.ec2.form import key_id
from dbaudit.ec2.memory import NEW_BUCKET, OLD_BUCKET, Memory, groups
from dbaudit.ec2.owners import census
from dbaudit.ec2.round import Carrier
from dbaudit.ec2.sync import session
from tests.ec2.conftest import PLANTED, Site, blob, sha
from tests.ec2.working import once, work_of
from tests.examples import examples

pytestmark = pytest.mark.heavy

Sites = tuple[Site, Site]
S = PLANTED
# Ways to write a row of Havana, most of them odd.
ROWS: dict[str, dict[str, Any]] = {
    "plain": {},
    "trust": {"text": blob("a", S, trust_id="t")},
    "twice": {"text": json.dumps(blob("a", S))},
    "broken": {"text": f"{S} no json"},
    "v3": {"id": "0123456789abcdef0123456789abcdef"},
    "orphan": {"user": "nobody"},
    "noproject": {"project": None},
    "byhand": {"id": "F" * 64},
    "letters": {"id": "\N{LATIN SMALL LETTER E WITH ACUTE}" * 64},
}
deeds = st.one_of(
    st.tuples(st.just("old"), st.sampled_from("ab"), st.sampled_from([S, S + "2"]), st.sampled_from(["u", "nobody"])),
    st.tuples(st.just("new"), st.sampled_from(sorted(ROWS))),
    st.tuples(st.just("new b"), st.sampled_from([S, S + "2"])),
    st.tuples(st.sampled_from(["no old", "no new", "user comes", "user goes", "carry"])),
)


def act(sites: Sites, deed: tuple[Any, ...]) -> None:
    grizzly, havana = sites
    match deed:
        case ("old", access, secret, user):
            grizzly.old(access, secret, user)
        case ("new", how):
            havana.new("a", **ROWS[how])
        case ("new b", secret):
            havana.new("b", secret)
        case ("no old",):
            grizzly.run("DELETE FROM ec2_credential")
        case ("no new",):
            havana.run("DELETE FROM credential")
        case ("user comes",):
            havana.run("REPLACE INTO user (id) VALUES ('nobody')")
        case ("user goes",):
            havana.run("DELETE FROM user WHERE id = 'nobody'")


def looked(carrier: Carrier, memory: Memory | None = None) -> scan.Scan:
    return scan.scan(carrier.link, carrier.base, carrier.sight, memory)


@pytest.mark.parametrize("one", [True, False], ids=["one-server", "two-servers"])
def test_it_sees_what_a_scan_of_everything_sees(sites: Sites, tmp_path: Path, one: bool) -> None:
    work, _ = work_of(sites, tmp_path, one=one)
    once(work)

    @settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(deeds, min_size=3, max_size=12))
    def lives(script: list[tuple[Any, ...]]) -> None:
        for table in ("ec2_base", "ec2_intent", "ec2_conflict"):
            sites[0].run(f"DELETE FROM dbaudit.{table}")
        for deed in (("no old",), ("no new",), ("user goes",)):
            act(sites, deed)
        memory = Memory()
        for deed in script:
            act(sites, deed)
            carrier.see(work.sight(carrier.sight.judge.digests, census(carrier.link)))
            seen = looked(carrier, memory)
            assert seen == looked(carrier)
            if deed[0] == "carry":
                carrier.full(seen)

    with session(work) as carrier:
        lives()


def test_it_reads_only_what_changed(sites: Sites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grizzly, havana = sites
    work, _ = work_of(sites, tmp_path, one=True)
    with contextlib.closing(grizzly.server.admin(grizzly.name)) as connection, connection.cursor() as cursor:
        rows = [(f"k{number}", S, "u", "p") for number in range(500)]
        cursor.executemany("INSERT INTO ec2_credential VALUES (%s, %s, %s, %s)", rows)
    read: list[int] = []

    def counted(found: bucket.Buckets, left: list[Any], *rest: Any) -> None:
        read.append(len(left))
        bucket.compare(found, left, *rest)

    monkeypatch.setattr(scan, "compare", counted)
    with session(work) as carrier:
        memory = Memory()
        assert carrier.full(looked(carrier, memory)).changed == 500
        assert not looked(carrier, memory).wants and sum(read) == 1000  # what was written is looked at once more
        read.clear()
        assert looked(carrier, memory).survey.same == 500 and read == []
        # a revocation, a change, and a conflict, which is looked at until it is over
        havana.run("DELETE FROM credential WHERE id = %s", args=(sha("k1"),))
        grizzly.old("k2", S + "2")
        grizzly.old("k3", S + "2")
        havana.new("k3", S + "3")
        for changed, at_most in ((2, 9), (0, 9), (0, 3)):
            assert carrier.full(looked(carrier, memory)).changed == changed
            assert len(read) == 1 and read.pop() <= at_most
        assert len(looked(carrier, memory).wants) == 1


def test_every_row_is_in_the_bucket_that_the_server_says(sites: Sites) -> None:
    grizzly, havana = sites
    for access in ("a", "B", "\N{LATIN SMALL LETTER E WITH ACUTE}", "with blank", ""):
        grizzly.old(access)
    for access, name in grizzly.run(f"SELECT access, {OLD_BUCKET} FROM ec2_credential"):
        assert name == key_id(access)[:3]
    wide = "\N{LATIN SMALL LETTER E WITH ACUTE}"
    for number, id in enumerate((sha("a"), sha("b").upper(), "f" * 32, "z" * 64, wide * 64, wide + "a" * 62, "")):
        havana.new(f"k{number}", id=id)
    found = havana.run(f"SELECT id, {NEW_BUCKET} FROM credential")
    assert len(found) == 7
    for id, name in found:
        assert name == bucket_of(id), id


def test_groups() -> None:
    left = {"a": (0, "0"), "b": (3, "0"), "c": (2, "0")}
    assert groups(["a", "b", "c", "d"], left, {"d": (9, "0")}, 5) == [["a", "b", "c"], ["d"]]
    assert groups([], left, {}, 5) == []
    assert groups(["a"], left, {}, 5) == [["a"]]
