"""Restoring: what arrives, what is rewritten, what is refused, and what is told when it fails."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pymysql
import pytest

from dbaudit.dump import statements
from dbaudit.dump.index import read_counts
from dbaudit.dump.restore import Restored, restore
from dbaudit.dump.source import open_dump
from dbaudit.errors import DbauditError
from dbaudit.progress import Progress
from dbaudit.server.server import Server
from tests.dump.dump_samples import FOOT, HEAD, opened, table

Load = Callable[[bytes], Restored]


@pytest.fixture
def load(server: Server, schema_name: str, tmp_path: Path) -> Load:
    """Restores a dump of the database `shop` into a schema of the test's own."""

    def run(data: bytes) -> Restored:
        return restore(read_counts(opened(tmp_path, data)), server, {"shop": schema_name})

    return run


def ask(server: Server, schema: str, sql: str) -> list[tuple[object, ...]]:
    """What the server answers."""
    with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def test_rows_arrive_as_they_are(server: Server, schema_name: str, load: Load) -> None:
    rows = b"VALUES (1,'a;\\'\"\\n'),(2,'raw\n;--\0'),(3,NULL),(4,_binary '\xff\xfe')"
    done = load(HEAD + table("t", rows) + table("u") + FOOT)
    assert (done.databases, done.tables, done.rows, done.refused) == ((schema_name,), 2, 4, ())
    assert ask(server, schema_name, "SELECT v FROM t ORDER BY id") == [
        (b"a;'\"\n",), (b"raw\n;--\0",), (None,), (b"\xff\xfe",)
    ]  # fmt: skip


def test_many_statements_on_several_connections(server: Server, schema_name: str, tmp_path: Path) -> None:
    listed = [b"VALUES (%d,'%s')" % (number, b"x" * 900) for number in range(1500)]
    index = read_counts(opened(tmp_path, HEAD + table("t", *listed) + FOOT))
    seen: list[Progress] = []
    assert restore(index, server, {"shop": schema_name}, workers=4, watch=seen.append).rows == 1500
    restoring = [each for each in seen if each.stage == "restore"]
    assert restoring[-1].done == restoring[-1].total == index.size
    assert [each.done for each in restoring] == sorted(each.done for each in restoring)
    assert seen[-1].stage == "verify"


def test_triggers_do_not_fire_while_rows_arrive(server: Server, schema_name: str, load: Load) -> None:
    trigger = (
        b"DELIMITER ;;\n/*!50003 CREATE*/ /*!50017 DEFINER=`nobody`@`%`*/ /*!50003 TRIGGER `tr` AFTER INSERT ON `t` "
        b"FOR EACH ROW BEGIN INSERT INTO u VALUES (NEW.id, 'DEFINER=`a`@`b`'); END */;;\nDELIMITER ;\n"
    )
    view = b"/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`nobody`@`%` SQL SECURITY DEFINER */\n"
    view += b"/*!50001 VIEW `v` AS select `t`.`id` AS `id` from `t` */;\n"
    routine = b"DELIMITER ;;\nCREATE DEFINER=`root`@`localhost` PROCEDURE `p`()\nBEGIN SELECT 1; END ;;\nDELIMITER ;\n"
    done = load(HEAD + table("u") + table("t", b"VALUES (1,'a'),(2,'b')") + trigger + view + routine + FOOT)
    assert done.rows == 2
    assert done.refused == ()
    assert "definers were replaced by the account that loads" in done.rewritten
    definer = ask(
        server, schema_name, f"SELECT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA='{schema_name}'"
    )
    assert str(definer[0][0]).startswith("dbaudit_")
    assert ask(server, schema_name, "SELECT * FROM v ORDER BY id") == [(1,), (2,)]
    ask(server, schema_name, "INSERT INTO t VALUES (3, 'c')")
    assert ask(server, schema_name, "SELECT v FROM u") == [(b"DEFINER=`a`@`b`",)]


def test_database_goes_by_another_name(server: Server, schema_name: str, tmp_path: Path) -> None:
    named = b"CREATE DATABASE `a` /*!40100 DEFAULT CHARACTER SET latin1 */;\nUSE `a`;\n"
    other = b"CREATE DATABASE `b`;\nUSE `b`;\n" + table("secret", b"VALUES (1,'x')")
    rows = b"INSERT INTO `a`.`t` VALUES (2,'b');\n"
    view = b"CREATE VIEW `v` AS select `a`.`t`.`id` AS `id` from `a`.`t`;\n"
    index = read_counts(opened(tmp_path, HEAD + named + table("t", b"VALUES (1,'`a`.')") + rows + view + other + FOOT))
    done = restore(index, server, {"a": schema_name})
    assert (done.tables, done.rows) == (1, 2)
    assert ask(server, schema_name, "SELECT COUNT(*) FROM v") == [(2,)]
    assert ask(server, schema_name, "SHOW TABLES LIKE 'secret'") == []
    assert {refused.reason for refused in done.refused} == {"the database b is not being restored"}
    charset = "SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = "
    assert ask(server, schema_name, f"{charset}'{schema_name}'") == [("latin1",)]


