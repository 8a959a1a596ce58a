"""A rendered script, applied to a real server, leaves nothing to tell; and so does the way back."""

from __future__ import annotations

import itertools

import pymysql
import pytest

from dbaudit.migration.catalogue import reference
from dbaudit.release import release
from dbaudit.schema.alter import Statement, alter
from dbaudit.schema.alter_script import MODE
from dbaudit.schema.diff import diff
from dbaudit.schema.model import Schema
from dbaudit.schema.read import read_live
from dbaudit.server.server import Server
from tests.schema.mutations import NEWER, mutants

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


def turn(server: Server, database: str, goal: Schema) -> None:
    """Make the database the goal by the statements that are rendered, and look at what is left."""
    statements = alter(live(server, database), goal)
    run(server, database, statements)
    left = diff(live(server, database), goal)
    assert left == (), [each.sql for each in statements]


@pytest.mark.parametrize(("service", "old", "new"), STEPS)
def test_a_release_becomes_the_next_and_itself_again(
    server: Server, schema_name: str, service: str, old: str, new: str
) -> None:
    before, after = shipped(service, old), shipped(service, new)
    load(server, before, schema_name)
    assert diff(live(server, schema_name), before) == ()
    turn(server, schema_name, after)
    turn(server, schema_name, before)


@pytest.mark.parametrize("service", ["keystone", "cinder"])
def test_each_of_many_changes_is_made_and_taken_back(server: Server, schema_name: str, service: str) -> None:
    base = shipped(service, "havana")
    load(server, base, schema_name)
    base = live(server, schema_name)
    without = frozenset(NEWER) if server.version.vendor == "mysql" and server.version.numbers < (8,) else frozenset()
    for mutant in mutants(f"alter {service}", base, 30 - len(without), without):
        assert diff(base, mutant), "a change that is none"
        turn(server, schema_name, mutant)
        turn(server, schema_name, base)
