"""What an index knows: databases, definitions, headers, and whether the dump is whole."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest

from dbaudit.dump.index import read_counts, read_layout, require_complete
from dbaudit.dump.source import open_dump
from dbaudit.errors import DbauditError, UsageError
from tests.dump.dump_samples import FOOT, HEAD, both, opened, rows_of, table

SEVERAL = b"""-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: a
-- ------------------------------------------------------
-- Server version\t8.0.36-0ubuntu0.22.04.1

/*!50503 SET NAMES utf8mb4 */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;
SET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN;
SET @@SESSION.SQL_LOG_BIN= 0;
SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5,
4e11fa47-71ca-11e1-9e33-c80aa9429562:1-77';

--
-- Current Database: `a`
--

CREATE DATABASE /*!32312 IF NOT EXISTS*/ `a` /*!40100 DEFAULT CHARACTER SET latin1 COLLATE latin1_swedish_ci */;

USE `a`;
"""
DEFINITIONS = b"""
/*!50001 CREATE VIEW `v` AS SELECT
 1 AS `id`*/;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER `tr` BEFORE INSERT ON `t` FOR EACH ROW BEGIN
  SET NEW.v = 'a;b';  -- it's
END */;;
/*!50106 CREATE DEFINER=`root`@`%` EVENT `ev` ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM t; END */ ;;
CREATE DEFINER=`root`@`localhost` PROCEDURE `p`()
BEGIN
  SELECT 1; SELECT ';;';