def test_what_older_and_newer_servers_write(server: Server, schema_name: str, load: Load) -> None:
    modes = b"/*!50003 SET sql_mode = 'STRICT_TRANS_TABLES,NO_AUTO_CREATE_USER,TIME_TRUNCATE_FRACTIONAL' */;\n"
    settings = b"SET @@SESSION.SQL_LOG_BIN= 0;\nSET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '3e11:1-5';\nSET no_such=1;\n"
    generated = b", `g` int AS (1) PERSISTENT" if server.version.numbers >= (5, 7) else b""
    odd = (
        b"CREATE TABLE `z` (`d` datetime NOT NULL DEFAULT '0000-00-00 00:00:00', `t` varchar(20) CHARACTER SET utf8mb3,"
        b" `c` varchar(20) COLLATE utf8mb4_0900_ai_ci DEFAULT 'utf8mb4_0900_ai_ci'"
        + generated
        + b") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci ROW_FORMAT=FIXED KEY_BLOCK_SIZE=3"
        b" DATA DIRECTORY='/srv/elsewhere';\n"
        b"INSERT INTO `z` (`d`,`t`,`c`) VALUES ('0000-00-00 00:00:00','utf8mb4_0900_ai_ci','x');\n"
    )
    data = b"/*M!999999\\- enable the sandbox mode */ \n" + HEAD + settings + odd + table("t") + modes + FOOT
    done = load(data)
    assert done.refused == ()
    assert ask(server, schema_name, "SELECT t FROM z") == [("utf8mb4_0900_ai_ci",)]
    for word in ("sandbox", "SQL_LOG_BIN", "GTID", "LOCK TABLES", "DATA DIRECTORY", "does not know"):
        assert any(word in sentence for sentence in done.rewritten), (word, done.rewritten)


def test_rows_that_do_not_arrive_are_an_error(load: Load) -> None:
    # MariaDB's bulk load of an empty table (unique checks off) drops both rows, others keep one
    twice = b"INSERT IGNORE INTO `t` VALUES (1,'a'),(1,'b');\n"
    with pytest.raises(DbauditError, match=r"table t has \d rows after the restore, the dump holds 2"):
        load(HEAD + table("t", columns="`id` int PRIMARY KEY, `v` text") + twice + FOOT)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (b"INSERT INTO `t` VALUES (1,'a','b');\n", r"at byte %d \(line %d\), table t: \(1136\)"),
        (b"INSERT INTO `none` VALUES (1);\n", r"at byte %d \(line %d\), table none: \(1146\)"),
        (b"CREATE TABLE `bad` (`a` nonsense);\n", r"at byte %d \(line %d\), table bad: \(\d+\)"),
    ],
)
def test_statement_that_fails_is_located(load: Load, statement: bytes, told: str) -> None:
    before = HEAD + table("t", b"VALUES (1,'a\nb')")
    with pytest.raises(DbauditError, match=told % (len(before), before.count(b"\n") + 1)):
        load(before + statement + FOOT)


def test_incomplete_dump_is_not_restored(load: Load) -> None:
    with pytest.raises(DbauditError, match="the last whole table is t"):
        load(HEAD + table("t", b"VALUES (1,'a')"))


def test_mydumper_directory(server: Server, schema_name: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    files = {
        "metadata": b"Started dump at: 2024-01-01 00:00:00\nFinished dump at: 2024-01-01 00:00:01\n",
        "shop-schema-create.sql": b"CREATE DATABASE `shop` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;\n",
        "shop.t-schema.sql": b"/*!40101 SET NAMES binary*/;\nCREATE TABLE `t` (`id` int, `v` blob);\n",
        "shop.t.00000.sql": b"/*!40101 SET NAMES binary*/;\nINSERT INTO `t` VALUES(1,'a'),\n(2,'b');\n",
        "shop.t.00001.sql": b"/*!40101 SET NAMES binary*/;\nINSERT INTO `t` VALUES(3,'\xff');\n",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    index = read_counts(open_dump(str(folder), tmp_path))
    assert restore(index, server, {"shop": schema_name}).rows == 3


def test_interrupt_leaves_no_thread_and_no_connection(
    server: Server, schema_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "BLOCK", 4096)
    slow = b"INSERT INTO `t` VALUES (SLEEP(60),'a');\n" * 3
    many = b"".join(b"INSERT INTO `t` VALUES (%d,'a');\n" % number for number in range(5000))
    index = read_counts(opened(tmp_path, HEAD + table("t") + slow + many + FOOT))

    def interrupt(progress: Progress) -> None:
        if progress.stage == "restore":
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        restore(index, server, {"shop": schema_name}, watch=interrupt)
    assert time.monotonic() - began < 5
    assert not [thread for thread in threading.enumerate() if thread.name == "dbaudit-load"]


def test_server_that_goes_away_is_told(server: Server, schema_name: str, tmp_path: Path) -> None:
    index = read_counts(opened(tmp_path, HEAD + table("t", b"VALUES (SLEEP(20),'a')") + FOOT))

    def kill() -> None:
        time.sleep(1)
        with contextlib.closing(server.admin()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE USER LIKE 'dbaudit\\_%%'")
            for (identity,) in cursor.fetchall():
                with contextlib.suppress(pymysql.MySQLError):
                    cursor.execute(f"KILL {identity}")

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(DbauditError, match="does not answer"):
        restore(index, server, {"shop": schema_name})
    thread.join()


def test_corpus_dumps_restore_whole(server: Server, schema_name: str, corpus: Path, tmp_path: Path) -> None:
    for name in ("keystone-grizzly", "glance-havana"):
        index = read_counts(open_dump(str(corpus / "data" / f"{name}.sql.gz"), tmp_path))
        done = restore(index, server, {index.databases[0].name: schema_name})
        assert done.rows == sum(table.rows or 0 for table in index.databases[0].tables)
        assert done.refused == ()
        server.drop_database(schema_name)
