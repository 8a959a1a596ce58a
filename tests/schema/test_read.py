"""Definitions in every spelling that servers print become the same values, and what cannot be read is
said.
"""

from __future__ import annotations

import pytest

from dbaudit.errors import DbauditError
from dbaudit.schema.model import CheckConstraint, Column, ForeignKey, Index, IndexKind, IndexPart, Table
from dbaudit.schema.read import read_table
from dbaudit.schema.routines import read_event, read_routine, read_trigger, read_view


def column(definition: str) -> Column:
    table = read_table(f"CREATE TABLE `t` (\n  {definition}\n) ENGINE=InnoDB")
    assert table.unsupported is None
    return table.columns[0]


def table(*lines: str, options: str = "ENGINE=InnoDB") -> Table:
    return read_table("CREATE TABLE `t` (\n  " + ",\n  ".join(lines) + f"\n) {options};")


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("`a` int(11) NOT NULL AUTO_INCREMENT", Column("a", "int(11)", null=False, auto_increment=True)),
        ("`a` int(10) unsigned zerofill DEFAULT '7'", Column("a", "int(10) unsigned zerofill", default="'7'")),
        ("`a` varchar(9) DEFAULT NULL COMMENT 'it''s (x), `y`'", Column("a", "varchar(9)", comment="it's (x), `y`")),
        ("`a` text", Column("a", "text")),
        ("`a` text DEFAULT NULL", Column("a", "text")),
        ("`a` timestamp NULL DEFAULT NULL", Column("a", "timestamp")),
        (
            "`a` timestamp(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6)",
            Column("a", "timestamp(6)", False, "current_timestamp(6)", "current_timestamp(6)"),
        ),
        (
            "`a` varchar(9) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL DEFAULT 'a,''b\\\\'",
            Column("a", "varchar(9)", False, "'a,''b\\\\'", charset="latin1", collation="latin1_bin"),
        ),
        ("`a` varchar(9) DEFAULT 'it\\'s'", Column("a", "varchar(9)", default="'it''s'")),
        ("`a` enum('B','c''d','e)') DEFAULT 'B'", Column("a", "enum('B','c''d','e)')", default="'B'")),
        ("`a` bit(1) NOT NULL DEFAULT b'0'", Column("a", "bit(1)", False, "b'0'")),
        ("`a` double DEFAULT -1.5e10", Column("a", "double", default="-1.5e10")),
        ("`a` varchar(36) DEFAULT (uuid())", Column("a", "varchar(36)", default="(uuid())")),
        ("`a` int(11) DEFAULT (f(1) + 2) COMMENT 'x'", Column("a", "int(11)", default="(f(1) + 2)", comment="x")),
        (
            "`a` varchar(9) DEFAULT concat('a)',`b`) COMMENT 'x'",
            Column("a", "varchar(9)", default="concat('a)',`b`)", comment="x"),
        ),
        (
            "`a` int(11) GENERATED ALWAYS AS (`b` + 1) STORED COMMENT 'c (x)'",
            Column("a", "int(11)", generated="`b` + 1", stored=True, comment="c (x)"),
        ),
        (
            "`a` int(11) AS (length(_utf8mb4'x)')) VIRTUAL NOT NULL INVISIBLE",
            Column("a", "int(11)", False, generated="length(_utf8mb4'x)')", invisible=True),
        ),
        ("`a` int /*!80023 INVISIBLE */ DEFAULT '1'", Column("a", "int", default="'1'", invisible=True)),
        ("`a` point NOT NULL /*!80003 SRID 4326 */", Column("a", "point", False, srid=4326)),
        ("`a` varchar(5) /*M!100301 COMPRESSED*/ DEFAULT NULL", Column("a", "varchar(5)", compressed="compressed")),
        ("`b``c` int(11)", Column("b`c", "int(11)")),
        ("`a` datetime /* mariadb-5.3 */ DEFAULT NULL", Column("a", "datetime")),
    ],
)
def test_column(definition: str, expected: Column) -> None:
    assert column(definition) == expected


def test_checks_behind_columns_and_on_lines_of_their_own() -> None:
    read = table(
        "`a` longtext CHECK (json_valid(`a`))",
        "CONSTRAINT `c` CHECK ((`a` > 0) and (`a` <> ')')) /*!80016 NOT ENFORCED */",
        "CONSTRAINT `CONSTRAINT_1` CHECK (`a` in (0,1))",
    )
    assert read.unsupported is None
    assert read.checks == (
        CheckConstraint("", "json_valid(`a`)", column="a"),
        CheckConstraint("c", "(`a` > 0) and (`a` <> ')')", enforced=False),
        CheckConstraint("CONSTRAINT_1", "`a` in (0,1)"),
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("PRIMARY KEY (`a`,`b`)", Index("PRIMARY", IndexKind.PRIMARY, (IndexPart("a"), IndexPart("b")))),
        (
            "UNIQUE KEY `u` (`a`(4) DESC) USING BTREE COMMENT 'x(y)'",
            Index("u", IndexKind.UNIQUE, (IndexPart("a", 4, True),), using="BTREE", comment="x(y)"),
        ),
        (
            "KEY `k` ((lower(`a`)),`b` DESC) /*!80000 INVISIBLE */",
            Index(
                "k",
                IndexKind.PLAIN,
                (IndexPart(None, expression="lower(`a`)"), IndexPart("b", None, True)),
                visible=False,
            ),
        ),
        ("KEY `k` (`a`) IGNORED", Index("k", IndexKind.PLAIN, (IndexPart("a"),), visible=False)),
        ("KEY `k` (`a`) KEY_BLOCK_SIZE=8", Index("k", IndexKind.PLAIN, (IndexPart("a"),), block_size=8)),
        (
            "FULLTEXT KEY `f` (`a`) /*!50100 WITH PARSER `ngram` */ ",
            Index("f", IndexKind.FULLTEXT, (IndexPart("a"),), parser="ngram"),
        ),
    ],
)
def test_index(line: str, expected: Index) -> None:
    read = table("`a` text", line, "KEY `last` (`a`(1))")
    assert read.unsupported is None
    assert read.indexes[0] == expected


