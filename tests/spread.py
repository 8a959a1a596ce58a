"""Heavy tests, spread over the servers of the matrix: each case runs on one of them, not on all.

A test is heavy that takes seconds a case and whose cases prove much the same on every server; it is marked `heavy`.
Which server a case runs on is settled by its name, so that it is the same each time and that every server has its
share. Where `DBAUDIT_TEST_EVERYWHERE` is set, as in `make soak`, every case runs on every server. Laws, schema, restore
and whatever asks how a server behaves are not heavy: they always run on all.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest

EVERYWHERE = os.environ.get("DBAUDIT_TEST_EVERYWHERE", "") not in ("", "0", "false")


@dataclass
class Spread:
    """What was spread: cases, by the server that each of them runs on; and what runs, and what does not."""

    chosen: dict[str, int] = field(default_factory=dict)
    kept: list[pytest.Item] = field(default_factory=list)
    left_out: list[pytest.Item] = field(default_factory=list)


def spread(items: Iterable[pytest.Item], wish_of: Callable[[pytest.Item], str | None], here: list[str]) -> Spread:
    """Of each case of a heavy test the one on the server that its name settles, of those that are `here`."""
    items = list(items)
    cases: dict[str, set[str]] = {}
    for item in items:
        if (wish := wish_of(item)) in here and is_heavy(item):
            cases.setdefault(case(item, str(wish)), set()).add(str(wish))
    result = Spread()
    for item in items:
        wish = wish_of(item)
        wishes = cases.get(case(item, wish), set()) if wish and is_heavy(item) else set()
        if wishes and choose(case(item, str(wish)), sorted(wishes)) != wish:
            result.left_out.append(item)
            continue
        result.kept.append(item)
        if len(wishes) > 1:
            result.chosen[str(wish)] = result.chosen.get(str(wish), 0) + 1
    return result


def is_heavy(item: pytest.Item) -> bool:
    return not EVERYWHERE and item.get_closest_marker("heavy") is not None


def case(item: pytest.Item, wish: str) -> str:
    """The name of a test without its server's."""
    test, bracket, words = item.nodeid.partition("[")
    return test + bracket + words.replace(wish, "", 1)


def choose(name: str, wishes: list[str]) -> str:
    return wishes[zlib.crc32(name.encode()) % len(wishes)]


def told(chosen: dict[str, int]) -> str:
    """A line about it."""
    shares = ", ".join(f"{count} on {wish}" for wish, count in sorted(chosen.items()))
    return (
        f"{sum(chosen.values())} cases of heavy tests ran on one server each: {shares}; "
        "DBAUDIT_TEST_EVERYWHERE=1 (and make soak) runs them on all"
    )
