"""SQL that people wrote: loaded into a throwaway server and read back, and named where that cannot be."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from dbaudit.comparison.compare import compare
from dbaudit.comparison.loading import read_by_server, wants_server
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.comparison.side import Side
from dbaudit.errors import DbauditError
from dbaudit.schema.difference import Change, Kind
from dbaudit.schema.model import IndexKind
from dbaudit.server.server import Server

# The child's file comes first; its index and a changed column stand in files of their own.
FILES = {
    "10_child.sql": "create table child (\n  id integer not null auto_increment primary key,\n  parent_id int,\n"
    "  name varchar(9) unique,\n  foreign key (parent_id) references parent (id)\n) engine=InnoDB;\n"
    "insert into child values (1, 1, 'x');\n",
    "20_parent.sql": "-- by hand\ncreate table parent (id int primary key,"
    " state enum('a','b') default 'a') engine=InnoDB;\n",
    "30_later.sql": "create index by_state on parent (state, id);\nalter table child add column note text after id;\n"
    "alter table child modify name varchar(19);\ncreate view both_ as select c.id from child c join parent p on"
    " p.id=c.parent_id;\n",
}


def written(folder: Path, files: dict[str, str]) -> str:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return str(folder)


def read(operand: str, folder: Path) -> Side:
    return read_operand(operand, Reading(folder))


def by(server: Server) -> AbstractContextManager[Server]:
    return contextlib.nullcontext(server)


def test_a_folder_that_people_wrote_is_what_the_server_makes_of_it(server: Server, tmp_path: Path) -> None:
    side = read(written(tmp_path / "sql", FILES), tmp_path)
    assert wants_server(side)
    (loaded,) = read_by_server([side], lambda: by(server))
    assert [fault.id for fault in loaded.faults] == ["loaded"]
    assert server.version.name in loaded.faults[0].message
    child, parent = loaded.schema.tables["child"], loaded.schema.tables["parent"]
    assert [(column.name, column.type.partition("(")[0]) for column in child.columns] == [
        ("id", "int"), ("note", "text"), ("parent_id", "int"), ("name", "varchar"),
    ]  # fmt: skip
    assert child.columns[3].type == "varchar(19)"
    assert [key.referred_table for key in child.foreign_keys] == ["parent"]
    assert {index.kind for index in child.indexes} >= {IndexKind.PRIMARY, IndexKind.UNIQUE}
    assert [index.columns for index in parent.indexes] == [("id",), ("state", "id")]
    assert set(loaded.schema.views) == {"both_"}
    changed = {**FILES, "20_parent.sql": FILES["20_parent.sql"].replace("'a','b'", "'a','b','c'")}
    other = read(written(tmp_path / "other", changed), tmp_path)
    found = compare(*read_by_server([side, other], lambda: by(server)))
    assert [(each.difference.table, each.difference.name, each.difference.attribute) for each in found.judged] == [
        ("parent", "state", "type")
    ]
    assert compare(*read_by_server([side, side], lambda: by(server))).judged == ()


def test_it_is_loaded_with_the_charset_of_the_other_side(server: Server, tmp_path: Path) -> None:
    side = read(
        written(tmp_path / "sql", {"a.sql": "create table a (id int primary key, x text) engine=innodb;\n"}), tmp_path
    )
    other = tmp_path / "a.sql"
    other.write_text(
        "CREATE TABLE `a` (\n  `id` int(11) NOT NULL,\n  `x` text,\n  PRIMARY KEY (`id`)\n"
        ") ENGINE=InnoDB DEFAULT CHARSET=latin1;\n"
    )
    assert compare(*read_by_server([side, read(str(other), tmp_path)], lambda: by(server))).judged == ()


def test_what_the_server_refuses_is_named_with_its_place(server: Server, tmp_path: Path) -> None:
    text = "create table a (id int primary key);\n\ncreate table b (\n  id int primari key\n);\n"
    (loaded,) = read_by_server([read(written(tmp_path / "sql", {"x.sql": text}), tmp_path)], lambda: by(server))
    assert {name for name, table in loaded.schema.tables.items() if not table.unsupported} == {"a"}
    assert {each.difference.table for each in compare(loaded, loaded).different} == {"b"}
    (fault,) = [each for each in loaded.faults if each.id == "refused-statement"]
    assert fault.place is not None
    assert (fault.place.file, fault.place.line, fault.place.offset) == ("x.sql", 3, text.index("create table b"))
    assert "create table b" in fault.message and "syntax" in fault.message


def test_it_reaches_nothing_but_its_own_schema(server: Server, tmp_path: Path) -> None:
    text = "create table a (id int primary key);\ncreate view mine as select * from mysql.user;\n"
    (loaded,) = read_by_server([read(written(tmp_path / "sql", {"x.sql": text}), tmp_path)], lambda: by(server))
    assert any("names the database mysql" in fault.message and fault.hides for fault in loaded.faults)
    assert loaded.schema.views == {}
    with contextlib.closing(server.admin()) as connection, connection.cursor() as cursor:
        assert cursor.execute("SHOW DATABASES LIKE 'dbaudit_read'") == 0


def test_without_a_server_it_is_named_and_never_equal(tmp_path: Path) -> None:
    @contextlib.contextmanager
    def none() -> Iterator[Server]:
        raise DbauditError("no mysqld or mariadbd is here")
        yield

    side = read(written(tmp_path / "sql", FILES), tmp_path)
    (same,) = read_by_server([side], none)
    assert any(fault.id == "not-loaded" and "no mysqld" in fault.message for fault in same.faults)
    found = compare(same, same)
    assert {each.difference.table for each in found.different} == {"child", "parent"}
    places = {fault.object: fault.place for fault in side.faults if fault.id == "unreadable-table"}
    assert {name: place.file for name, place in places.items() if place} == {
        "child": "10_child.sql", "parent": "20_parent.sql",
    }  # fmt: skip


def test_a_dump_of_a_servers_client_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "x.sql"
    path.write_text(
        "-- MySQL dump 10.13  Distrib 5.6.24, for Linux (x86_64)\nCREATE TABLE `a` (\n  `id` int FOO\n"
        ") ENGINE=InnoDB;\n"
        "-- Dump completed\n"
    )
    side = read(str(path), tmp_path)
    assert not wants_server(side)
    assert [fault.id for fault in side.faults] == ["unreadable-table"]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("CREAT TABLE `x` (\n  `id` int\n) ENGINE=InnoDB;\n", 5, "CREAT TABLE `x`"),
        ("CREATE PROCEDURE ;\n", 5, "CREATE PROCEDURE"),
        ("oops oops;\n", 5, "oops oops"),
    ],
)
def test_a_statement_that_is_none_is_named(tmp_path: Path, text: str, line: int, what: str) -> None:
    path = tmp_path / "x.sql"
    path.write_text(
        f"-- MySQL dump 10.13\nCREATE TABLE `a` (\n  `id` int NOT NULL\n) ENGINE=InnoDB;\n{text}-- Dump completed\n"
    )
    (fault,) = read(str(path), tmp_path).faults
    assert (fault.id, fault.hides) == ("unread-statement", True)
    assert fault.place is not None and fault.place.line == line
    assert what in fault.message


def test_a_table_without_its_end_hides_no_other(tmp_path: Path) -> None:
    end = ") ENGINE=InnoDB DEFAULT CHARSET=utf8;\n"
    whole = "".join(f"CREATE TABLE `{name}` (\n  `id` int(11) NOT NULL\n{end}" for name in "abc")
    for name, text in (("one", whole), ("two", whole.replace(end, "\n", 1))):
        (tmp_path / f"{name}.sql").write_text(f"-- MySQL dump 10.13\n{text}-- Dump completed\n")
    sides = [read(str(tmp_path / f"{name}.sql"), tmp_path) for name in ("one", "two")]
    found = compare(*sides)
    assert {(each.difference.table, each.difference.change) for each in found.judged} == {("a", Change.CHANGED)}
    assert all(each.difference.kind is Kind.TABLE for each in found.judged)
    (fault,) = sides[1].faults
    assert fault.object == "a" and fault.place is not None and fault.place.line == 2
