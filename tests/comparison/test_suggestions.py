"""A likely rename stands beside the script that would drop the one and make the other, and does what it says."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from dbaudit.comparison.compare import compare
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.report.schema_diff import Form, written
from dbaudit.schema.diff import diff
from dbaudit.schema.read import read_live
from dbaudit.server.server import Server

END = ") ENGINE=InnoDB DEFAULT CHARSET=utf8;\n"
ONE = (
    "CREATE TABLE `a` (\n  `id` int NOT NULL,\n"
    f"  `colour` varchar(9) NOT NULL DEFAULT 'it''s' COMMENT 'c',\n  `z` int\n{END}"
    f"CREATE TABLE `old_table` (\n  `x` int NOT NULL,\n  `y` text\n{END}"
)
TWO = ONE.replace("`colour`", "`color`").replace("old_table", "new_table")
ROWS = "INSERT INTO `a` VALUES (1,'red',1),(2,'blue',2);\nINSERT INTO `{}` VALUES (1,'p'),(2,'q');\n"


def test_it_is_a_comment_and_renames(server: Server, schema_name: str, tmp_path: Path) -> None:
    for name, text, table in (("one.sql", ONE, "old_table"), ("two.sql", TWO, "new_table")):
        (tmp_path / name).write_text(f"-- MySQL dump 10.13\n{text}{ROWS.format(table)}-- Dump completed\n")
    sides = [read_operand(str(tmp_path / name), Reading(tmp_path)) for name in ("one.sql", "two.sql")]
    found = compare(*sides)
    assert [(each.old, each.new, each.sure) for each in found.renames] == [
        ("colour", "color", True), ("old_table", "new_table", True),
    ]  # fmt: skip
    text = written(Form.SQL, found, allow_loss=True)
    assert "-- column a.colour is perhaps renamed to color: same definition, varchar(9)" in text
    assert "same checksum of 2 rows" in text
    forward, _, back = text.partition("-- The way back")
    statements = [re.findall(r"^--   ((?:RENAME|ALTER) .*);$", part, re.MULTILINE) for part in (forward, back)]
    assert [len(each) for each in statements] == [2, 2]
    server.create_database(schema_name, "utf8")
    with contextlib.closing(server.admin(schema_name)) as connection, connection.cursor() as cursor:
        for sql in (ONE + ROWS.format("old_table")).split(";\n")[:-1]:
            cursor.execute(sql)
        for goal, ways in zip((sides[1], sides[0]), statements, strict=True):
            for sql in ways:
                cursor.execute(sql)
            tables = diff(read_live(connection, schema_name), goal.schema)
            assert tables == ()
        cursor.execute("SELECT colour FROM a ORDER BY id")
        assert cursor.fetchall() == (("red",), ("blue",))


def test_a_revision_has_it_in_both_functions(tmp_path: Path) -> None:
    for name, text in (("one.sql", ONE), ("two.sql", TWO)):
        (tmp_path / name).write_text(f"-- MySQL dump 10.13\n{text}-- Dump completed\n")
    found = compare(*(read_operand(str(tmp_path / name), Reading(tmp_path)) for name in ("one.sql", "two.sql")))
    up, _, down = written(Form.ALEMBIC, found, allow_loss=False).partition("def downgrade")
    assert "# op.execute('RENAME TABLE `old_table` TO `new_table`')" in up
    assert "# op.execute('RENAME TABLE `new_table` TO `old_table`')" in down
    assert "CHANGE COLUMN `colour` `color` varchar(9)" in up
    compile(up, "revision", "exec")
