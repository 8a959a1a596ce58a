"""A hostile dump: every attack twice, stopped by the parser's filter and, with that off, by the server's rights."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from dbaudit.dump.filter import Filter
from dbaudit.dump.index import read_counts
from dbaudit.dump.restore import Restored, restore
from dbaudit.errors import DbauditError
from dbaudit.server.server import Server
from tests.dump.dump_samples import FOOT, HEAD, opened, table

MARK = "dbaudit_was_here"
# name -> statement; {out} is a file that must not appear.
ATTACKS = {
    "grant": "GRANT ALL ON *.* TO 'root'@'localhost' WITH GRANT OPTION;",
    "create user": f"CREATE USER '{MARK}'@'localhost' IDENTIFIED BY 'secret-word';",
    "versioned": f"/*!40000 CREATE USER '{MARK}'@'localhost' IDENTIFIED BY 'secret-word' */;",
    "drop user": "DROP USER 'root'@'localhost';",
    "set password": "SET PASSWORD FOR 'root'@'localhost' = PASSWORD('secret-word');",
    "set global": "SET GLOBAL max_connections = 7;",
    "set @@global": "SET @x=1, @@GLOBAL.max_connections = 7;",
    "set in comment": "SET /*!40000 GLOBAL */ max_connections = 7;",
    "load data": "LOAD DATA INFILE '/etc/hostname' INTO TABLE t;",
    "load local": "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE t;",
    "outfile": "SELECT 'x' INTO OUTFILE '{out}';",
    "dumpfile": "SELECT * FROM t INTO DUMPFILE '{out}';",
    "insert select file": "INSERT INTO `t` SELECT 1, LOAD_FILE('/etc/hostname') FROM mysql.user;",
    "install": "INSTALL PLUGIN evil SONAME 'evil.so';",
    "udf": "CREATE FUNCTION evil RETURNS STRING SONAME 'evil.so';",
    "shutdown": "SHUTDOWN;",
    "flush": "FLUSH TABLES WITH READ LOCK;",
    "kill": "KILL 1;",
    "handler": "HANDLER mysql.user OPEN;",
    "use mysql": f"USE mysql;\nCREATE TABLE {MARK} (a int);",
    "use other": f"USE `{MARK}`;\nCREATE TABLE {MARK} (a int);",
    "create database": f"CREATE DATABASE `{MARK}`;",
    "drop database": "DROP DATABASE mysql;",
    "qualified insert": "INSERT INTO `mysql`.`db` (Host, Db, User) VALUES ('%','%','x');",
    "qualified create": f"CREATE TABLE `mysql`.`{MARK}` (a int);",
    "qualified drop": "DROP TABLE IF EXISTS `mysql`.`user`;",
    "qualified update": "UPDATE mysql.user SET authentication_string='';",
    "view": "CREATE VIEW v AS SELECT * FROM `mysql`.`user`;",
    "federated": "CREATE TABLE `f` (a int) ENGINE=FEDERATED CONNECTION='mysql://u:secret-word@10.0.0.1/x/t';",
    "connect": "CREATE TABLE `f` (a int) ENGINE=CONNECT TABLE_TYPE=CSV FILE_NAME='{out}';",
    "server": "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST '10.0.0.1', PASSWORD 'secret-word');",
}
CLIENT = {
    "shell": "\\! touch {out}",
    "system": "system touch {out}",
    "tee": "tee {out}",
    "pager": "pager cat > {out}",
    "source": "source /etc/hostname",
    "dot": "\\. /etc/hostname",
}


class Attacked:
    """A restore of a dump with one attack in it, and whether the server is as it was before."""

    def __init__(self, server: Server, schema: str, folder: Path) -> None:
        self.server, self.schema, self.folder = server, schema, folder
        self.out = folder / "out"
        self.folder.chmod(0o777)
        self.before = self.state()

    def state(self) -> list[object]:
        with contextlib.closing(self.server.admin()) as connection, connection.cursor() as cursor:
            found: list[object] = []
            for query in (
                "SELECT user, host FROM mysql.user WHERE user NOT LIKE 'dbaudit\\_%' OR user LIKE 'dbaudit\\_was%' "
                "ORDER BY 1, 2",
                "SELECT @@GLOBAL.max_connections",
                "SHOW TABLES FROM mysql",
                "SELECT Host, Db, User FROM mysql.db WHERE user NOT LIKE 'dbaudit\\_%' ORDER BY 1, 2, 3",
                "SELECT schema_name FROM information_schema.schemata "
                "WHERE schema_name LIKE 'dbaudit\\_was%' OR schema_name = 'mysql'",
            ):
                cursor.execute(query)
                found.append(cursor.fetchall())
            return found

    def run(self, attack: str, filter: Filter) -> Restored:
        text = attack.replace("{out}", str(self.out)).encode() + b"\n"
        data = HEAD + table("t", b"VALUES (1,'a')") + b"%s" + table("u", b"VALUES (2,'b')") + FOOT
        used = b"USE shop;\n" if attack.startswith(("USE mysql", f"USE `{MARK}")) else b""
        index = read_counts(opened(self.folder, data.replace(b"%s", text + used)))
        return restore(index, self.server, {"shop": self.schema}, filter=filter)

    def check_engines(self) -> None:
        with contextlib.closing(self.server.admin()) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema = %s", (self.schema,)
            )
            assert cursor.fetchall() == (("InnoDB",),)

    def check(self) -> None:
        assert self.state() == self.before
        assert not self.out.exists()


@pytest.fixture
def attacked(server: Server, schema_name: str, tmp_path: Path) -> Attacked:
    return Attacked(server, schema_name, tmp_path)


def test_filter_refuses_every_attack_and_the_rest_is_restored(attacked: Attacked) -> None:
    listed = [f"{attack}\nUSE shop;" if attack.startswith("USE") else attack for attack in ATTACKS.values()]
    done = attacked.run("\n".join((*listed, *CLIENT.values())), Filter.ON)
    assert [refused.statement[:3] for refused in done.refused] == [
        attack.removeprefix("/*!40000 ")[:3] for attack in (*ATTACKS.values(), *CLIENT.values())
    ]
    assert [refused.offset for refused in done.refused] == sorted({refused.offset for refused in done.refused})
    assert "secret-word" not in repr(done.refused)
    assert done.rows == 2
    attacked.check()


@pytest.mark.parametrize("name", ATTACKS)
def test_without_the_filter_rights_stop_the_attack(attacked: Attacked, name: str) -> None:
    try:
        done = attacked.run(ATTACKS[name], Filter.OFF)
    except DbauditError as error:
        # a statement that no server of this kind understands: it harms nobody, and its place is told
        meaningless = any(f"({code})" in error.what for code in (1064, 1094, 1146, 1305, 1911))
        if not meaningless or "at byte" not in error.what:
            raise
    else:
        if name == "federated" and not done.refused:
            attacked.check_engines()  # a server without that engine makes an ordinary table of it
            return
        assert [refused.reason[:21] for refused in done.refused] == ["the server refused it"]
        assert done.refused[0].offset > 0
        assert "secret-word" not in repr(done.refused)
        assert done.rows == 2
    attacked.check()


@pytest.mark.parametrize("name", CLIENT)
def test_client_commands_mean_nothing_to_a_server(attacked: Attacked, name: str) -> None:
    with pytest.raises(DbauditError, match=r"at byte \d+ \(line \d+\).*\(1064\)"):
        attacked.run(CLIENT[name], Filter.OFF)
    attacked.check()


def test_values_that_look_like_attacks_are_rows(server: Server, schema_name: str, tmp_path: Path) -> None:
    values = ",".join(
        f"({number},'{attack.replace(chr(39), chr(92) + chr(39))}')" for number, attack in enumerate(ATTACKS.values())
    )
    index = read_counts(opened(tmp_path, HEAD + table("t", f"VALUES {values}".encode()) + FOOT))
    done = restore(index, server, {"shop": schema_name})
    assert done.refused == ()
    assert done.rows == len(ATTACKS)
