"""A revision that is written runs through Alembic, forward and back, and leaves nothing to tell."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from dbaudit.schema.alembic_script import revision
from dbaudit.schema.diff import diff
from dbaudit.schema.model import Schema
from dbaudit.server.server import Server
from tests.schema.mutations import NEWER, mutants
from tests.schema.test_alter import RELEASES, SERVICES, live, load, shipped

pytestmark = pytest.mark.heavy

STEPS = [(service, *pair) for service in SERVICES for pair in itertools.pairwise(RELEASES)]


def run(server: Server, database: str, script: str, function: str) -> None:
    names: dict[str, Callable[[], None]] = {}
    exec(compile(script, "revision.py", "exec"), names)  # noqa: S102 - the script is ours
    url = server.url(server.restricted([database]), database)
    engine = sa.create_engine(url, connect_args={"ssl_disabled": True})  # else it reads the machine's certificates
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        names[function]()
    engine.dispose()


def there_and_back(server: Server, database: str, one: Schema, two: Schema) -> str:
    script = revision(one, two, ("one", "two"), allow_loss=True)
    run(server, database, script, "upgrade")
    assert diff(live(server, database), two) == (), script
    run(server, database, script, "downgrade")
    assert diff(live(server, database), one) == (), script
    return script


@pytest.mark.parametrize(("service", "old", "new"), STEPS)
def test_a_release_becomes_the_next_and_itself_again(
    server: Server, schema_name: str, service: str, old: str, new: str
) -> None:
    load(server, shipped(service, old), schema_name)
    there_and_back(server, schema_name, live(server, schema_name), shipped(service, new))


@pytest.mark.no_cover  # long, along lines that others take too
@pytest.mark.parametrize("service", ["glance"])
def test_each_of_many_changes_is_made_and_taken_back(server: Server, schema_name: str, service: str) -> None:
    load(server, shipped(service, "havana"), schema_name)
    base = live(server, schema_name)
    without = frozenset(NEWER) if server.version.vendor == "mysql" and server.version.numbers < (8,) else frozenset()
    for mutant in mutants(f"alembic {service}", base, 30 - len(without), without):
        there_and_back(server, schema_name, base, mutant)


def test_what_loses_data_is_commented_out_unless_allowed() -> None:
    before, after = shipped("nova", "havana"), shipped("nova", "icehouse")
    script = revision(before, after, ("a", "b"))
    assert "\n    # op.drop_table('dump_migrations')\n" in script
    assert "\n    # loses data: drops table dump_migrations with its rows\n" in script
    assert "\n    op.drop_table('dump_migrations')\n" in revision(before, after, ("a", "b"), allow_loss=True)
    assert revision(after, after, ("a", "b")).count("    pass\n") == 2
