"""Versions as servers and dumps write them."""

from __future__ import annotations

import pytest

from dbaudit.errors import DbauditError
from dbaudit.server import options
from dbaudit.server.disk import MIB, Needs
from dbaudit.server.version import parse_version


@pytest.mark.parametrize(
    ("text", "vendor", "numbers", "name"),
    [
        ("5.6.24", "mysql", (5, 6, 24), "MySQL 5.6.24"),
        ("5.5.62-0ubuntu0.14.04.1-log", "mysql", (5, 5, 62), "MySQL 5.5.62"),
        ("8.0.36-28-Percona", "mysql", (8, 0, 36), "MySQL 8.0.36"),
        ("9.7.4-2", "mysql", (9, 7, 4), "MySQL 9.7.4"),
        ("10.11.19-MariaDB-0+deb12u1", "mariadb", (10, 11, 19), "MariaDB 10.11.19"),
        ("5.5.5-10.11.19-MariaDB", "mariadb", (10, 11, 19), "MariaDB 10.11.19"),
        ("5.5.5-MariaDB", "mariadb", (5, 5, 5), "MariaDB 5.5.5"),
        ("5.5.68-MariaDB", "mariadb", (5, 5, 68), "MariaDB 5.5.68"),
    ],
)
def test_a_version_is_read(text: str, vendor: str, numbers: tuple[int, ...], name: str) -> None:
    version = parse_version(text)
    assert (version.vendor, version.numbers, version.name, version.text) == (vendor, numbers, name, text)
    assert version.series == numbers[:2]


def test_no_version_is_an_error() -> None:
    with pytest.raises(DbauditError, match="cannot read a server version from 'none'"):
        parse_version("none")


def test_a_vendor_that_is_not_named_is_never_new_enough() -> None:
    maria, mysql = parse_version("10.11.19-MariaDB"), parse_version("5.6.24")
    assert maria.at_least(mariadb=(10, 6)) and not maria.at_least(mariadb=(10, 12))
    assert not maria.at_least(mysql=(5, 6))
    assert mysql.at_least(mysql=(5, 6)) and not mysql.at_least(mysql=(5, 6, 25), mariadb=(5,))


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("5.1.73", ""),
        ("5.6.24", "NO_ENGINE_SUBSTITUTION"),
        ("10.1.48-MariaDB", "NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION"),
        ("5.5.68-MariaDB", ""),
    ],
)
def test_old_servers_were_not_strict(text: str, mode: str) -> None:
    assert options.sql_mode(parse_version(text)) == mode


def test_a_mode_that_is_gone_is_left_out() -> None:
    found = options.like_origin(parse_version("8.0.36"), parse_version("5.7.44"))
    assert "NO_AUTO_CREATE_USER" not in found[0] and "NO_ZERO_DATE" in found[0]


def test_the_buffer_pool_fits_the_machine() -> None:
    version, dump = parse_version("10.11.19-MariaDB"), Needs(bytes_of_dump=2000 * MIB)
    assert options.sizes(version, Needs(), 16 << 30)[0] == "--innodb-buffer-pool-size=134217728"
    assert options.sizes(version, dump, 16 << 30)[0] == f"--innodb-buffer-pool-size={3000 * MIB}"
    assert options.sizes(version, dump, 2 << 30)[0] == f"--innodb-buffer-pool-size={512 * MIB}"
    assert options.sizes(version, dump, 1 << 20)[0] == f"--innodb-buffer-pool-size={64 * MIB}"
    assert options.available_memory() > 0


def test_the_redo_log_is_given_in_the_servers_way() -> None:
    assert options.redo_log(parse_version("8.0.30"), 64 * MIB) == f"--innodb-redo-log-capacity={64 * MIB}"
    assert options.redo_log(parse_version("5.6.24"), 64 * MIB) == f"--innodb-log-file-size={32 * MIB}"
