"""The checksum compare on real servers: every difference, and none that is not one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from dbaudit.cells.checksum import Difference, Side, compare_tables
from dbaudit.cells.rowhash import hashes
from dbaudit.errors import DbauditError
from dbaudit.schema.read import read_live
from dbaudit.server.server import Server

Execute = Callable[..., None]
MAKE = (
    "CREATE TABLE {name} (`k` VARCHAR(40) CHARACTER SET utf8 NOT NULL, n INT NOT NULL, a VARCHAR(40), b VARCHAR(40), "
    "d DATETIME, x DECIMAL(8,2), f DOUBLE, PRIMARY KEY (`k`, n)) ENGINE=InnoDB DEFAULT CHARSET=utf8"
)
COLUMNS = ("k", "n", "a", "b", "d", "x", "f")
# The numbers from 0 to 9,999, and what they are selected from.
_DIGITS = " UNION ALL ".join(f"SELECT {number} AS d" for number in range(10))
VALUE = "t0.d + 10 * t1.d + 100 * t2.d + 1000 * t3.d"
VALUES = ", ".join(f"({_DIGITS}) AS t{number}" for number in range(4))


@pytest.fixture
def execute(server: Server, schema: str) -> Execute:
    def run(*statements: str) -> None:
        with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    return run


@pytest.fixture
def differences(server: Server, schema: str, execute: Execute) -> Iterator[Callable[[], list[Difference]]]:
    execute(MAKE.format(name="l"), MAKE.format(name="r"))
    with (
        contextlib.closing(server.admin(schema)) as one, contextlib.closing(server.admin(schema)) as other
    ):  # fmt: skip

        def compare() -> list[Difference]:
            tables = read_live(one, schema).tables
            sides = Side(one, tables["l"]), Side(other, tables["r"])
            return list(compare_tables(*sides, ("k", "n"), COLUMNS))

        yield compare


def filled(execute: Execute, rows: int) -> None:
    tens = ", ".join(f"({_DIGITS}) AS t{number}" for number in range(5))
    value = "t0.d + 10 * t1.d + 100 * t2.d + 1000 * t3.d + 10000 * t4.d"
    execute(
        f"INSERT INTO l SELECT CONCAT('key|', ({value}) % 977), {value}, CONCAT('a,', {value}), IF(t0.d = 3, NULL, "
        f"'b'), '2020-01-01' + INTERVAL {value} SECOND, ({value}) / 100, ({value}) / 3 FROM {tens} "
        f"WHERE {value} < {rows}",
        "INSERT INTO r SELECT * FROM l",
    )


def test_equal_tables_have_no_difference(execute: Execute, differences: Callable[[], list[Difference]]) -> None:
    filled(execute, 40_000)
    assert differences() == []


def test_each_kind_of_difference_is_found_by_its_key(
    execute: Execute, differences: Callable[[], list[Difference]]
) -> None:
    filled(execute, 40_000)
    execute(
        "DELETE FROM r WHERE n IN (17, 39999)",
        "DELETE FROM l WHERE n = 20000",
        "UPDATE r SET b = '' WHERE n = 13",  # was NULL
        "UPDATE r SET a = 'A,101' WHERE n = 101",  # equal for the collation
        "UPDATE r SET a = 'a,202 ' WHERE n = 202",  # a blank at the end
        "UPDATE r SET a = 'a,30', b = '3b' WHERE n = 303",  # a separator that moved
        "UPDATE r SET x = x + 0.01 WHERE n = 404",
        "UPDATE r SET d = d + INTERVAL 1 SECOND WHERE n = 505",
        "UPDATE r SET f = f * 2 WHERE n = 606",
    )
    found = {(each.key, each.only) for each in differences()}
    assert found == {
        ((f"key|{number % 977}", str(number)), only)
        for number, only in (
            (17, "left"), (39999, "left"), (20000, "right"), (13, None), (101, None), (202, None), (303, None),
            (404, None), (505, None), (606, None),
        )
    }  # fmt: skip


def test_values_that_are_swapped_do_not_cancel(execute: Execute, differences: Callable[[], list[Difference]]) -> None:
    execute(
        "INSERT INTO l (`k`, n, a) VALUES ('x', 1, 'one'), ('x', 2, 'two'), ('y', 1, 'ab'), ('y', 2, 'a')",
        "INSERT INTO r (`k`, n, a) VALUES ('x', 1, 'two'), ('x', 2, 'one'), ('y', 1, 'a'), ('y', 2, 'ab')",
    )
    assert [each.key for each in differences()] == [("x", "1"), ("x", "2"), ("y", "1"), ("y", "2")]


def test_a_separator_inside_of_values(execute: Execute, differences: Callable[[], list[Difference]]) -> None:
    execute(
        "INSERT INTO l (`k`, n, a, b) VALUES ('x', 1, 'ab', 'c'), ('x', 2, '1:N', NULL), ('x', 3, NULL, 'z')",
        "INSERT INTO r (`k`, n, a, b) VALUES ('x', 1, 'a', 'bc'), ('x', 2, '1', ':N'), ('x', 3, 'z', NULL)",
    )
    assert [each.key for each in differences()] == [("x", "1"), ("x", "2"), ("x", "3")]


def test_types_and_charsets_may_differ(
    server: Server, schema: str, execute: Execute, differences: Callable[[], list[Difference]]
) -> None:
    filled(execute, 2_000)
    execute(
        "ALTER TABLE r MODIFY a VARCHAR(80) CHARACTER SET utf8mb4, MODIFY n BIGINT NOT NULL, MODIFY x DECIMAL(12,4)",
        "UPDATE l SET a = 'bjørn' WHERE n = 5", "UPDATE r SET a = 'bjørn' WHERE n = 5",
    )  # fmt: skip
    assert differences() == []
    execute("UPDATE r SET a = 'bjorn' WHERE n = 5")
    assert [each.key for each in differences()] == [("key|5", "5")]


def test_whole_numbers_as_key_with_gaps(server: Server, schema: str, execute: Execute) -> None:
    make = "CREATE TABLE {} (id INT NOT NULL PRIMARY KEY, a VARCHAR(20)) ENGINE=InnoDB"
    execute(
        make.format("l"), make.format("r"),
        f"INSERT INTO l SELECT IF({VALUE} < 9000, {VALUE}, ({VALUE}) * 200000), 'a' FROM {VALUES}",
        "INSERT INTO r SELECT * FROM l", "INSERT INTO r VALUES (-7, 'x'), (2147483647, 'x')",
        "DELETE FROM r WHERE id = 8999", "UPDATE r SET a = 'b' WHERE id IN (0, 1800000000)",
    )  # fmt: skip
    with contextlib.closing(server.admin(schema)) as one, contextlib.closing(server.admin(schema)) as other:
        tables = read_live(one, schema).tables
        found = compare_tables(Side(one, tables["l"]), Side(other, tables["r"]), ("id",), ("id", "a"))
        assert {(each.key, each.only) for each in found} == {
            (("-7",), "right"), (("2147483647",), "right"), (("8999",), "left"), (("0",), None),
            (("1800000000",), None),
        }  # fmt: skip


def test_a_key_that_is_not_unique_is_refused(server: Server, schema: str, execute: Execute) -> None:
    execute(MAKE.format(name="l"), MAKE.format(name="r"))
    with contextlib.closing(server.admin(schema)) as one, contextlib.closing(server.admin(schema)) as other:
        tables = read_live(one, schema).tables
        with pytest.raises(DbauditError, match="no unique key"):
            list(compare_tables(Side(one, tables["l"]), Side(other, tables["r"]), ("k",), COLUMNS))


def test_the_separator_and_null_in_every_kind_of_column(server: Server, schema: str, execute: Execute) -> None:
    """Each row differs on the two sides, and would not if words ran together or NULL were a value."""
    make = (
        "CREATE TABLE {} (id INT NOT NULL PRIMARY KEY, l1 VARCHAR(9) CHARACTER SET latin1, l2 VARCHAR(9) CHARACTER SET "
        "latin1, b1 VARBINARY(9), b2 VARBINARY(9), t1 LONGTEXT, t2 LONGTEXT, u1 VARCHAR(9), u2 VARCHAR(9), n1 INT, "
        "n2 INT) ENGINE=InnoDB DEFAULT CHARSET=utf8"
    )
    names = ("l1", "l2", "b1", "b2", "t1", "t2", "u1", "u2", "n1", "n2")
    pairs: list[tuple[dict[str, str], dict[str, str]]] = []
    for one, two in (("l1", "l2"), ("b1", "b2"), ("t1", "t2"), ("u1", "u2")):
        pairs += [
            ({one: "''"}, {}), ({two: "''"}, {}), ({one: "'N'"}, {}), ({two: "'0'"}, {}), ({two: "'1'"}, {}),
            ({one: "'x'"}, {two: "'x'"}), ({one: "'xy'", two: "''"}, {one: "'x'", two: "'y'"}),
            ({one: "'x'", two: "''"}, {one: "'x'"}), ({one: "'1'", two: "''"}, {one: "''", two: "'1'"}),
        ]  # fmt: skip
    pairs += [
        ({"l1": "X'61FF62'", "l2": "'c'"}, {"l1": "'a'", "l2": "X'62FF63'"}),
        ({"b1": "X'61FF31FF62'", "b2": "X'63'"}, {"b1": "X'61'", "b2": "X'62FF31FF63'"}),
        ({"n1": "1"}, {"n2": "1"}), ({"n1": "0"}, {}), ({"n1": "1", "n2": "12"}, {"n1": "11", "n2": "2"}),
        ({"u2": "'x'"}, {"u2": "'x '"}), ({"u2": "'x'"}, {"u2": "'X'"}), ({"t1": "'é'"}, {"t1": "'e'"}),
        ({"t1": "REPEAT('x', 300000)"}, {"t1": "CONCAT(REPEAT('x', 299999), 'y')"}),
    ]  # fmt: skip
    execute(make.format("l"), make.format("r"))
    for number, rows in enumerate(pairs):
        for table, row in zip("lr", rows, strict=True):
            values = ", ".join(row.get(name, "NULL") for name in names)
            execute(f"INSERT INTO {table} VALUES ({number}, {values}), ({1000 + number}, {values})")
    execute("DELETE FROM r WHERE id >= 1000", "INSERT INTO r SELECT * FROM l WHERE id >= 1000")
    with contextlib.closing(server.admin(schema)) as one_, contextlib.closing(server.admin(schema)) as other:
        tables = read_live(one_, schema).tables
        for columns in (("id", *names), names, tuple(reversed(names))):
            found = compare_tables(Side(one_, tables["l"]), Side(other, tables["r"]), ("id",), columns)
            assert sorted(int(each.key[0]) for each in found) == list(range(len(pairs)))


def test_values_of_many_rows_that_are_swapped(server: Server, schema: str, execute: Execute) -> None:
    """The sums of hashes that are linear would not change for some of these."""
    make = "CREATE TABLE {} (id INT NOT NULL PRIMARY KEY, a TINYINT NOT NULL) ENGINE=InnoDB"
    execute(
        make.format("l"), make.format("r"),
        f"INSERT INTO l SELECT {VALUE}, ({VALUE}) % 2 FROM {VALUES}",
        "INSERT INTO r SELECT id, 1 - a FROM l",
    )  # fmt: skip
    with contextlib.closing(server.admin(schema)) as one, contextlib.closing(server.admin(schema)) as other:
        tables = read_live(one, schema).tables
        sides = Side(one, tables["l"]), Side(other, tables["r"])
        assert len(list(compare_tables(*sides, ("id",), ("id", "a")))) == 10_000
        hashed = hashes((tables["l"],), ("id", "a"))[0].replace("%%", "%")
        with one.cursor() as cursor:
            sums = (f"SELECT id DIV 2 AS pair, SUM({hashed}) AS h FROM {table} GROUP BY id DIV 2" for table in "lr")
            cursor.execute("SELECT COUNT(*) FROM ({}) x JOIN ({}) y ON x.pair = y.pair AND x.h = y.h".format(*sums))
            assert [int(str(count)) for (count,) in cursor.fetchall()] == [0]
