"""What is rendered is read back as it was: from any model, and through a real server."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dbaudit.schema.diff import diff
from dbaudit.schema.model import CheckConstraint, Column, ForeignKey, Index, IndexKind, IndexPart, Schema, Table
from dbaudit.schema.read import read_live, read_table
from dbaudit.schema.render import render, render_table
from dbaudit.schema.script import read_script
from dbaudit.schema.text import quote
from dbaudit.server.server import Server

NAMES = st.text("abz_0` .,()'é", min_size=1, max_size=8).map(str.strip).filter(bool)
TEXTS = st.text("ab'\"\\`\n,;() -/*", max_size=12)
PLAIN = st.sampled_from(["a", "b", "lower(`x`)", "(1 + 2) * 3", "concat('a)',`b`)"])


@st.composite
def columns(draw: st.DrawFn) -> Column:
    type_ = draw(
        st.sampled_from(["int(11)", "varchar(9)", "text", "enum('A','b''c')", "timestamp(6)", "json", "bit(1)"])
    )
    charset = draw(st.sampled_from([None, "utf8", "latin1"]))
    column = Column(draw(NAMES), type_, draw(st.booleans()), comment=draw(TEXTS), charset=charset)
    choice = draw(st.integers(0, 5))
    if choice == 0:
        return replace(column, default=quote(draw(TEXTS)))
    if choice == 1:
        return replace(column, default="current_timestamp(6)", on_update="current_timestamp(6)")
    if choice == 2:
        return replace(column, generated=draw(PLAIN), stored=draw(st.booleans()), invisible=draw(st.booleans()))
    if choice == 3:
        return replace(column, default=f"({draw(PLAIN)})", srid=draw(st.sampled_from([None, 4326])))
    return replace(column, auto_increment=choice == 4, collation="utf8_bin" if charset == "utf8" else None)


@st.composite
def indexes(draw: st.DrawFn) -> Index:
    part = st.one_of(
        st.builds(IndexPart, NAMES, st.sampled_from([None, 4]), st.booleans()),
        PLAIN.map(lambda text: IndexPart(None, expression=text)),
    )
    kind = draw(st.sampled_from([IndexKind.UNIQUE, IndexKind.PLAIN, IndexKind.FULLTEXT]))
    return Index(
        draw(NAMES),
        kind,
        tuple(draw(st.lists(part, min_size=1, max_size=3))),
        using=draw(st.sampled_from([None, "BTREE", "HASH"])),
        parser="ngram" if kind is IndexKind.FULLTEXT else None,
        comment=draw(TEXTS),
        visible=draw(st.booleans()),
        block_size=draw(st.sampled_from([None, 8])),
    )


SIMPLE = st.text("abz_0 .,é", min_size=1, max_size=8).map(str.strip).filter(bool)
KEYS = st.builds(
    ForeignKey,
    SIMPLE,
    st.tuples(SIMPLE, SIMPLE),
    SIMPLE.filter(lambda name: "." not in name),
    st.tuples(SIMPLE, SIMPLE),
    st.none(),
    st.sampled_from([None, "CASCADE", "SET NULL"]),
    st.sampled_from([None, "CASCADE"]),
)
TABLES = st.builds(
    Table,
    NAMES,
    st.lists(columns(), min_size=1, max_size=5).map(tuple),
    st.lists(indexes(), max_size=3).map(tuple),
    st.lists(KEYS, max_size=2).map(tuple),
    st.lists(st.builds(CheckConstraint, SIMPLE, PLAIN, st.booleans()), max_size=2).map(tuple),
    st.sampled_from(["InnoDB", "MyISAM"]),
    st.sampled_from(["utf8", None]),
    st.none(),
    st.sampled_from([None, "COMPRESSED"]),
    TEXTS,
    st.sampled_from([(), (("stats_persistent", "0"), ("data directory", "/a b/c")), (("`encrypted`", "yes"),)]),
)


@given(TABLES)
def test_any_table_is_read_back_as_it_was(table: Table) -> None:
    assert read_table(render_table(table)) == table


ODD = """CREATE TABLE `odd` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT COMMENT 'it''s; a \\\\ "key"',
  `name` varchar(64) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL DEFAULT 'a''b\\\\c',
  `twice` int(11) GENERATED ALWAYS AS (`flag` * 2) STORED,
  `seen` timestamp(3) NOT NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3),
  `kind` enum('A','b,c','d)') DEFAULT 'b,c',
  `extra` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`extra`)),
  `tag` varchar(36) DEFAULT uuid(),
  `flag` tinyint(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`id`),
  UNIQUE KEY `u` (`name`(10),`kind`) COMMENT 'x(y)',
  FULLTEXT KEY `f` (`extra`),
  CONSTRAINT `positive` CHECK (`flag` >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8 COMMENT='odd; one'"""
OTHERS = (
    "CREATE VIEW v AS SELECT id, name FROM odd WHERE flag = 1",
    "CREATE TRIGGER g BEFORE INSERT ON odd FOR EACH ROW BEGIN SET NEW.flag = 1;\n  SET NEW.name = 'a;  b'; END",
    "CREATE PROCEDURE p(IN a INT)\nBEGIN\n  SELECT a;\nEND",
    "CREATE FUNCTION fn(a INT) RETURNS INT DETERMINISTIC RETURN a + 1",
    "CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO DELETE FROM odd WHERE flag = 0",
)


def test_what_a_server_says_is_what_was_rendered(server: Server, schema_name: str) -> None:
    if server.version.vendor != "mariadb":
        return
    server.create_database(schema_name, "utf8")
    connection = server.admin(schema_name)
    with connection, connection.cursor() as cursor:
        for statement in (ODD, *OTHERS):
            cursor.execute(statement)
        cursor.execute("SELECT @@sql_mode")
        mode = cursor.fetchone()
        live = read_live(connection, schema_name)
        cursor.execute("SELECT @@sql_mode")
        assert cursor.fetchone() == mode
    assert live.tables["odd"].unsupported is None
    assert set(live.views) == {"v"} and set(live.triggers) == {"g"} and set(live.events) == {"e"}
    assert set(live.routines) == {"PROCEDURE p", "FUNCTION fn"}
    assert (
        diff(Schema(tables={"odd": read_table(ODD)}), replace(live, views={}, triggers={}, routines={}, events={}))
        == ()
    )
    assert diff(live, read_script(render(live, "a header"))) == ()
