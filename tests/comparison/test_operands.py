"""Every kind of operand is read into the same schema, and no password is ever shown."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import URL

from dbaudit.comparison.compare import compare
from dbaudit.comparison.live import Credentials, complete, parse
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.comparison.option_file import read_option_file
from dbaudit.comparison.side import Side
from dbaudit.comparison.snapshot import snapshot
from dbaudit.errors import DbauditError, UsageError
from dbaudit.migration.catalogue import reference
from dbaudit.release import release
from dbaudit.schema.alter import alter
from dbaudit.schema.model import Schema
from dbaudit.schema.render import render_table
from dbaudit.server.server import Server

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "fixtures" / "dumps" / "cinder-grizzly.sql.gz"
Read = Callable[..., Side]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def call(operand: object, database: str | None = None, **credentials: object) -> Side:
        return read_operand(str(operand), Reading(tmp_path, database, Credentials(**credentials)))

    return call


def havana() -> Schema:
    schema = reference("cinder", release("havana"))
    assert schema is not None
    return schema


@pytest.fixture
def live(server: Server, schema_name: str) -> URL:
    """A live database with the schema of cinder Havana; the URL holds a password."""
    server.create_database(schema_name, "utf8")
    with server.admin(schema_name) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        for statement in alter(Schema(), havana()):
            cursor.execute(statement.sql)
        cursor.execute("INSERT INTO migrate_version VALUES ('cinder', '/x', 21)")
    return server.url(server.restricted([schema_name]), schema_name)


def test_a_dump_knows_its_service_and_release(read: Read) -> None:
    side = read(SAMPLE)
    assert (side.what, side.service, str(side.release), side.versions.numbers) == (
        "dump", "cinder", "grizzly", {"cinder": 9},
    )  # fmt: skip
    assert side.complete and side.data is not None and side.faults == ()


@pytest.mark.parametrize(
    ("operand", "at", "numbers"),
    [
        ("nova@havana", "havana", {"nova": 216}),
        ("nova@216", "havana", {"nova": 216}),
        ("nova@186", "grizzly", {"nova": 186}),
        ("keystone@60", "juno", {"keystone": 60, "revoke": 2}),
        ("nova_api@kilo", "kilo", {"nova_api": 2}),
    ],
)
def test_references(read: Read, operand: str, at: str, numbers: dict[str, int]) -> None:
    side = read(operand)
    assert (side.what, str(side.release), dict(side.versions.numbers)) == ("reference", at, numbers)
    assert len(side.schema.tables) >= 3


@pytest.mark.parametrize("operand", ["nova@999", "nova@160", "heat@12", "nova@liberty", "nova@nonsense"])
def test_references_that_are_not_there_name_those_that_are(read: Read, operand: str) -> None:
    with pytest.raises(UsageError) as raised:
        read(operand)
    assert any(word in raised.value.hint for word in ("161 to 280", "nova (", "known releases"))


def test_the_same_number_by_release_and_by_deltas(read: Read) -> None:
    assert compare(read("cinder@havana"), read("cinder@21")).different == ()


def test_a_folder_of_sql_files(read: Read, tmp_path: Path) -> None:
    folder = tmp_path / "schema"
    folder.mkdir()
    for name, table in havana().tables.items():
        (folder / f"{name}.sql").write_text(render_table(table) + ("" if name == "volumes" else ";\n"))
    (folder / "README.md").write_text("nothing to see")
    side = read(folder)
    assert side.what == "folder" and side.faults == ()
    assert compare(side, read("cinder@havana")).different == ()
    (folder / "copy.sql").write_text(render_table(havana().tables["volumes"]) + ";")
    (fault,) = read(folder).faults
    assert (fault.id, fault.object) == ("changed-later", "volumes")
    assert fault.place is not None and fault.place.file == "volumes.sql"


def test_a_mydumper_directory(read: Read, tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    folder.mkdir()
    (folder / "metadata").write_text("# Started dump at: 2024-01-01\n# Finished dump at: 2024-01-01\n")
    for name, table in havana().tables.items():
        (folder / f"cinder.{name}-schema.sql").write_text(render_table(table) + ";\n")
    side = read(folder)
    assert (side.what, side.schema.name, side.complete) == ("mydumper directory", "cinder", True)
    assert compare(side, read("cinder@havana")).different == ()


def test_a_live_database_and_its_dump_are_equal(read: Read, live: URL, tmp_path: Path) -> None:
    side = read(live.render_as_string(hide_password=False))
    assert side.faults == ()
    assert (side.what, side.service, str(side.release)) == ("live database", "cinder", "havana")
    assert compare(side, read("cinder@havana")).different == ()
    assert live.password and live.password not in f"{side.operand}{side!r}{side.label}"
    (tmp_path / "snap.sql").write_text(snapshot(side))
    again = read(tmp_path / "snap.sql")
    assert compare(side, again).judged == ()
    assert snapshot(again) == snapshot(side)


def test_a_live_database_by_configuration_and_option_file(read: Read, live: URL, tmp_path: Path) -> None:
    assert live.password and live.username
    bare = live.render_as_string(hide_password=False).replace(f":{live.password}@", "@")
    file = tmp_path / "my.cnf"
    file.write_text(f"[mysqld]\npassword=wrong\n[client]\nuser = nobody\npassword = '{live.password}'\n")
    options = read_option_file(file)
    assert read(bare, options=options).schema.tables.keys() == havana().tables.keys()
    assert read(bare, password=live.password).schema.tables.keys() == havana().tables.keys()
    text = live.render_as_string(hide_password=False).replace("$", "$$").replace(live.username, "$who")
    configuration = tmp_path / "cinder.conf"
    configuration.write_text(
        f"# cinder\n[DEFAULT]\nwho = {live.username}\ndebug = true\n[database]\nconnection = {text}\n"
    )
    side = read(configuration)
    assert (side.operand, side.service) == (str(configuration), "cinder")
    assert live.password not in repr(side)


def test_what_a_server_refuses_is_told_without_the_password(read: Read, live: URL) -> None:
    wrong = live.set(password="s3cret-and-wrong").render_as_string(hide_password=False)
    with pytest.raises(DbauditError) as raised:
        read(wrong)
    assert "s3cret" not in f"{raised.value.what}{raised.value.hint}"
    assert "--ask-password" in raised.value.hint
    with pytest.raises(DbauditError, match=r"no database nowhere|denied"):
        read(live.render_as_string(hide_password=False), database="nowhere")


@pytest.mark.parametrize("url", ["mysql+pymysql://root:s3cret@", "postgresql://u:s3cret@h/x", "mysql+pymysql://u@h"])
def test_urls_that_name_no_database_of_mysql(read: Read, url: str) -> None:
    with pytest.raises(DbauditError) as raised:
        read(url)
    assert "s3cret" not in raised.value.what


def test_what_a_url_leaves_open_comes_from_the_option_file() -> None:
    options = {"user": "ann", "password": "p", "host": "db", "port": "3307", "unix_socket": "/s"}
    url = complete(parse("mysql:///nova"), Credentials(options))
    assert (url.username, url.password, url.host, url.port) == ("ann", "p", "db", 3307)
    url = complete(parse("mysql:///nova"), Credentials({"unix_socket": "/s"}))
    assert url.query == {"unix_socket": "/s"}
    url = complete(parse("mysql://bob:q@other/nova"), Credentials(options))
    assert (url.username, url.password, url.host, url.port) == ("bob", "q", "other", None)
    assert complete(parse("mysql://bob:q@h/nova"), Credentials(options, "asked")).password == "asked"


def test_option_files_include_others(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.cnf").write_text('[client]\npassword="a#b"\n')
    (tmp_path / "my.cnf").write_text("!includedir more\n[client]\nuser=ann # me\nport\n[mysql]\nuser=bob\n")
    assert read_option_file(tmp_path / "my.cnf") == {"password": "a#b", "user": "ann"}
    with pytest.raises(DbauditError, match="cannot be read"):
        read_option_file(tmp_path / "absent.cnf")


def test_a_configuration_without_a_database(read: Read, tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text("[DEFAULT]\ndebug = true\n")
    with pytest.raises(DbauditError, match="says no database"):
        read(tmp_path / "x.conf")


def test_several_databases_want_a_name(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "two.sql"
    create = "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB;\n"
    path.write_text(f"CREATE DATABASE `a`;\nUSE `a`;\n{create}CREATE DATABASE `b`;\nUSE `b`;\n{create}")
    with pytest.raises(UsageError, match="holds 2 databases: a, b"):
        read(path)
    assert read(path, "b").schema.name == "b"


def test_compressed_and_plain_are_the_same(read: Read, tmp_path: Path) -> None:
    plain = tmp_path / "plain.sql"
    plain.write_bytes(gzip.decompress(SAMPLE.read_bytes()))
    assert compare(read(plain), read(SAMPLE)).judged == ()
