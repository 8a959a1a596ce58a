"""Releases by any name, in order."""

from __future__ import annotations

import pytest

from dbaudit.errors import UsageError
from dbaudit.release import RELEASES, between, release, since, until


def test_order_and_names() -> None:
    assert release("Grizzly") < release("havana") < release("zed") < release("antelope") < release("2025.1")
    assert release("caracal") is release("2024.1")
    assert [each.index for each in RELEASES] == list(range(len(RELEASES)))


def test_unknown_release_lists_the_known() -> None:
    with pytest.raises(UsageError) as caught:
        release("hawana")
    assert "hawana" in caught.value.what
    assert "havana" in caught.value.hint


def test_ranges() -> None:
    assert release("havana") in since("havana")
    assert release("grizzly") not in since("havana")
    assert release("havana") in until("havana")
    assert release("kilo") not in between("grizzly", "juno")
    assert str(since("havana")) == "havana and later"
