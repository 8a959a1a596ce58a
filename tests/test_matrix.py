"""The matrix itself: ranges, wishes, and that every server of an insisting run is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbaudit.server.server import Server
from dbaudit.server.version import parse_version
from tests import matrix


@pytest.mark.parametrize(
    ("range_", "version", "holds"),
    [
        ("mysql", "5.6.24", True),
        ("mysql", "10.11.18-MariaDB", False),
        ("mysql>=9", "9.7.4", True),
        ("mysql>=9", "5.6.24", False),
        ("mysql==5.6", "5.6.24", True),
        ("mysql<=5.6", "5.6.24", True),
        ("mysql<9", "9.7.4", False),
        ("mariadb>=10.11", "10.6.21-MariaDB", False),
        ("mariadb<11", "10.11.18-MariaDB", True),
    ],
)
def test_a_range_holds_servers(range_: str, version: str, holds: bool) -> None:
    assert matrix.in_ranges(parse_version(version), (range_,)) is holds


def test_a_wish_is_left_out_only_where_its_name_tells() -> None:
    assert matrix.may_be_in("mysql:9", ("mysql>=9.1",)) and not matrix.may_be_in("mysql:5.6", ("mysql>=9",))
    assert matrix.may_be_in("private", ("mysql>=9",)) and matrix.may_be_in("mariadb", ("mariadb>=11",))
    with pytest.raises(ValueError, match="is no range"):
        matrix.in_ranges(parse_version("9.7.4"), ("mysql => 9",))


def test_an_absent_server_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBAUDIT_TEST_CACHE", str(tmp_path))
    monkeypatch.setattr(matrix, "WISHES", ["mysql:4.1"])
    assert matrix.account() == [("mysql:4.1", None)]
    with pytest.raises(matrix.AbsentError, match=r"mysql:4\.1 is absent: .*tests/images/build mysql:4\.1"):
        matrix.place("mysql:4.1")
    with pytest.raises(matrix.AbsentError, match="nonsense is no flavour"):
        matrix.place("nonsense")


def test_the_server_is_the_one_that_was_asked_for(server: Server, request: pytest.FixtureRequest) -> None:
    wish = request.node.callspec.params["server"]
    if wish.startswith(("mysql", "mariadb")) and "://" not in wish:
        assert matrix.Range(wish.replace(":", "==")).holds(server.version.vendor, server.version.numbers)


@pytest.mark.server("mysql>=9")
def test_a_test_gets_only_the_servers_of_its_range(server: Server) -> None:
    assert server.version.at_least(mysql=(9,))
