"""A random schema, loaded into a server, read live, dumped and read back, is the same by diff each time."""

from __future__ import annotations

import contextlib
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbaudit.comparison.dumped import read_dump
from dbaudit.dump.source import open_dump
from dbaudit.schema.diff import diff
from dbaudit.schema.model import Schema
from dbaudit.schema.read import read_live, read_table
from dbaudit.server.server import Server
from tests.examples import examples
from tests.schema.test_trust import clients, dumped

TYPES = {
    "int": ["DEFAULT NULL", "NOT NULL DEFAULT '7'", "unsigned NOT NULL"],
    "bigint": ["NOT NULL", "DEFAULT '-3'"],
    "tinyint(1)": ["DEFAULT NULL", "NOT NULL DEFAULT '0'"],
    "decimal(10,2)": ["NOT NULL DEFAULT '1.50'", "DEFAULT NULL"],
    "double": ["DEFAULT NULL"],
    "varchar(36)": ["DEFAULT NULL", "NOT NULL DEFAULT 'it''s'", "CHARACTER SET latin1 NOT NULL", "COLLATE utf8_bin"],
    "char(3)": ["NOT NULL DEFAULT ''"],
    "enum('a','b''c',',')": ["DEFAULT 'a'", "NOT NULL"],
    "date": ["DEFAULT NULL"],
    "datetime(6)": ["DEFAULT NULL", "NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"],
    "mediumtext": [""],
    "varbinary(16)": ["DEFAULT NULL"],
}
NAMES = ["a", "order", "x y", "back``tick", "it's", "Ab"]
COMMENTS = ["", " COMMENT 'it''s; -- (a) `b`'"]


@st.composite
def tables(draw: st.DrawFn) -> dict[str, str]:
    """CREATE TABLE by name: `t0`, `t1`, ... each may refer to the one before it."""
    made = {}
    for number in range(draw(st.integers(1, 3))):
        parts = ["`id` int NOT NULL AUTO_INCREMENT"]
        indexed = []
        for name in draw(st.lists(st.sampled_from(NAMES), max_size=5, unique=True)):
            kind = draw(st.sampled_from(sorted(TYPES)))
            parts.append(f"`{name}` {kind} {draw(st.sampled_from(TYPES[kind]))}{draw(st.sampled_from(COMMENTS))}")
            indexed.append(f"`{name}`(5)" if kind in ("mediumtext", "varchar(36)") else f"`{name}`")
        parts.append("PRIMARY KEY (`id`)")
        for place, name in enumerate(indexed):
            if draw(st.booleans()):
                parts.append(f"{draw(st.sampled_from(['KEY', 'UNIQUE KEY']))} `k{place}` ({name},`id`)")
        if number and draw(st.booleans()):
            action = draw(st.sampled_from(["", " ON DELETE CASCADE", " ON UPDATE CASCADE", " ON DELETE RESTRICT"]))
            parts.append(f"CONSTRAINT `f{number}` FOREIGN KEY (`id`) REFERENCES `t{number - 1}` (`id`){action}")
        comment = draw(st.sampled_from(["", " COMMENT='a table''s'"]))
        made[f"t{number}"] = (
            f"CREATE TABLE `t{number}` (\n  " + ",\n  ".join(parts) + f"\n) ENGINE=InnoDB DEFAULT CHARSET=utf8{comment}"
        )
    return made


def test_loaded_dumped_and_read_back_it_is_the_same(server: Server, schema_name: str, tmp_path: Path) -> None:
    tool = next(clients(server), None)

    @settings(max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck))
    @given(tables())
    def check(made: dict[str, str]) -> None:
        server.drop_database(schema_name)
        server.create_database(schema_name, "utf8")
        with contextlib.closing(server.admin(schema_name)) as connection, connection.cursor() as cursor:
            for sql in made.values():
                cursor.execute(sql)
            live = read_live(connection, schema_name)
        written = Schema(tables={name: read_table(sql) for name, sql in made.items()})
        assert not any(table.unsupported for table in live.tables.values())
        assert diff(written, Schema(tables=live.tables)) == ()
        if tool is not None:
            path = tmp_path / "dump.sql"
            dumped(server, schema_name, path)
            back = read_dump(open_dump(str(path), tmp_path), "dump.sql", "dump", None).schema
            assert diff(Schema(tables=live.tables), Schema(tables=back.tables)) == ()

    check()
