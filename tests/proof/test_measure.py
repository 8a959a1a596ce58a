"""A manifest tells apart what looks alike, keeps no secret, and stands for one instant."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path

import pytest

from dbaudit.errors import DbauditError
from dbaudit.proof.compare import compare
from dbaudit.proof.design import Design
from dbaudit.proof.file import as_dict, load, save
from dbaudit.proof.manifest import SoftDeleted
from dbaudit.proof.running import signs_of_life
from dbaudit.proof.survivors import Survivors, load_survivors
from dbaudit.server.server import Server
from tests.proof.conftest import execute, lost, take
from tests.proof.losses import VOLUMES, table

TWO = "id INT PRIMARY KEY, a VARCHAR(20), b VARCHAR(20)"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("(1, 'ab', 'c')",), ("(1, 'a', 'bc')",)),
        (("(1, NULL, 'x')",), ("(1, '', 'x')",)),
        (("(1, NULL, 'x')",), ("(1, 'NULL', 'x')",)),
        (("(1, 'a', 'x')", "(2, 'b', 'x')"), ("(1, 'b', 'x')", "(2, 'a', 'x')")),
        (("(1, 'a', 'x')", "(2, 'a', 'x')"), ("(1, 'b', 'x')", "(2, 'b', 'x')")),
        (("(1, 'a', 'x')",), ("(1, 'A', 'x')",)),
        (("(1, 'a', 'x')",), ("(1, 'a ', 'x')",)),
        (("(1, 'a', 'x')",), ("(1, 'á', 'x')",)),
        (("(1, 'a', 'b')",), ("(1, 'b', 'a')",)),
    ],
)
def test_sums_are_not_fooled(server: Server, schema: str, first: tuple[str, ...], second: tuple[str, ...]) -> None:
    execute(server, schema, table("t", TWO, *first))
    one = take(server, schema)
    execute(server, schema, ("DROP TABLE t", *table("t", TWO, *second)))
    two = take(server, schema, one)
    assert one.tables["t"].checksum != two.tables["t"].checksum
    columns = [[column.checksum for column in manifest.tables["t"].columns] for manifest in (one, two)]
    assert columns[0] != columns[1]


def test_sums_do_not_depend_on_order_charset_or_width(server: Server, schema: str) -> None:
    rows = [f"({number}, 'blåbær {number}', NULL)" for number in range(50)]
    execute(server, schema, table("t", TWO, *rows))
    one = take(server, schema)
    execute(server, schema, ("DROP TABLE t", *table("t", TWO, *reversed(rows)),
                             "ALTER TABLE t MODIFY id BIGINT, MODIFY a TEXT CHARACTER SET utf8mb4"))  # fmt: skip
    two = take(server, schema, one)
    assert one.tables["t"].checksum == two.tables["t"].checksum
    assert [c.checksum for c in one.tables["t"].columns] == [c.checksum for c in two.tables["t"].columns]
    assert compare(one, two, survivors=Survivors(), design=Design()).changed == ()


def test_profiles(server: Server, schema: str) -> None:
    columns = "id INT PRIMARY KEY, a VARCHAR(20), b DECIMAL(8,2), c DATETIME, d VARBINARY(9), e BIT(3), deleted INT"
    rows = ("(1, 'ab', -1.50, '2013-11-15 12:00:00', x'00ff', 5, 0)", "(2, 'blå', 7, NULL, NULL, 1, 2)",
            "(3, NULL, NULL, '2012-01-01', x'', NULL, NULL)")  # fmt: skip
    execute(server, schema, table("t", columns, *rows))
    found = take(server, schema).tables["t"]
    seen = {c.name: (c.nulls, c.shortest, c.longest, c.low, c.high) for c in found.columns}
    assert seen == {
        "id": (0, None, None, "1", "3"),
        "a": (1, 2, 3, None, None),
        "b": (1, None, None, "-1.50", "7.00"),
        "c": (1, None, None, "2012-01-01 00:00:00", "2013-11-15 12:00:00"),
        "d": (1, 0, 2, None, None),
        "e": (1, None, None, "1", "5"),
        "deleted": (1, None, None, "0", "2"),
    }
    assert (found.count, found.soft) == (3, SoftDeleted(1, 1, 1))


def test_large_tables_are_compared_by_sums(server: Server, schema: str) -> None:
    more = ("ALTER TABLE volumes ADD deleted INT DEFAULT 0",)
    then = ("DELETE FROM volumes WHERE id = 'v1'", "UPDATE volumes SET deleted = 3 WHERE id = 'v3'",
            "ALTER TABLE volumes DROP note")  # fmt: skip
    found = lost(server, schema, (*VOLUMES, *more), then, rows=0)
    assert {(each.number, each.object, each.count) for each in found.losses} == {
        (2, "volumes.note", 2),
        (3, "volumes", 1),
        (19, "volumes.deleted", 1),
    }
    (skipped,) = found.skipped
    assert "volumes has more rows than are kept" in skipped.reason
    whole = lost(server, schema, ("DROP TABLE volumes", *VOLUMES), ("ALTER TABLE volumes ENGINE=InnoDB",), rows=0)
    assert whole.losses == ()


def test_tables_without_a_key(server: Server, schema: str) -> None:
    rows = table("t", "a INT, b VARCHAR(9)", "(1, 'x')", "(1, 'x')", "(2, NULL)")
    (loss,) = lost(server, schema, rows, ("DELETE FROM t WHERE a = 1 LIMIT 1",)).losses
    assert (loss.number, loss.count) == (3, 1)


def test_no_secret_is_in_a_manifest(server: Server, schema: str, tmp_path: Path) -> None:
    user = table("user", "id VARCHAR(64) PRIMARY KEY, name VARCHAR(64), extra TEXT, password VARCHAR(128)",
                 """('u1', 'ann', '{"apikey": "s3cr3t-one"}', 's3cr3t-two')""")  # fmt: skip
    token = table("token", "id VARCHAR(64) PRIMARY KEY, extra TEXT", "('s3cr3t-three', '{}')")
    ec2 = table("ec2_credential", "access VARCHAR(64) PRIMARY KEY, secret VARCHAR(64), user_id VARCHAR(9)",
                "('a1', 's3cr3t-four', 'u1')")  # fmt: skip
    execute(server, schema, (*user, *token, *ec2))
    manifest = take(server, schema, survivors=load_survivors("keystone"))
    save(manifest, tmp_path / "m.json")
    assert "s3cr3t" not in (tmp_path / "m.json").read_text()
    assert (tmp_path / "m.json").stat().st_mode & 0o777 == 0o600
    other = take(server, schema, survivors=load_survivors("keystone"))
    assert manifest.kept["EC2 credentials"].items.keys().isdisjoint(other.kept["EC2 credentials"].items)


@pytest.mark.parametrize("name", ["m.json", "m.json.gz"])
def test_file_round_trip(server: Server, schema: str, tmp_path: Path, name: str) -> None:
    rows = table("t", f"{TWO}, deleted INT, UNIQUE (a)", "(1, 'blåbær', NULL, 0)", "(2, '{\"k\": [1]}', '', NULL)")
    execute(server, schema, rows)
    manifest = take(server, schema)
    save(manifest, tmp_path / name)
    assert load(tmp_path / name) == manifest
    assert manifest.key.hex() not in repr(manifest)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no manifest"),
        (b"\x1f\x8bbroken", "is no manifest"),
        (b"{}", "is no manifest"),
        (b'{"what": "dbaudit manifest", "format": 99}', "of format 99"),
        (b'{"what": "dbaudit manifest", "format": 1, "at": "x"}', "damaged"),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(DbauditError) as raised:
        load(tmp_path / "m")
    assert said in raised.value.what


@pytest.mark.server("mariadb")
def test_one_instant(server: Server, schema: str) -> None:
    """Rows that are written while it is measured are in no part of it."""
    execute(server, schema, (*table("a", "id INT PRIMARY KEY", "(1)"), *table("z", "id INT PRIMARY KEY", "(1)")))
    stop = threading.Event()

    def write() -> None:
        number = 1
        with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
            while not stop.is_set():
                number += 1
                cursor.execute("BEGIN")
                cursor.execute(f"INSERT INTO a VALUES ({number})")
                cursor.execute(f"INSERT INTO z VALUES ({number})")
                cursor.execute("COMMIT")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            found = take(server, schema)
            counts = {found.tables[name].count for name in "az"}
            counts |= {len(rows.keys) for name in "az" if (rows := found.tables[name].rows)}
            assert len(counts) == 1
    finally:
        stop.set()
        writer.join()


def test_services_that_run(server: Server, schema: str) -> None:
    services = table("services", "id INT PRIMARY KEY, updated_at DATETIME")
    execute(server, schema, (*services, "INSERT INTO services VALUES (1, UTC_TIMESTAMP()), (2, '2013-11-15')"))
    with contextlib.closing(server.admin(schema)) as connection:
        assert [sign for sign in signs_of_life(connection, schema) if "`services`" in sign] == [
            "services seem to be running: 1 of `services` reported in the last 120 seconds"
        ]
        with contextlib.closing(server.admin(schema)):
            assert any("other connection(s)" in sign for sign in signs_of_life(connection, schema))


def test_nothing_is_written(server: Server, schema: str) -> None:
    execute(server, schema, VOLUMES)
    with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
        before = [as_dict(take(server, schema))["tables"]["volumes"]["count"]]
        cursor.execute("CHECKSUM TABLE volumes")
        one = cursor.fetchall()
        take(server, schema)
        cursor.execute("CHECKSUM TABLE volumes")
        assert cursor.fetchall() == one
    assert json.dumps(before) == "[3]"
