"""A rendered script, applied to a real server, leaves nothing to tell; and so does the way back."""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
from pathlib import Path

import pymysql
import pytest

from dbaudit.dump.index import read_layout
from dbaudit.dump.source import open_dump
from dbaudit.migration.catalogue import reference
from dbaudit.release import release
from dbaudit.schema.alter import alter
from dbaudit.schema.alter_script import MODE, script
from dbaudit.schema.diff import diff
from dbaudit.schema.loss import fits
from dbaudit.schema.model import Schema
from dbaudit.schema.read import read_live, read_schema
from dbaudit.schema.statement import Statement
from dbaudit.server.server import Server
from tests import matrix
from tests.schema.mutations import NEWER, check, computed_column, event, mutants, routine, trigger, view

SERVICES = ("keystone", "cinder", "nova", "glance")
RELEASES = ("grizzly", "havana", "icehouse", "juno", "kilo")
STEPS = [(service, *pair) for service in SERVICES for pair in itertools.pairwise(RELEASES)]


def shipped(service: str, name: str) -> Schema:
    schema = reference(service, release(name))
    assert schema is not None
    return schema


def load(server: Server, schema: Schema, database: str) -> None:
    """An empty database with that schema, foreign keys last."""
    server.drop_database(database)
    server.create_database(database, schema.charset or "utf8", schema.collation)
    run(server, database, alter(Schema(charset=schema.charset), schema))


def run(server: Server, database: str, statements: tuple[Statement, ...]) -> None:
    connection = server.admin(database)
    with connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = %s", (MODE,))
        for each in statements:
            if each.possible:
                try:
                    cursor.execute(each.sql)
                except pymysql.MySQLError as error:
                    raise AssertionError(f"{error}: {each.sql}") from error


def live(server: Server, database: str) -> Schema:
    connection = server.admin(database)
    with connection:
        return read_live(connection, database)


def turn(server: Server, database: str, goal: Schema, at: Schema | None = None) -> Schema:
    """Make the database the goal by the statements that are rendered, and look at what is left; gives what is there.

    `at` is what was there before, where that was read already.
    """
    statements = alter(at or live(server, database), goal)
    run(server, database, statements)
    now = live(server, database)
    assert diff(now, goal) == (), [each.sql for each in statements]
    return now


@pytest.mark.parametrize(("service", "old", "new"), STEPS)
def test_a_release_becomes_the_next_and_itself_again(
    server: Server, schema_name: str, service: str, old: str, new: str
) -> None:
    before, after = shipped(service, old), shipped(service, new)
    load(server, before, schema_name)
    loaded = live(server, schema_name)
    assert diff(loaded, before) == ()
    turn(server, schema_name, before, turn(server, schema_name, after, loaded))


@pytest.mark.parametrize("service", ["keystone", "cinder"])
def test_each_of_many_changes_is_made_and_taken_back(server: Server, schema_name: str, service: str) -> None:
    base = shipped(service, "havana")
    load(server, base, schema_name)
    base = at = live(server, schema_name)
    without = frozenset(NEWER) if server.version.vendor == "mysql" and server.version.numbers < (8,) else frozenset()
    for mutant in mutants(f"alter {service}", base, 30 - len(without), without):
        assert diff(base, mutant), "a change that is none"
        at = turn(server, schema_name, base, turn(server, schema_name, mutant, at))


@pytest.mark.heavy
@pytest.mark.parametrize(("service", "old", "new"), STEPS)
def test_without_what_loses_data_the_rest_applies(
    server: Server, schema_name: str, service: str, old: str, new: str
) -> None:
    before, after = shipped(service, old), shipped(service, new)
    load(server, before, schema_name)
    at = live(server, schema_name)
    for two in (after, before):
        run(server, schema_name, tuple(each for each in alter(at, two) if not each.loses))
        at = live(server, schema_name)
        rest = [each for each in alter(at, two) if not each.loses]
        assert rest == []
        at = turn(server, schema_name, two, at)


CLIENT = shutil.which("mariadb") or shutil.which("mysql")