def test_foreign_key() -> None:
    read = table(
        "CONSTRAINT `f``k` FOREIGN KEY (`a`,`b`) REFERENCES `o`.`t` (`x`,`y`) ON DELETE SET NULL ON UPDATE NO ACTION"
    )
    expected = ForeignKey("f`k", ("a", "b"), "t", ("x", "y"), "o", "SET NULL", "NO ACTION")
    assert read.foreign_keys == (expected,)


def test_options_and_partitions() -> None:
    read = table(
        "`a` int(11)",
        options="ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=COMPRESSED "
        "KEY_BLOCK_SIZE=8 `encrypted`=yes COMMENT='hello; ''x'''\n"
        "/*!50100 PARTITION BY RANGE (`a`)\n(PARTITION p0 VALUES LESS THAN (10) ENGINE = InnoDB) */",
    )
    assert read.unsupported is None
    assert (read.engine, read.charset, read.collation) == ("InnoDB", "utf8mb4", "utf8mb4_bin")
    assert (read.row_format, read.comment) == ("COMPRESSED", "hello; 'x'")
    assert read.options == (("auto_increment", "5"), ("key_block_size", "8"), ("`encrypted`", "yes"))
    assert read.partitions == "PARTITION BY RANGE (`a`) (PARTITION p0 VALUES LESS THAN (10) ENGINE = InnoDB)"


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("`a` int(11) WITHOUT SYSTEM VERSIONING", "ENGINE=InnoDB"),
        ("`a` int(11) STORAGE DISK", "ENGINE=ndbcluster"),
        ("PERIOD FOR SYSTEM_TIME (`a`, `b`)", "ENGINE=InnoDB"),
        ("VECTOR KEY `v` (`v`) `DISTANCE`=euclidean", "ENGINE=InnoDB"),
        ("CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `t` (`a`) ON DELETE EXPLODE", "ENGINE=InnoDB"),
        ("`a` int(11)", "ENGINE=InnoDB ??"),
    ],
)
def test_what_cannot_be_represented_is_said(line: str, options: str) -> None:
    read = table("`id` int(11)", line, options=options)
    assert read.unsupported is not None
    assert read.columns[0].name == "id"


def test_a_definition_that_was_cut_is_unsupported() -> None:
    assert "closing bracket" in str(read_table("CREATE TABLE `t` (\n  `a` int(11),").unsupported)


def test_no_create_table_is_an_error() -> None:
    with pytest.raises(DbauditError, match="not a CREATE TABLE"):
        read_table("INSERT INTO `t` VALUES (1)")


def test_line_breaks_of_windows_and_inside_strings() -> None:
    read = read_table(
        "CREATE TABLE `t` (\r\n  `a` varchar(9) COMMENT 'one\r\ntwo',\r\n  `b` int(11)\r\n) ENGINE=InnoDB"
    )
    assert [each.name for each in read.columns] == ["a", "b"]
    assert read.columns[0].comment == "one\ntwo"


def test_names_in_double_quotes() -> None:
    read = read_table(
        'CREATE TABLE "t" (\n  "a" int(11) NOT NULL,\n  PRIMARY KEY ("a"),\n  KEY "k" ("a"),\n'
        '  CONSTRAINT "f" FOREIGN KEY ("a") REFERENCES "o" ("x")\n)'
    )
    assert read.unsupported is None
    assert (read.name, read.columns[0].name, read.indexes[1].name) == ("t", "a", "k")
    assert read.foreign_keys[0].referred_table == "o"


def test_views_triggers_routines_and_events_from_dumps() -> None:
    view = read_view(
        "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */\n"
        "/*!50001 VIEW `v` AS select `t`.`a`  AS `a` from `t` WITH LOCAL CHECK OPTION */;"
    )
    assert (view.name, view.select, view.check_option) == ("v", "select `t`.`a` AS `a` from `t`", "LOCAL")
    trigger = read_trigger(
        "/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`%`*/ /*!50003 TRIGGER g BEFORE INSERT ON `t`\nFOR EACH ROW BEGIN\n"
        " set new.a = 'x  /*!y'; -- why\n set new.b = 1;\nEND */"
    )
    assert (trigger.name, trigger.table, trigger.timing, trigger.event) == ("g", "t", "BEFORE", "INSERT")
    assert trigger.body == "BEGIN set new.a = 'x  /*!y'; -- why\n set new.b = 1; END"
    routine = read_routine("CREATE DEFINER=`a`@`b` PROCEDURE `p`(IN a int)\nBEGIN select 1; END")
    assert (routine.kind, routine.body) == ("PROCEDURE", "(IN a int) BEGIN select 1; END")
    event = read_event("/*!50106 CREATE*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 DAY DO delete from t */")
    assert event.body == "ON SCHEDULE EVERY 1 DAY DO delete from t"
    with pytest.raises(DbauditError, match="not the definition of a trigger"):
        read_trigger("CREATE VIEW v AS select 1")