END ;;
CREATE DEFINER=`root`@`localhost` FUNCTION `p`() RETURNS int
RETURN 1 ;;
DELIMITER ;
/*!50001 DROP VIEW IF EXISTS `v`*/;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */
/*!50001 VIEW `v` AS select `t`.`id` AS `id` from `t` */;
"""


def test_several_databases(tmp_path: Path) -> None:
    second = b"\n--\n-- Current Database: `b`\n--\n\nCREATE DATABASE `b`;\nUSE `b`;\n"
    data = SEVERAL + table("t", b"VALUES (1,'a')") + DEFINITIONS + second + table("t", b"VALUES (1,'a'),(2,'b')") + FOOT
    index = both(opened(tmp_path, data))
    a, b = index.databases
    assert (a.name, a.explicit, a.charset, a.collation) == ("a", True, "latin1", "latin1_swedish_ci")
    assert (b.name, b.charset, [view.name for view in b.views]) == ("b", None, [])
    assert rows_of(index, "a") == {"t": 1}
    assert rows_of(index, "b") == {"t": 2}
    assert index.tool == "mysqldump"
    assert (index.client_version, index.server_version) == ("8.0.36", "8.0.36-0ubuntu0.22.04.1")
    assert index.charset == "utf8mb4"
    assert index.gtid == "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5,4e11fa47-71ca-11e1-9e33-c80aa9429562:1-77"
    with pytest.raises(UsageError, match="holds 2 databases: a, b"):
        index.database(None)
    with pytest.raises(UsageError, match="no database c"):
        index.database("c")


def test_definitions(tmp_path: Path) -> None:
    index = both(opened(tmp_path, SEVERAL + table("t") + DEFINITIONS + FOOT))
    found = index.database("a")
    assert [(view.name, view.sql) for view in found.views] == [
        ("v", "CREATE ALGORITHM=UNDEFINED \nDEFINER=`root`@`localhost` SQL SECURITY DEFINER \n"
              "VIEW `v` AS select `t`.`id` AS `id` from `t`")
    ]  # fmt: skip
    assert [trigger.name for trigger in found.triggers] == ["tr"]
    assert found.triggers[0].sql.endswith("SET NEW.v = 'a;b';   \nEND")
    assert [routine.name for routine in found.routines] == ["p", "p"]
    assert [event.name for event in found.events] == ["ev"]
    assert [entry.name for entry in found.tables] == ["t"]


def test_view_that_is_first_a_table(tmp_path: Path) -> None:
    old = b"/*!50001 CREATE TABLE `v` (\n  `id` tinyint NOT NULL\n) ENGINE=MyISAM */;\n"
    real = b"/*!50001 DROP TABLE IF EXISTS `v`*/;\n/*!50001 CREATE VIEW `v` AS select 1 AS `id` */;\n"
    index = both(opened(tmp_path, HEAD + table("t") + old + real + FOOT))
    assert [entry.name for entry in index.database(None).tables] == ["t"]
    assert [view.name for view in index.database(None).views] == ["v"]


def test_sandbox_line_and_rows_on_lines_of_their_own(tmp_path: Path) -> None:
    data = (
        b"/*M!999999\\- enable the sandbox mode */ \n" + HEAD + table("t", b"VALUES\n(1,'a;\\n'),\n(2,');\\n')") + FOOT
    )
    index = both(opened(tmp_path, data))
    assert (index.tool, index.client_version) == ("mariadb-dump", "10.11.19-MariaDB")
    assert rows_of(index) == {"t": 2}


@pytest.mark.parametrize(
    ("line", "version"),
    [
        (b"-- MariaDB dump 10.19-11.4.2-MariaDB, for debian-linux-gnu (x86_64)", "11.4.2-MariaDB"),
        (b"-- MySQL dump 10.13  Distrib 5.6.24, for linux-glibc2.5 (x86_64)", "5.6.24"),
        (b"-- MySQL dump 10.13  Distrib 5.5.44-MariaDB, for Linux (x86_64)", "5.5.44-MariaDB"),
    ],
)
def test_client_versions(tmp_path: Path, line: bytes, version: str) -> None:
    index = read_layout(opened(tmp_path, line + b"\n" + table("t") + FOOT))
    assert index.client_version == version


def test_statements_that_change_what_was_counted(tmp_path: Path) -> None:
    twice = table("t", b"VALUES (1,'a'),(2,'b')") + table("t", b"VALUES (1,'a')")
    emptied = table("u", b"VALUES (1,'a')") + b"DELETE FROM `u`;\n" + b"INSERT INTO `u` VALUES (7,'z');\n"
    unknown = table("w") + b"INSERT INTO `w` SELECT * FROM `t`;\n"
    one = table("x") + b"INSERT INTO `x` SET id=1, v='(';\n"
    index = both(opened(tmp_path, HEAD + twice + emptied + unknown + one + FOOT))
    assert rows_of(index) == {"t": 1, "u": 1, "w": None, "x": 1}


def test_only_data_and_only_schema(tmp_path: Path) -> None:
    data = both(opened(tmp_path, HEAD + b"INSERT INTO `t` VALUES (1),(2);\n" + FOOT))
    assert [(entry.create, entry.rows) for entry in data.database(None).tables] == [("", 2)]
    schema = both(opened(tmp_path, HEAD + table("t") + FOOT))
    assert [(entry.rows, entry.data_bytes) for entry in schema.database(None).tables] == [(0, 0)]


def test_places_are_those_of_the_file(tmp_path: Path) -> None:
    data = HEAD + table("t", b"VALUES (1,'a')") + table("u", b"VALUES (1,'b')", b"VALUES (2,'c')") + FOOT
    for entry in both(opened(tmp_path, data)).database(None).tables:
        part = data[entry.start : entry.end]
        assert part.startswith(b"CREATE TABLE `%s`" % entry.name.encode())
        assert part.endswith(b");")
        assert entry.create.encode() == part[: part.index(b";")]


WHOLE = HEAD + table("first", b"VALUES (1,'a')") + table("second", b"VALUES (1,'a'),(2,'b')") + FOOT


@pytest.mark.parametrize(
    ("cut", "last", "defect"),
    [
        (WHOLE.index(b"\n-- Dump"), "second", "`-- Dump completed` is missing"),
        (WHOLE.index(b",(2,") + 3, "first", "ends inside a statement"),
        (WHOLE.rindex(b"UNLOCK"), "first", "`-- Dump completed` is missing"),
        (WHOLE.index(b"LOCK TABLES `first`"), None, "`-- Dump completed` is missing"),
    ],
    ids=["foot", "in a row", "behind a row", "in the first table"],
)
def test_cut_tail(tmp_path: Path, cut: int, last: str | None, defect: str) -> None:
    index = both(opened(tmp_path, WHOLE[:cut]))
    assert not index.complete
    assert index.last_whole_table == last
    with pytest.raises(DbauditError, match=defect) as caught:
        require_complete(index)
    assert (f"the last whole table is {last}" if last else "not one table of it is whole") in caught.value.what


def test_dump_that_its_client_gave_up(tmp_path: Path) -> None:
    """MariaDB's mysqldump fails on a MySQL 5.6 server after the first table's head."""
    head = HEAD.replace(b"10.11.19-MariaDB-0+deb12u1", b"5.6.24")
    index = both(opened(tmp_path, head + b"\n--\n-- Table structure for table `t`\n--\n\n" + table("t")[:160]))
    assert not index.complete
    assert index.server_version == "5.6.24"


def test_without_comments_the_last_statement_tells(tmp_path: Path) -> None:
    bare = b"\n".join(line for line in WHOLE.split(b"\n") if not line.startswith(b"--"))
    assert both(opened(tmp_path, bare)).complete
    assert not both(opened(tmp_path, bare[: bare.rindex(b"/*!40111")])).complete


def test_compact_dump_has_no_end_to_miss(tmp_path: Path) -> None:
    assert both(opened(tmp_path, table("t", b"VALUES (1,'a')"))).complete


def test_mode_without_backslashes_is_told(tmp_path: Path) -> None:
    mode = b"/*!40101 SET SQL_MODE='NO_BACKSLASH_ESCAPES' */;\n"
    with pytest.raises(DbauditError, match="NO_BACKSLASH_ESCAPES"):
        read_layout(opened(tmp_path, HEAD + mode + table("t", b"VALUES (1,'\\')") + FOOT))
    reset = b"/*!50003 SET sql_mode = @saved_sql_mode */;\n"
    assert rows_of(both(opened(tmp_path, HEAD + mode + reset + table("t", b"VALUES (1,'a')") + FOOT))) == {"t": 1}


@pytest.mark.no_cover  # long, along lines that others take too
def test_huge_statement_in_bounded_memory(tmp_path: Path) -> None:
    """One statement of 160 MB with one value of 80 MB."""
    row = b"(1,'" + b"a'';),(\\'" * 100_000 + b"')"
    with (tmp_path / "huge.sql").open("wb") as file:
        file.write(HEAD + table("t") + b"INSERT INTO `t` VALUES " + row)
        for _ in range(80):
            file.write(b",\n" + row)
        file.write(b",(2,'")
        for _ in range(80):
            file.write(b"0123456789" * 100_000)
        file.write(b"');\n" + FOOT)
    dump = open_dump(str(tmp_path / "huge.sql"), tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    index = read_counts(dump)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert rows_of(index) == {"t": 82}
    assert index.complete
    assert grown < 200, f"{grown:.0f} MiB"


@pytest.mark.parametrize("opening", [b'"', b"'", b"`", b"/* "])
def test_what_is_opened_and_never_closed_takes_no_time_of_the_square(tmp_path: Path, opening: bytes) -> None:
    """Found by `make soak`: a damaged dump of 200 kB took ten seconds, for each escaped quote looked for its end."""
    told = b'{\\"a\\": \\"b\\"}, /* ' * 40_000
    path = tmp_path / "cut.sql"
    path.write_bytes(HEAD + b"CREATE TABLE `t` (\n  `a` text DEFAULT " + opening + told.replace(b"'", b""))
    began = time.process_time()
    index = read_counts(open_dump(str(path), tmp_path))
    assert time.process_time() - began < 5
    assert not index.complete
