"""What every throwaway server does, whichever it is: accounts that are a boundary, schemas, URLs."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import replace

import pymysql
import pytest
import sqlalchemy

from dbaudit.errors import DbauditError
from dbaudit.server.place import Places
from dbaudit.server.server import Account, Server, grant_pattern, quoted


def ask(
    server: Server, sql: str, account: Account | None = None, database: str | None = None
) -> list[tuple[object, ...]]:
    opened = server.connect(account, database) if account else server.admin(database)
    with contextlib.closing(opened) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def value(server: Server, variable: str) -> str:
    return str(ask(server, f"SHOW GLOBAL VARIABLES LIKE '{variable}'")[0][1])


@pytest.fixture
def guest(server: Server, schema: str) -> Iterator[Account]:
    return server.restricted([schema])


def test_the_version_is_the_servers_own(server: Server) -> None:
    assert server.version.text.split("-")[0] in str(ask(server, "SELECT VERSION()")[0][0])
    assert server.version.name in server.label


def test_a_schema_gets_what_is_asked_and_is_made_once(server: Server, schema_name: str) -> None:
    server.create_database(schema_name, "latin1", "latin1_bin")
    found = ask(server, "SELECT @@character_set_database, @@collation_database", database=schema_name)
    assert found == [("latin1", "latin1_bin")]
    with pytest.raises(DbauditError, match=f"cannot create the schema {schema_name}"):
        server.create_database(schema_name)
    server.drop_database(schema_name)
    server.drop_database(schema_name)


def test_an_account_may_do_everything_in_its_schema(server: Server, schema: str, guest: Account) -> None:
    with contextlib.closing(server.connect(guest, schema)) as connection, connection.cursor() as cursor:
        for statement in (
            "CREATE TABLE t (a INT PRIMARY KEY)",
            "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = NEW.a + 1",
            "CREATE VIEW v AS SELECT a FROM t",
            "CREATE FUNCTION f() RETURNS INT RETURN (SELECT COUNT(*) FROM t)",
            "CREATE PROCEDURE p() INSERT INTO t VALUES (1)",
            "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t",
            "CALL p()",
            "LOCK TABLES t WRITE",
            "ALTER TABLE t ADD b INT",
            "UNLOCK TABLES",
            "SELECT a, f() FROM t",
        ):
            cursor.execute(statement)
        assert cursor.fetchall() == ((2, 1),)


def test_an_account_may_drop_and_make_its_schema(server: Server, schema: str, guest: Account) -> None:
    ask(server, f"DROP DATABASE {quoted(schema)}", guest)
    ask(server, f"CREATE DATABASE {quoted(schema)}", guest)


def test_an_account_has_no_right_beside(server: Server, schema: str, guest: Account) -> None:
    grants = [str(row[0]) for row in ask(server, "SHOW GRANTS", guest)]
    assert len(grants) == 2
    assert grants[0].startswith("GRANT USAGE ON *.*")
    assert "ALL PRIVILEGES ON" in grants[1] and "GRANT OPTION" not in grants[1]
    shown = {str(row[0]) for row in ask(server, "SHOW DATABASES", guest)}
    assert shown - {"performance_schema"} == {"information_schema", schema}


@pytest.mark.parametrize(
    "attack",
    [
        "CREATE DATABASE elsewhere",
        "CREATE USER mallory IDENTIFIED BY 'x'",
        "GRANT ALL ON *.* TO CURRENT_USER()",
        "SELECT 1 INTO OUTFILE '/tmp/dbaudit-must-not-exist'",
        "LOAD DATA INFILE '/etc/passwd' INTO TABLE t",
        "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t",
        "SET GLOBAL local_infile = 1",
        "SET GLOBAL event_scheduler = ON",
        "SET GLOBAL general_log = ON",
        "SELECT * FROM mysql.user",
        "UPDATE mysql.db SET Db = '%'",
        "INSTALL PLUGIN connect SONAME 'ha_connect.so'",
        "CREATE FUNCTION sys_exec RETURNS INT SONAME 'lib_mysqludf_sys.so'",
        "CREATE TABLE f (a INT) ENGINE=FEDERATED CONNECTION='mysql://u@127.0.0.1/d/t'",
        "CREATE TABLE f (a INT) ENGINE=CONNECT TABLE_TYPE=CSV FILE_NAME='/etc/passwd'",
        "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1')",
        "CREATE DEFINER=root@localhost PROCEDURE q() DELETE FROM mysql.user",
        "SHUTDOWN",
        "KILL 1",
    ],
)
def test_an_account_cannot_reach_out(server: Server, schema: str, guest: Account, attack: str) -> None:
    with contextlib.closing(server.connect(guest, schema)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a TEXT)")
        cursor.execute("SET sql_mode = CONCAT(@@sql_mode, ',NO_ENGINE_SUBSTITUTION')")
        with pytest.raises((pymysql.MySQLError, RuntimeError)):
            cursor.execute(attack)


def test_an_account_reads_no_file(server: Server, guest: Account) -> None:
    assert ask(server, "SELECT LOAD_FILE('/etc/passwd')", guest) == [(None,)]


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
def test_an_account_writes_no_file_elsewhere(
    server: Server, schema: str, guest: Account, engine: str, places: Places
) -> None:
    if server.kind == "container" or server.socket is None:
        pytest.skip("the files of that server are not on this machine")
    elsewhere = places.tmp / schema
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    with contextlib.suppress(pymysql.MySQLError):  # refused, or accepted without the directory
        ask(server, f"CREATE TABLE l (a INT) ENGINE={engine} DATA DIRECTORY='{elsewhere}'", guest, schema)
    assert list(elsewhere.rglob("*")) == []


def test_underscores_in_a_schemas_name_are_no_pattern(server: Server, schema: str, guest: Account) -> None:
    like = schema.replace("_", "x", 1)
    assert like != schema
    with pytest.raises(pymysql.MySQLError):
        ask(server, f"CREATE DATABASE {quoted(like)}", guest)
    assert grant_pattern("a_b%c\\d`e") == "`a\\_b\\%c\\\\d``e`"


def test_the_same_schemas_give_the_same_account(server: Server, schema: str) -> None:
    first = server.restricted([schema, "not_there"])
    assert server.restricted(["not_there", schema]) == first
    assert server.restricted([schema]) != first
    assert first.password not in repr(first)
    ask(server, "CREATE DATABASE not_there", first)
    server.drop_database("not_there")


def test_odd_names_get_rights_too(server: Server) -> None:
    name = "odd % name_`with` \\ 'things'"
    account = server.restricted([name])
    try:
        ask(server, f"CREATE DATABASE {quoted(name).replace('%', '%%')}".replace("%%", "%"), account)
        assert ask(server, "SELECT 1", account, name) == [(1,)]
    finally:
        server.drop_database(name)


def test_sqlalchemy_gets_there_by_the_url(server: Server, schema: str, guest: Account) -> None:
    engine = sqlalchemy.create_engine(server.url(guest, schema))
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT DATABASE()")).scalar() == schema
    engine.dispose()
    assert guest.password not in str(server.url(guest, schema))


def test_the_server_reaches_out_of_itself_nowhere(server: Server) -> None:
    if server.kind == "url":
        pytest.skip("a server by URL has the settings of its owner")
    assert value(server, "local_infile") == "OFF"
    assert value(server, "event_scheduler") == "OFF"
    engines = {row[0]: row[1] for row in ask(server, "SHOW ENGINES")}
    assert {engines.get(name, "NO") for name in ("FEDERATED", "CONNECT", "SPIDER")} == {"NO"}


def test_it_is_alive_and_keeps_a_log(server: Server) -> None:
    assert server.alive()
    if server.kind != "url":
        assert server.log_tail(50)  # what a session's server said last depends on the tests before this one


def test_by_network_it_is_encrypted_and_no_certificate_is_read(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    if not server.address:
        pytest.skip("this server has a socket only, which needs no TLS")

    def read() -> None:
        raise AssertionError("certificates are read")

    monkeypatch.setattr(ssl, "create_default_context", read)
    by_network = replace(server._endpoint, socket=None)
    with contextlib.closing(by_network.connect(by_network.admin)) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        ((_, cipher),) = cursor.fetchall()
    assert bool(cipher) or not server.version.at_least(mysql=(8, 0))  # which makes a certificate of its own
