"""What is broken is named with its place, and all the rest is compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbaudit.comparison.compare import compare
from dbaudit.comparison.findings import result
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.comparison.side import Fault, Side
from dbaudit.comparison.snapshot import snapshot
from dbaudit.errors import DbauditError

HEAD = "-- MySQL dump 10.13  Distrib 5.6.24\n--\n-- Host: localhost    Database: x\n\n"
TAIL = "-- Dump completed\n"
GOOD = "CREATE TABLE `good` (\n  `a` int(11) NOT NULL,\n  PRIMARY KEY (`a`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8;\n"


def side(tmp_path: Path, text: str, name: str = "x.sql") -> Side:
    (tmp_path / name).write_text(HEAD + GOOD + text + TAIL)
    return read_operand(str(tmp_path / name), Reading(tmp_path))


def where(text: str, wanted: str) -> tuple[int, int]:
    whole = HEAD + GOOD + text
    offset = whole.index(wanted)
    return offset, whole.count("\n", 0, offset) + 1


BROKEN = [
    ("CREATE TABLE `t` (\n  `a` int(11) NOT NULL,\n  nonsense here,\n  `b` int\n) ENGINE=InnoDB;\n", "nonsense"),
    ("CREATE TABLE `t` (\n  `a` int(11) NOT NULL,\n  `b` int(11) FROBNICATED\n) ENGINE=InnoDB;\n", "FROBNICATED"),
    ("create table t (a int, b int);\n", "create table"),
]


@pytest.mark.parametrize(("text", "spot"), BROKEN)
def test_a_broken_table(tmp_path: Path, text: str, spot: str) -> None:
    broken = side(tmp_path, text)
    (fault,) = broken.faults
    assert (fault.id, fault.object, fault.hides) == ("unreadable-table", "t", True)
    assert fault.place is not None and fault.place.file.endswith("x.sql")
    assert (fault.place.offset, fault.place.line) == where(text, spot)
    other = side(tmp_path, text, "y.sql")
    found = compare(broken, other)
    assert [(e.difference.table, e.difference.attribute) for e in found.different] == [("t", "unsupported")]
    assert result(found).exit == 1
    with pytest.raises(DbauditError, match="line"):
        snapshot(broken)


def only(found: Side) -> Fault:
    (fault,) = found.faults
    return fault


def test_an_unknown_engine_and_an_unknown_type_are_compared_as_text(tmp_path: Path) -> None:
    text = "CREATE TABLE `t` (\n  `a` frob(3) DEFAULT NULL\n) ENGINE=InnoDB;\n"
    fault = only(side(tmp_path, text))
    assert (fault.id, fault.hides) == ("unknown-type", False)
    assert fault.place is not None and (fault.place.offset, fault.place.line) == where(text, "`a` frob")
    one = side(tmp_path, text)
    assert compare(one, one).different == ()
    two = side(tmp_path, text.replace("frob(3)", "frob(4)"), "y.sql")
    assert [e.difference.attribute for e in compare(one, two).different] == ["type"]
    text = "CREATE TABLE `t` (\n  `a` int\n) ENGINE=FrobDB;\n"
    fault = only(side(tmp_path, text))
    assert (fault.id, fault.hides) == ("unknown-engine", False)
    assert fault.place is not None and fault.place.offset == where(text, "FrobDB")[0]


def test_rows_without_a_definition(tmp_path: Path) -> None:
    text = "INSERT INTO `t` VALUES (1),(2);\n"
    fault = only(side(tmp_path, text))
    assert (fault.id, fault.object, fault.hides) == ("no-definition", "t", True)
    assert fault.place is not None and (fault.place.offset, fault.place.line) == where(text, "INSERT")


def test_a_statement_that_changes_a_table_later(tmp_path: Path) -> None:
    text = "/*!40000 ALTER TABLE `good` DISABLE KEYS */;\nALTER TABLE `good`\n  ADD KEY `k` (`a`);\n"
    fault = only(side(tmp_path, text))
    assert (fault.id, fault.object) == ("changed-later", "good")
    assert fault.place is not None and (fault.place.offset, fault.place.line) == where(text, "ALTER TABLE `good`\n")
    assert only(side(tmp_path, "CREATE UNIQUE INDEX k ON good (a);\n")).object == "good"
    assert side(tmp_path, "/*!40000 ALTER TABLE `good` DISABLE KEYS */;\n").faults == ()


def test_a_view_whose_table_is_absent(tmp_path: Path) -> None:
    text = (
        "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */\n"
        "/*!50001 VIEW `v` AS select `gone`.`a` AS `a` from (`gone` join `good`) */;\n"
    )
    found = side(tmp_path, text)
    fault = only(found)
    assert (fault.id, fault.object, fault.hides) == ("view-without-table", "v", False)
    assert "gone" in fault.message and "good" not in fault.message
    assert fault.place is not None and fault.place.line == where(text, "/*!50001 CREATE")[1]
    assert set(found.schema.views) == {"v"}


def test_a_dump_that_was_cut(tmp_path: Path) -> None:
    (tmp_path / "cut.sql").write_text(HEAD + GOOD)
    fault = only(read_operand(str(tmp_path / "cut.sql"), Reading(tmp_path)))
    assert fault.id == "incomplete" and "Dump completed" in fault.message


def test_a_trigger_that_cannot_be_read_is_compared_as_text(tmp_path: Path) -> None:
    text = "DELIMITER ;;\nCREATE TRIGGER `g` SOMETIME INSERT ON `good` FOR EACH ROW SET @a = 1;;\nDELIMITER ;\n"
    one = side(tmp_path, text)
    assert only(one).id == "unreadable-trigger"
    two = side(tmp_path, text.replace("@a = 1", "@a = 2"), "y.sql")
    assert [str(each.difference.kind) for each in compare(one, two).different] == ["trigger"]
