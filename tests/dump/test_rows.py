"""Rows read back as values."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbaudit.dump.index import read_layout
from dbaudit.dump.rows import Value, read_rows
from dbaudit.errors import DbauditError
from tests.dump.dump_samples import FOOT, HEAD, opened, table


def values(folder: Path, insert: bytes, columns: str = "`a` text, `b` text") -> list[list[Value]]:
    """The rows of a table with this one INSERT."""
    index = read_layout(opened(folder, HEAD + table("x", b"VALUES (1,2)") + table("t", insert, columns=columns) + FOOT))
    entry = index.database(None)
    found = entry.table("t")
    assert found
    return [list(row.values()) for row in read_rows(index, entry, found)]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (rb"'a\0\'\"\b\n\r\t\Z\\\%\_\x'", "a\0'\"\b\n\r\t\x1a\\\\%\\_x"),
        (b"'it''s'", "it's"),
        (b'"it\'s ""so"" \\" "', 'it\'s "so" " '),
        ("'né'".encode(), "né"),
        (b"'\xff'", "\udcff"),
        (b"'raw\n;-- (),'", "raw\n;-- (),"),
        (b"NULL", None),
        (b"-17", -17),
        (b"1.50", 1.5),
        (b"1e3", 1000.0),
        (b"0x00FF", b"\x00\xff"),
        (b"X'4142'", b"AB"),
        (b"b'0100000101000010'", b"AB"),
        (b"_binary 'a\\0\xff'", b"a\0\xff"),
        (b"_binary 0x41", b"A"),
        (b"_utf8mb4'a'", "a"),
        (b"''", ""),
        (b"concat('a',(1+2))", "concat('a',(1+2))"),
    ],
)
def test_literals(tmp_path: Path, written: bytes, value: Value) -> None:
    assert values(tmp_path, b"VALUES (1,%s),(%s,2)" % (written, written)) == [[1, value], [value, 2]]


def test_column_list_goes_before_the_order_of_the_table(tmp_path: Path) -> None:
    index = read_layout(opened(tmp_path, HEAD + table("t", b"(`v`, `id`) VALUES (_binary 'x',1)") + FOOT))
    entry = index.database(None)
    assert list(read_rows(index, entry, entry.tables[0])) == [{"v": b"x", "id": 1}]


def test_generated_columns_are_not_in_a_row(tmp_path: Path) -> None:
    columns = "`a` int, `g` int GENERATED ALWAYS AS (`a` + 1) STORED, `b` int"
    assert values(tmp_path, b"VALUES (1,2)", columns) == [[1, 2]]


def test_a_row_of_another_length_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DbauditError, match=r"table t, byte \d+: a row has 3 values for 2 columns"):
        values(tmp_path, b"VALUES (1,2,3)")


def test_names_without_quotes(tmp_path: Path) -> None:
    bare = b"CREATE TABLE t (\n  a int NOT NULL,\n  b text,\n  PRIMARY KEY (a),\n  KEY x (b(3))\n);\n"
    index = read_layout(opened(tmp_path, HEAD + bare + b"INSERT INTO t VALUES (1,'x');\n" + FOOT))
    entry = index.database(None)
    assert list(read_rows(index, entry, entry.tables[0])) == [{"a": 1, "b": "x"}]
