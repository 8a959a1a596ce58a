"""Layout, counts and a slow reader agree on every dump, however its values are written."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbaudit.dump import statements
from dbaudit.dump.index import read_counts, read_layout
from dbaudit.dump.source import open_dump
from tests.dump.dump_samples import FOOT, HEAD, both, opened, slow_rows, slow_statements
from tests.examples import examples

NASTY = [
    "a", "1", "x9", " ", "'", '"', "`", "\\", ";", "\n", ");\n", "(", ")", ",", "),(", "--", "-- ", "#", "/*", "*/",
    "\0", "\r\n", "INSERT INTO `t` VALUES (1);\n", "INSERT INTO evil VALUES (1);\n", "\n-- ", "\nCREATE TABLE `e` (\n",
    "é", "9a", "UNLOCK TABLES;\n", "/*!40000 ALTER TABLE `t` ENABLE KEYS */;\n", "ON DUPLICATE KEY UPDATE",
]  # fmt: skip


def escaped(text: str, style: str) -> str:
    """A string literal: as mysqldump writes it, with raw newlines, or between double quotes."""
    if style == "doubled":
        return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    out = text.replace("\\", "\\\\").replace("\0", "\\0")
    if style == "mysqldump":
        return "'" + out.replace("\n", "\\n").replace("\r", "\\r").replace("'", "\\'").replace('"', '\\"') + "'"
    if style == "raw":
        return "'" + out.replace("'", "\\'") + "'"
    return '"' + out.replace('"', '\\"') + '"'


texts = st.lists(st.sampled_from(NASTY), max_size=6).map("".join)
styles = st.sampled_from(["mysqldump", "mysqldump", "mysqldump", "raw", "doubled", "double"])
values = st.one_of(
    st.sampled_from(["NULL", "1", "-1.5", "0x4142", "_binary 'a'", "x'41'", "(1+2)", "NOW()"]),
    st.builds(escaped, texts, styles),
)
rows = st.lists(values, min_size=1, max_size=3).map(lambda each: "(" + ",".join(each) + ")")
# mostly joined as mysqldump and MariaDB do, sometimes with what only a person writes
joins = st.sampled_from([",", ",", ",\n", ",\n", ", /* it's */ ", ",-- don't\n", ",# 'x\n"])
heads = st.sampled_from(
    [
        "INSERT INTO `t` VALUES ", "INSERT INTO `t` VALUES\n", "INSERT INTO `t` (`a`, `b`) VALUES ",
        "REPLACE INTO `t` VALUES ", "INSERT  IGNORE INTO `t` VALUES ", "INSERT INTO `u``'` VALUES ",
        "insert into t values", "INSERT INTO `t` VALUES(",
    ]
)  # fmt: skip
tails = st.sampled_from(
    [";\n", ";\n", ";\n", ";\r\n", ";", " ;\n", "\n;\n", " -- it's\n;\n", " ON DUPLICATE KEY UPDATE a=(1);\n"]
)


@st.composite
def inserts(draw: st.DrawFn) -> str:
    head, listed, join = draw(heads), draw(st.lists(rows, min_size=1, max_size=4)), draw(joins)
    body = join.join(listed)
    return head.removesuffix("(") + body + draw(tails)


@pytest.fixture(params=[4 << 20, 64], ids=["whole", "in small blocks"])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also read in blocks that cut every token."""
    monkeypatch.setattr(statements, "BLOCK", request.param)
    if request.param == 64:
        monkeypatch.setattr(statements, "LINE", 100)
        monkeypatch.setattr(statements, "STEP", 40)


@pytest.mark.no_cover  # long, along lines that others take too
@pytest.mark.usefixtures("block")
@settings(max_examples=examples(150), deadline=None)
@given(listed=st.lists(inserts(), max_size=5), between=st.sampled_from(["", "\n", "-- it's\n", "SET @a='\"';\n"]))
def test_all_readers_agree(listed: list[str], between: str) -> None:
    data = HEAD + between.join(listed).encode("utf-8", "surrogateescape") + b"\n" + FOOT
    slow = [each for each in slow_statements(data) if each[:6].upper() in (b"INSERT", b"REPLAC")]
    with tempfile.TemporaryDirectory() as folder:
        index = both(opened(Path(folder), data))
    found = sum(table.rows or 0 for entry in index.databases for table in entry.tables)
    assert found == sum(map(slow_rows, slow))
    assert index.complete


def test_a_quote_in_a_comment_between_rows_hides_no_string(tmp_path: Path) -> None:
    """Found by a larger budget: the comment's quote pairs with that of a string which holds what looks like an end."""
    rows = "(NULL),-- don't\n(');\nUNLOCK TABLES;\n')"
    path = tmp_path / "odd.sql"
    path.write_text(
        f"-- MySQL dump\nCREATE TABLE `t` (\n  `a` text\n);\nINSERT INTO `t` VALUES {rows};\n-- Dump completed\n"
    )
    dump = open_dump(str(path), tmp_path)
    for index in (read_layout(dump), read_counts(dump)):
        (table,) = index.database(None).tables
        assert path.read_bytes()[table.start : table.end].rstrip().endswith(b"UNLOCK TABLES;\n');")
    assert table.rows == 2


@pytest.mark.parametrize(
    "rows",
    [
        "(1,'a'), -- it's\n(2)", "(1,'a'), -- it's 1'\n(2,'b')", "('\n'),('-- '),\n('1')", "('a\\\"'),\n(2)",
        "('x1'), -- '\n(');\nSET @a=1;\n')", "('x'),\n('1\\\\'),\n('\\');\nSET @a=1;\n')",
        "(1),\n(\"');\nSET @a=1;\n\")",
        "('2013-01-01'),\n('it''s -- 1')", "(NULL),\n('a-- ),\n(''')",
    ],
)  # fmt: skip
def test_rows_on_lines_of_their_own_end_where_they_end(tmp_path: Path, rows: str) -> None:
    data = HEAD + f"INSERT INTO `t` VALUES\n{rows};\nINSERT INTO `t` VALUES (7,'z');\n".encode() + FOOT
    listed = [each for each in slow_statements(data) if each.startswith(b"INSERT")]
    index = both(opened(tmp_path, data))
    (table,) = index.database(None).tables
    assert table.rows == sum(map(slow_rows, listed))
