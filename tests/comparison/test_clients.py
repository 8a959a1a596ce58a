"""What MariaDB's client writes with options that change the form of a dump."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest

from dbaudit.comparison.compare import Comparison, compare
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.dump.index import read_counts
from dbaudit.dump.restore import restore
from dbaudit.dump.source import open_dump
from dbaudit.errors import UsageError
from dbaudit.schema.known import known_charset
from dbaudit.server.server import Server
from tests.schema.test_trust import clients

SQL = (
    "create table p (id int primary key) engine=innodb",
    "create table t (id int not null auto_increment primary key, `x\"y` varchar(10) default 'a\"b', s varchar(5)"
    " comment 'it''s', pid int, q int, key k (s(3)), constraint f foreign key (pid) references p(id), check (q > 0),"
    " g int as (q+1) virtual) engine=innodb",
    "create table pt (id int not null) engine=innodb partition by hash(id) partitions 2",
    "create view v as select id, s from t where s='x'",
    "create trigger g before insert on p for each row set @a=1",
)


def dumped(server: Server, database: str, path: Path, *options: str) -> None:
    tool, account = next(clients(server), None), server._endpoint.admin
    if tool is None or server.socket is None:
        pytest.skip("no client here that dumps it")
    words = [
        "--no-defaults",
        f"--user={account.user}",
        f"--socket={server.socket}",
        "--routines",
        f"--result-file={path}",
    ]
    done = subprocess.run(
        [*tool, *words, *options, database], env={"MYSQL_PWD": account.password}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def compared(folder: Path, *names: str) -> Comparison:
    return compare(*(read_operand(str(folder / name), Reading(folder)) for name in names))


@pytest.mark.server("mariadb")
def test_a_dump_in_ansi_spelling_is_the_same_but_for_what_it_leaves_out(
    server: Server, schema_name: str, tmp_path: Path
) -> None:
    server.create_database(schema_name, "utf8")
    with contextlib.closing(server.admin(schema_name)) as connection, connection.cursor() as cursor:
        for sql in SQL:
            cursor.execute(sql)
        dumped(server, schema_name, tmp_path / "plain.sql")
        dumped(server, schema_name, tmp_path / "ansi.sql", "--compatible=ansi")
        cursor.execute("ALTER TABLE t MODIFY s varchar(6) comment 'it''s'")
        dumped(server, schema_name, tmp_path / "other.sql", "--compatible=ansi")
    found = compared(tmp_path, "plain.sql", "ansi.sql")
    assert found.judged == ()
    assert [(fault.id, fault.hides) for fault in found.right.faults] == [("without-options", False)]
    for name in ("plain.sql", "ansi.sql"):
        (only,) = compared(tmp_path, name, "other.sql").judged
        assert (only.difference.table, only.difference.name, only.difference.attribute) == ("t", "s", "type")


@pytest.mark.server("mariadb>=10.11")
def test_the_history_of_a_versioned_table_is_restored_and_counted(
    server: Server, schema_name: str, tmp_path: Path
) -> None:
    server.create_database(schema_name, "utf8")
    with contextlib.closing(server.admin(schema_name)) as connection, connection.cursor() as cursor:
        cursor.execute("create table h (a int, b int) engine=innodb with system versioning")
        cursor.execute("insert into h values (1,2)")
        cursor.execute("update h set b=3")
        dumped(server, schema_name, tmp_path / "h.sql", "--dump-history")
        dumped(server, schema_name, tmp_path / "now.sql")
    for name, rows in (("h.sql", 2), ("now.sql", 1)):
        server.drop_database(schema_name)
        index = read_counts(open_dump(str(tmp_path / name), tmp_path))
        assert restore(index, server, {index.databases[0].name: schema_name}).rows == rows


def test_a_charset_that_no_server_has_is_refused_with_the_choices() -> None:
    assert known_charset("UTF8MB4") == "utf8mb4"
    with pytest.raises(UsageError) as caught:
        known_charset("klingon")
    assert "utf8mb4" in caught.value.hint
