"""Every rule makes its spellings one, changes nothing twice, and does not care which rule ran before it."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from dbaudit import packs
from dbaudit.schema.canon import canonical, canonical_table, rules
from dbaudit.schema.canon._expression import bracketed
from dbaudit.schema.model import Schema, Table, View
from dbaudit.schema.read import read_table
from dbaudit.schema.script import read_script

REFERENCES = sorted(path for root in packs.__path__ for path in Path(root).glob("*/schema/*.sql"))


def make(body: str, options: str = "ENGINE=InnoDB DEFAULT CHARSET=utf8") -> Table:
    return read_table(f"CREATE TABLE `t` (\n{body}\n) {options}")


# rule: two spellings that are one, and a third that is another thing
PAIRS: dict[str, tuple[Table, Table, Table]] = {
    "integer_width": (make("  `a` int(11)"), make("  `a` int"), make("  `a` bigint")),
    "charset_names": (
        make("  `a` text"),
        make("  `a` text", "ENGINE=InnoDB DEFAULT CHARSET=utf8mb3"),
        make("  `a` text", "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"),
    ),
    "default_collation": (
        make("  `a` text"),
        make("  `a` text", "ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci"),
        make("  `a` text", "ENGINE=InnoDB DEFAULT CHARSET=utf8 COLLATE=utf8_bin"),
    ),
    "inherited_charset": (
        make("  `a` text CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci"),
        make("  `a` text"),
        make("  `a` text COLLATE utf8_bin"),
    ),
    "reference_actions": (
        make("  CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `o` (`x`) ON DELETE RESTRICT ON UPDATE NO ACTION"),
        make("  CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `o` (`x`)"),
        make("  CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `o` (`x`) ON DELETE CASCADE"),
    ),
    "current_timestamp": (
        make("  `a` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"),
        make("  `a` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp()"),
        make("  `a` timestamp NOT NULL DEFAULT current_timestamp()"),
    ),
    "numeric_default": (make("  `a` int DEFAULT '0'"), make("  `a` int DEFAULT 0"), make("  `a` int DEFAULT 1")),
    "foreign_key_names": (
        make("  CONSTRAINT `t_ibfk_1` FOREIGN KEY (`a`) REFERENCES `o` (`x`)"),
        make("  CONSTRAINT `t_ibfk_7` FOREIGN KEY (`a`) REFERENCES `o` (`x`)"),
        make("  CONSTRAINT `mine` FOREIGN KEY (`a`) REFERENCES `o` (`x`)"),
    ),
    "check_names": (
        make("  CONSTRAINT `t_chk_1` CHECK (`a` > 1)"),
        make("  CONSTRAINT `CONSTRAINT_2` CHECK (`a` > 1)"),
        make("  CONSTRAINT `CONSTRAINT_2` CHECK (`a` > 2)"),
    ),
    "check_place": (
        make("  `a` int CHECK (`a` > 1)"),
        make("  `a` int,\n  CONSTRAINT `CONSTRAINT_1` CHECK (`a` > 1)"),
        make("  `a` int CHECK (`a` > 2)"),
    ),
    "implicit_index": (
        make("  `a` int,\n  KEY `a` (`a`),\n  CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `o` (`x`)"),
        make("  `a` int,\n  CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `o` (`x`)"),
        make("  `a` int,\n  UNIQUE KEY `a` (`a`),\n  CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `o` (`x`)"),
    ),
    "row_format": (
        make("  `a` int", "ENGINE=InnoDB DEFAULT CHARSET=utf8 ROW_FORMAT=DYNAMIC"),
        make("  `a` int"),
        make("  `a` int", "ENGINE=InnoDB DEFAULT CHARSET=utf8 ROW_FORMAT=COMPACT"),
    ),
    "auto_increment_value": (
        make("  `a` int", "ENGINE=InnoDB AUTO_INCREMENT=99 DEFAULT CHARSET=utf8"),
        make("  `a` int"),
        make("  `a` int", "ENGINE=MyISAM DEFAULT CHARSET=utf8"),
    ),
    "option_order": (
        make("  `a` int", "ENGINE=InnoDB DEFAULT CHARSET=utf8 STATS_PERSISTENT=1 `encrypted`=yes"),
        make("  `a` int", "ENGINE=InnoDB DEFAULT CHARSET=utf8 ENCRYPTED=yes STATS_PERSISTENT=1"),
        make("  `a` int", "ENGINE=InnoDB DEFAULT CHARSET=utf8 ENCRYPTED=no STATS_PERSISTENT=1"),
    ),
    "json_alias": (
        make("  `a` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`a`))"),
        make("  `a` json DEFAULT NULL"),
        make("  `a` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL"),
    ),
    "boolean_check": (
        make("  `a` tinyint(1),\n  CONSTRAINT `CONSTRAINT_1` CHECK (`a` in (0,1))"),
        make("  `a` tinyint(1)"),
        make("  `a` tinyint(1),\n  CONSTRAINT `CONSTRAINT_1` CHECK (`a` in (0,2))"),
    ),
    "index_type": (
        make("  KEY `k` (`a`) USING BTREE"),
        make("  KEY `k` (`a`)"),
        make("  KEY `k` (`b`) USING BTREE"),
    ),
    "partition_text": (
        make("  `a` int", "ENGINE=X\n/*!50100 PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (9) ENGINE = X) */"),
        make("  `a` int", "ENGINE=X\n PARTITION BY RANGE (`a`)\n(PARTITION `p` VALUES LESS THAN (9) ENGINE = X)"),
        make("  `a` int", "ENGINE=X\n PARTITION BY RANGE (`a`)\n(PARTITION `p` VALUES LESS THAN (8) ENGINE = X)"),
    ),
    "expression_text": (
        make("  CONSTRAINT `c` CHECK ((`a` <> _utf8mb4'X'))"),
        make("  CONSTRAINT `c` CHECK (`a` <> 'X')"),
        make("  CONSTRAINT `c` CHECK (`a` <> 'x')"),
    ),
    "type_names": (
        make("  `a` geomcollection"), make("  `a` geometrycollection"), make("  `a` geometry")
    ),
}  # fmt: skip


def test_every_rule_of_tables_has_its_pair_here() -> None:
    assert set(PAIRS) == {rule.name for rule in rules() if rule.table is not None}
    assert all(rule.why.endswith((".", ":")) for rule in rules())


@pytest.mark.parametrize("name", PAIRS)
def test_two_spellings_become_one_and_another_thing_stays_another(name: str) -> None:
    one, two, other = PAIRS[name]
    assert one != two
    assert canonical_table(one) == canonical_table(two)
    assert canonical_table(one) != canonical_table(other)


KEY = "  `a` int,\n  CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `o` (`x`)"
NAMED = "  CONSTRAINT `{}` CHECK (`a` > 1)"
# What looks like a spelling that a rule makes one, and is another thing: the exemptions of each rule.
KEPT: dict[str, tuple[Table, Table]] = {
    "a width that zerofill shows": (make("  `a` int(5) zerofill"), make("  `a` int(7) zerofill")),
    "such a width, unsigned": (make("  `a` int(5) unsigned zerofill"), make("  `a` int unsigned zerofill")),
    "a boolean": (make("  `a` tinyint(1)"), make("  `a` tinyint(4)")),
    "the width of characters": (make("  `a` char(5)"), make("  `a` char(6)")),
    "digits of a second": (
        make("  `a` datetime(6) DEFAULT current_timestamp(6)"), make("  `a` datetime(6) DEFAULT current_timestamp()")
    ),
    "a text that is digits": (make("  `a` varchar(9) DEFAULT '01'"), make("  `a` varchar(9) DEFAULT '1'")),
    "a text that is a function's name": (
        make("  `a` varchar(30) DEFAULT 'current_timestamp()'"), make("  `a` varchar(30) DEFAULT current_timestamp()")
    ),
    "a check of what is no boolean": (make("  `a` int,\n  CHECK (`a` in (0,1))"), make("  `a` int")),
    "json that may be wrong": (
        make("  `a` longtext CHARACTER SET utf8 CHECK (json_valid(`a`))"), make("  `a` json")
    ),
    "a check that somebody named": (make(NAMED.format("mine")), make(NAMED.format("yours"))),
    "a key that somebody named": (
        make("  CONSTRAINT `mine` FOREIGN KEY (`a`) REFERENCES `o` (`x`)"),
        make("  CONSTRAINT `yours` FOREIGN KEY (`a`) REFERENCES `o` (`x`)"),
    ),
    "SET NULL": (make(KEY + " ON DELETE SET NULL"), make(KEY)),
    "CASCADE on update": (make(KEY + " ON UPDATE CASCADE"), make(KEY)),
    "an index with a name of its own": (make(KEY + ",\n  KEY `mine` (`a`)"), make(KEY)),
    "an index of a prefix": (make(KEY + ",\n  KEY `a` (`a`(3))"), make(KEY)),
    "an index of more": (make(KEY + ",\n  KEY `a` (`a`,`b`)"), make(KEY)),
    "an index with a comment": (make(KEY + ",\n  KEY `a` (`a`) COMMENT 'x'"), make(KEY)),
    "an index that is unused": (make(KEY + ",\n  KEY `a` (`a`) /*!80000 INVISIBLE */"), make(KEY)),
    "an index of a hash": (make("  KEY `k` (`a`) USING HASH"), make("  KEY `k` (`a`)")),
    "BTREE in memory": (
        make("  KEY `k` (`a`) USING BTREE", "ENGINE=MEMORY"), make("  KEY `k` (`a`)", "ENGINE=MEMORY")
    ),
    "a collation": (make("  `a` text COLLATE utf8_unicode_ci"), make("  `a` text")),
    "a charset": (make("  `a` text CHARACTER SET latin1"), make("  `a` text")),
    "four bytes": (make("  `a` text CHARACTER SET utf8mb4"), make("  `a` text CHARACTER SET utf8mb3")),
    "a format": (make("  `a` int", "ENGINE=InnoDB ROW_FORMAT=COMPRESSED"), make("  `a` int", "ENGINE=InnoDB")),
    "an option": (make("  `a` int", "ENGINE=InnoDB STATS_PERSISTENT=0"), make("  `a` int", "ENGINE=InnoDB")),
    "a partition's engine in a text": (
        make("  `a` int", "ENGINE=X\n PARTITION BY LIST COLUMNS(`a`)\n(PARTITION `p` VALUES IN (' ENGINE = X'))"),
        make("  `a` int", "ENGINE=X\n PARTITION BY LIST COLUMNS(`a`)\n(PARTITION `p` VALUES IN (''))"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", KEPT)
def test_what_only_looks_like_a_spelling_stays_another_thing(what: str) -> None:
    one, other = KEPT[what]
    assert canonical_table(one) != canonical_table(other)


def tables() -> list[Table]:
    shipped = [table for path in REFERENCES for table in read_script(path.read_text()).tables.values()]
    return [*(table for pair in (*PAIRS.values(), *KEPT.values()) for table in pair), *shipped[::7]]


def test_rules_change_nothing_twice() -> None:
    for table in tables():
        for rule in rules():
            if rule.table is not None:
                once = rule.table(table)
                assert rule.table(once) == once, rule.name
        assert canonical_table(canonical_table(table)) == canonical_table(table)


def test_the_order_of_rules_does_not_matter() -> None:
    dice = random.Random(7)
    functions = [rule.table for rule in rules() if rule.table is not None]
    for table in tables():
        for _ in range(5):
            dice.shuffle(functions)
            shuffled = table
            for function in functions:
                shuffled = function(shuffled)
            assert shuffled == canonical_table(table)


# What MySQL 8 and later print, and MariaDB for the same; None where both stay as they are.
EXPRESSIONS = [
    ("((`a` > 0) and (`b` <> 'x'))", "`a` > 0 and `b` <> 'x'"),
    ("((`a` + (`b` * 2)) - `c`)", "`a` + `b` * 2 - `c`"),
    ("(`a` not in (1,2))", "not (`a` in (1, 2))"),
    ("((`a` or `b`) or `c`)", "`a` or `b` or `c`"),
    ("(case when (`a` > 1) then 'x' else 'y' end)", "case when `a` > 1 then 'x' else 'y' end"),
    ("lower(`a`)", "lcase(`a`)"),
    ("regexp_like(`a`,'^x')", "`a` regexp '^x'"),
    ("((0 <> `a`) and (`b` = true))", "`a` <> 0 and `b` = 1"),
    ("((`d` + interval 1 day) > `d`)", "`d` + interval 1 day > `d`"),
    ("((`s` collate utf8mb4_bin) = 'x')", "`s` collate utf8mb4_bin = 'x'"),
    ("((`a` between 1 and 2) and (`b` is not null))", "`a` between 1 and 2 and `b` is not null"),
]


@pytest.mark.parametrize(("mysql", "mariadb"), EXPRESSIONS)
def test_brackets_that_precedence_makes_superfluous(mysql: str, mariadb: str) -> None:
    assert bracketed(mysql) == bracketed(mariadb) is not None
    assert bracketed(bracketed(mysql) or "") == bracketed(mysql)


def test_brackets_that_mean_something_are_kept() -> None:
    pairs = [("(a or b) and c", "a or b and c"), ("a - (b - c)", "a - b - c"), ("not (a or b)", "not a or b")]
    assert all(bracketed(one) != bracketed(two) for one, two in pairs)
    assert bracketed("a sounds like 'x'") is None
    assert bracketed("a like 'x' escape '|'") == "a like 'x' escape '|'"


def test_a_table_of_mysql_5_6_and_the_same_in_mariadb() -> None:
    old = make(
        "  `id` int(11) NOT NULL AUTO_INCREMENT,\n  `deleted` tinyint(1) DEFAULT '0',\n  `note` text,\n"
        "  `host` varchar(255) COLLATE utf8_bin DEFAULT NULL,\n  `parent` int(11) DEFAULT NULL,\n"
        "  PRIMARY KEY (`id`),\n  KEY `parent` (`parent`),\n"
        "  CONSTRAINT `t_ibfk_1` FOREIGN KEY (`parent`) REFERENCES `t` (`id`)",
        "ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8",
    )
    new = make(
        "  `id` int(11) NOT NULL AUTO_INCREMENT,\n"
        "  `deleted` tinyint(1) DEFAULT 0 CHECK (`deleted` in (0,1)),\n  `note` text DEFAULT NULL,\n"
        "  `host` varchar(255) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin DEFAULT NULL,\n"
        "  `parent` int(11) DEFAULT NULL,\n  PRIMARY KEY (`id`),\n  KEY `parent` (`parent`),\n"
        "  CONSTRAINT `t_ibfk_2` FOREIGN KEY (`parent`) REFERENCES `t` (`id`) ON DELETE NO ACTION",
        "ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci",
    )
    assert canonical_table(old) == canonical_table(new)


def test_a_charset_that_a_column_spells_out_against_a_table_of_another_collation_is_kept() -> None:
    column = canonical_table(
        make("  `a` text COLLATE utf8_general_ci", "ENGINE=InnoDB DEFAULT CHARSET=utf8 COLLATE=utf8_bin")
    ).columns[0]
    assert (column.charset, column.collation) == ("utf8", None)


def test_the_database_and_its_views() -> None:
    view = View("v", "select `n`.`t`.`a` AS `a` from `n`.`t`", "DEFINER", None, "UNDEFINED")
    schema = Schema("n", "utf8mb3", "utf8mb3_general_ci", views={"v": view})
    plain = canonical(schema)
    assert (plain.charset, plain.collation) == ("utf8", None)
    assert plain.views["v"] == View("v", "select `t`.`a` AS `a` from `t`")
    assert canonical(replace(schema, charset="utf8", collation="utf8_bin")).collation == "utf8_bin"