@pytest.mark.server("mariadb")
@pytest.mark.skipif(CLIENT is None, reason="there is no mysql client here")
def test_the_script_runs_in_the_client_and_so_does_its_way_back(server: Server, schema_name: str) -> None:
    before, after = shipped("keystone", "juno"), shipped("keystone", "kilo")
    dice = random.Random(1)
    for change in (trigger, routine, event, view, computed_column, check):
        after = change(dice, after) or after
    load(server, before, schema_name)
    text = script(before, after, ("juno", "kilo"), allow_loss=True)
    forward, _, back = text.partition("-- The way back")
    back = "".join(f"{line.removeprefix('--').removeprefix(' ')}\n" for line in back.splitlines()[2:])
    for sql, goal in ((forward, after), (back, before)):
        client(server, schema_name, sql)
        assert diff(live(server, schema_name), goal) == (), sql


def client(server: Server, database: str, sql: str) -> None:
    account = server._endpoint.admin
    words = [str(CLIENT), "--no-defaults", f"--user={account.user}", *matrix.reach(server), database]
    done = subprocess.run(
        words, input=sql.encode(), env={"MYSQL_PWD": account.password}, capture_output=True, check=False
    )
    assert done.returncode == 0, f"{done.stderr.decode()}\n{sql}"


def test_what_loses_data_is_marked_and_commented_out() -> None:
    before, after = shipped("nova", "havana"), shipped("nova", "icehouse")
    text = script(before, after, ("a", "b"))
    assert "\n-- loses data: drops table dump_migrations with its rows\n-- DROP TABLE `dump_migrations`;\n" in text
    assert "commented out; --allow-loss writes them as statements." in text
    assert "\nDROP TABLE `dump_migrations`;\n" in script(before, after, ("a", "b"), allow_loss=True)
    assert script(before, before, ("a", "b")) == "-- From a to b.\n-- Nothing differs.\n"


@pytest.mark.parametrize(
    ("old", "new", "fit"),
    [
        ("int(11)", "bigint(20)", True), ("bigint(20)", "int(11)", False), ("int(10) unsigned", "int(11)", False),
        ("int(10) unsigned", "bigint(20)", True), ("varchar(9)", "varchar(10)", True),
        ("varchar(10)", "varchar(9)", False),
        ("varchar(255)", "text", True), ("text", "varchar(255)", False), ("text", "mediumtext", True),
        ("char(9)", "varchar(9)", True), ("varchar(9)", "char(9)", False), ("longtext", "text", False),
        ("enum('a','b')", "enum('a','b','c')", True), ("enum('a','b')", "enum('b','a')", False),
        ("decimal(9,2)", "decimal(10,2)", True), ("decimal(9,2)", "decimal(10,4)", False),
        ("datetime(6)", "datetime", False),
        ("datetime", "datetime(6)", True), ("varchar(9)", "int(11)", False), ("float", "double", False),
        ("tinyint(1)", "int", True), ("varchar(20000)", "text", False),
    ],
)  # fmt: skip
def test_which_types_hold_which(old: str, new: str, fit: bool) -> None:
    assert fits(old, new) is fit


LOCAL = (
    "cinder-backport", "cinder-latin1", "cinder-never", "keystone-benign", "keystone-clash-index", "nova-archived-bdm",
    "nova-dups", "nova-mixed-benign", "nova-netdb",
)  # fmt: skip


@pytest.mark.server("mariadb")
@pytest.mark.parametrize("variant", LOCAL)
def test_a_sites_database_becomes_its_release_and_itself_again(
    corpus: Path, server: Server, schema_name: str, variant: str
) -> None:
    dump = corpus / "local" / f"{variant}-grizzly.sql.gz"
    entry = read_layout(open_dump(str(dump), dump.parent)).database(None)
    theirs = read_schema(None, "utf8", None, [table.create for table in entry.tables])
    load(server, theirs, schema_name)
    loaded = live(server, schema_name)
    assert diff(loaded, theirs) == ()
    shipped_now = turn(server, schema_name, shipped(variant.partition("-")[0], "grizzly"), loaded)
    turn(server, schema_name, theirs, shipped_now)
