"""Random lives of keys on both sides, with syncs in between that may be killed: always what a reference model says.

Keys do not touch each other, so the model is of one key: its record in Grizzly, in Havana and in the base. A killed
sync has carried a key over whole or not at all; where what is seen does not tell, the model keeps both.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ec2.conftest import PLANTED, Site, blob, sha
from tests.ec2.working import Runner, work_of
from tests.examples import examples

pytestmark = pytest.mark.heavy

Record = tuple[str, str, str] | None
State = tuple[Record, Record, Record]  # Grizzly, Havana, base

KEYS = ("a", "b", "c", "d")
keys = st.sampled_from(KEYS)
records = st.tuples(st.sampled_from([PLANTED + "1", PLANTED + "2"]), st.sampled_from("uv"), st.sampled_from("pq"))
deeds = st.one_of(
    st.tuples(st.just("put"), st.sampled_from("gh"), keys, records),
    st.tuples(st.just("delete"), st.sampled_from("gh"), keys),
    st.tuples(st.just("sync")),
    st.tuples(st.just("kill"), st.integers(0, 11)),
)


def synced(state: State) -> State:
    """Facts, section 1.6, without policy."""
    g, h, b = state
    if g is not None and h is not None:
        if g == h:
            return g, h, g
        if b is None or b not in (g, h):
            return state
        return (g, g, g) if h == b else (h, h, h)
    if g is None and h is None:
        return None, None, None
    if b is None:
        return (g or h,) * 3
    return (None, None, None) if (g or h) == b else state


def disputed(state: State) -> bool:
    g, h, _ = synced(state)
    return g != h


class World:
    """The two databases as their users change them."""

    def __init__(self, sites: tuple[Site, Site]) -> None:
        self.sites = sites
        self.connection = sites[0].server.admin()
        self.cursor = self.connection.cursor()
        self.old, self.new = f"`{sites[0].name}`.ec2_credential", f"`{sites[1].name}`.credential"

    def put(self, side: str, key: str, record: tuple[str, str, str]) -> None:
        if side == "g":
            self.cursor.execute(f"REPLACE INTO {self.old} VALUES (%s, %s, %s, %s)", (key, *record))
        else:
            secret, user, project = record
            row = (sha(key), user, project, blob(key, secret))
            self.cursor.execute(f"REPLACE INTO {self.new} VALUES (%s, %s, %s, %s, 'ec2', '{{}}')", row)

    def delete(self, side: str, key: str) -> None:
        where = (f"{self.old} WHERE access", key) if side == "g" else (f"{self.new} WHERE id", sha(key))
        self.cursor.execute(f"DELETE FROM {where[0]} = %s", (where[1],))

    def seen(self) -> dict[str, tuple[Record, Record]]:
        self.cursor.execute(f"SELECT access, secret, user_id, tenant_id FROM {self.old}")
        left = {row[0]: tuple(row[1:]) for row in self.cursor.fetchall()}
        self.cursor.execute(f"SELECT user_id, project_id, `blob` FROM {self.new}")
        right = {
            (v := json.loads(text))["access"]: (v["secret"], user, project)
            for user, project, text in self.cursor.fetchall()
        }
        return {key: (left.get(key), right.get(key)) for key in KEYS}

    def clear(self) -> None:
        self.cursor.execute(f"DELETE FROM {self.old}")
        self.cursor.execute(f"DELETE FROM {self.new}")
        for table in ("ec2_base", "ec2_intent", "ec2_conflict"):
            self.cursor.execute(f"DELETE FROM dbaudit.{table}")


@contextlib.contextmanager
def world(sites: tuple[Site, Site]) -> Iterator[World]:
    made = World(sites)
    yield made
    made.connection.close()


@pytest.mark.no_cover  # long, along lines that others take too
@pytest.mark.parametrize("one", [True, False], ids=["one-server", "two-servers"])
def test_random_lives(sites: tuple[Site, Site], tmp_path: Path, one: bool) -> None:
    work, dying = work_of(sites, tmp_path, one=one)
    runner = Runner(work, dying)
    runner.once()

    @settings(max_examples=examples(80), deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(deeds, min_size=4, max_size=25))
    def lives(script: list[tuple[Any, ...]]) -> None:
        there.clear()
        runner.once()  # the base goes with its keys, which a scan remembers
        states: dict[str, set[State]] = {key: {(None, None, None)} for key in KEYS}
        reported: dict[str, tuple[Record, Record]] = {}
        for deed in [*script, ("sync",), ("sync",)]:
            if deed[0] == "put":
                there.put(*deed[1:])
                states[deed[2]] = {replaced(each, deed[1], deed[3]) for each in states[deed[2]]}
            elif deed[0] == "delete":
                there.delete(*deed[1:])
                states[deed[2]] = {replaced(each, deed[1], None) for each in states[deed[2]]}
            elif deed[0] == "sync" or not runner.killed(deed[1]):
                sync(states, reported, ran=deed[0] == "sync")
            else:
                for key in KEYS:
                    states[key] = states[key] | {synced(each) for each in states[key]}
            look(states)

    def sync(states: dict[str, set[State]], reported: dict[str, tuple[Record, Record]], ran: bool) -> None:
        told = {each.access for each in runner.once().new} if ran else None
        for key in KEYS:
            states[key] = {synced(each) for each in states[key]}
        look(states)
        for key in KEYS:
            (pair,) = {each[:2] for each in states[key]}
            if pair[0] == pair[1]:
                reported.pop(key, None)
            elif reported.get(key) != pair:
                reported[key] = pair
                assert told is None or key in told, (key, told)
            else:
                assert told is None or key not in told, (key, told)

    def look(states: dict[str, set[State]]) -> None:
        for key, pair in there.seen().items():
            states[key] = {each for each in states[key] if each[:2] == pair}
            assert states[key], (key, pair)

    with world(sites) as there:
        lives()
    runner.close()


def replaced(state: State, side: str, record: Record) -> State:
    return (record, state[1], state[2]) if side == "g" else (state[0], record, state[2])
