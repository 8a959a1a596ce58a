"""Addresses in restored data lead to the throwaway or nowhere before any step runs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dbaudit.errors import DbauditError
from dbaudit.migration.command_runner import Command, CommandRunner
from dbaudit.migration.confine import Network
from dbaudit.migration.door import Door
from dbaudit.migration.endpoints import Rewritten, rewrite_endpoints
from dbaudit.migration.runner import Target, version_step
from dbaudit.migration.tool import Surroundings
from dbaudit.server.server import Account, Server

Tool = Callable[..., str]

CELL_MAPPINGS = """
    CREATE TABLE cell_mappings (id INT PRIMARY KEY AUTO_INCREMENT, uuid VARCHAR(36) NOT NULL, name VARCHAR(255),
        transport_url TEXT NOT NULL, database_connection TEXT NOT NULL, UNIQUE KEY (uuid))
"""


def rows(server: Server, schema: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
    with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return list(cursor.fetchall())


@pytest.fixture
def cell(server: Server, schema: str) -> Iterator[str]:
    """The schema that nova's cell database was restored into, beside nova_api's, which is `schema`."""
    name = f"{schema[:50]}_cell"
    server.drop_database(name)
    server.create_database(name)
    yield name
    server.drop_database(name)


@pytest.fixture
def door(server: Server, tmp_path: Path) -> Iterator[Door]:
    with Door(server, tmp_path / "run") as opened:
        yield opened


def add_cell(server: Server, schema: str, name: str, broker: str, database: str) -> None:
    insert = "INSERT INTO cell_mappings (uuid, name, transport_url, database_connection) VALUES (%s, %s, %s, %s)"
    rows(server, schema, insert, name, name, broker, database)


def rewrite(server: Server, restored: dict[str, str], door: Door, account: Account) -> tuple[Rewritten, ...]:
    return rewrite_endpoints(server, restored, lambda name: door.url(account, name))


def test_cell_mappings_lead_to_the_throwaway_or_nowhere(server: Server, schema: str, cell: str, door: Door) -> None:
    rows(server, schema, CELL_MAPPINGS)
    add_cell(server, schema, "cell0", "none:///", "mysql+pymysql://nova:p@ss/w0rd@db1/nova_cell0?charset=utf8")
    add_cell(
        server, schema, "cell1", "rabbit://n:s3cret@mq1:5672,n:s3cret@mq2:5672/", "mysql+pymysql://nova:s3cret@db1/nova"
    )
    add_cell(server, schema, "cell2", "", "{scheme}://{username}:{password}@{hostname}:{port}/nova?{query}")
    account = server.restricted([schema, cell])
    done = rewrite(server, {"nova_api": schema, "nova": cell}, door, account)
    stands = rows(server, schema, "SELECT name, transport_url, database_connection FROM cell_mappings ORDER BY id")
    own = door.url(account, cell)
    assert stands == [
        ("cell0", "none:///", "mysql+pymysql://192.0.2.1:1/nova_cell0"),
        ("cell1", "rabbit://192.0.2.1:1/", own),
        ("cell2", "", own),
    ]
    place = f"{schema}.cell_mappings"
    shown = own.replace(f"{account.user}:{account.password}@", "***@").partition("?")[0]
    assert [(each.place, each.before, each.after, each.rows) for each in done] == [
        (
            f"{place}.database_connection",
            "mysql+pymysql://***@db1/nova_cell0",
            "mysql+pymysql://192.0.2.1:1/nova_cell0",
            1,
        ),
        (f"{place}.database_connection", "mysql+pymysql://***@db1/nova", shown, 1),
        (f"{place}.database_connection", "{scheme}://***@{hostname}:{port}/nova", shown, 1),
        (f"{place}.transport_url", "rabbit://***@mq2:5672/", "rabbit://192.0.2.1:1/", 1),
    ]
    assert not any(secret in str(done) for secret in ("s3cret", "w0rd", account.password))
    assert rewrite(server, {"nova_api": schema, "nova": cell}, door, account) == ()


def test_cells_of_grizzly_and_havana(server: Server, schema: str, door: Door) -> None:
    rows(server, schema, "CREATE TABLE cells (id INT, username VARCHAR(255), rpc_host VARCHAR(255), rpc_port INT)")
    rows(
        server, schema, "INSERT INTO cells VALUES (1, 'nova', 'mq1', 5672), (2, 'nova', 'mq1', 5672), (3, 'x', NULL, 1)"
    )
    rows(server, schema, "CREATE TABLE shadow_cells (id INT, transport_url VARCHAR(255) NOT NULL)")
    rows(server, schema, "INSERT INTO shadow_cells VALUES (1, 'qpid://a:b@mq2:5672/')")
    rows(server, schema, "CREATE VIEW looks AS SELECT transport_url FROM shadow_cells")
    done = rewrite(server, {"nova": schema}, door, server.restricted([schema]))
    assert [str(each) for each in done] == [
        f"{schema}.cells.rpc_host: mq1 is now 192.0.2.1",
        f"{schema}.shadow_cells.transport_url: qpid://***@mq2:5672/ is now qpid://192.0.2.1:1/",
    ]
    assert done[0].rows == 2
    kept = rows(server, schema, "SELECT username, rpc_host, rpc_port FROM cells ORDER BY id")
    assert kept == [("nova", "192.0.2.1", 5672), ("nova", "192.0.2.1", 5672), ("x", None, 1)]


def test_what_cannot_be_replaced_stops_the_rehearsal(server: Server, schema: str, door: Door) -> None:
    rows(server, schema, "CREATE TABLE cell_mappings (database_connection VARCHAR(20))")
    rows(server, schema, "INSERT INTO cell_mappings VALUES ('mysql://a:b@c/d')")
    with pytest.raises(DbauditError, match=r"cell_mappings.database_connection: .*too long"):
        rewrite(server, {"nova_api": schema}, door, server.restricted([schema]))


# As nova-manage does: it finds the cells in the database that it is given, and goes to each.
VISITOR = """
    db = connect(URL)
    if words[:2] == ["db", "version"]:
        return version(db)
    for name, url in ask(db, "SELECT name, database_connection FROM cell_mappings ORDER BY id"):
        try:
            say(name, ask(connect(url), "SELECT DATABASE()")[0][0])
        except Exception as error:
            say(name, type(error).__name__)
    sync(db, int(words[2]))
"""


@pytest.mark.parametrize("network", list(Network))
def test_restored_cell_mappings_do_not_lead_to_production(
    tool: Tool,
    cinder: Target,
    cell: str,
    untouched: Server,
    foreign: Account,
    relay: Any,
    door: Door,
    environment: dict[str, str],
    network: Network,
) -> None:
    """With the network cut off and with it allowed: the second server must see no connection in either case."""
    server, schema = cinder.server, cinder.database
    rows(server, schema, CELL_MAPPINGS)
    host, port = relay.address
    login = f"{foreign.user}:{foreign.password}"
    add_cell(server, schema, "cell0", "none:///", f"mysql+pymysql://{login}@{host}:{port}/cinder")
    add_cell(server, schema, "cell1", "none:///", f"mysql+pymysql://{login}@{host}:{port}/nova")
    add_cell(
        server, schema, "cell2", "none:///", untouched.url(foreign, "cinder").render_as_string(hide_password=False)
    )
    account = server.restricted([schema, cell])
    rewrite(server, {"nova_api": schema, "nova": cell}, door, account)
    target = Target(server, account, schema, "cinder", cinder.directory)
    with CommandRunner(Command(tool(VISITOR), Surroundings(environment, network=network)), target) as runner:
        outcome = runner.run(version_step("cinder", 10))
    assert outcome.error is None
    assert outcome.output.read_text().splitlines() == [
        "cell0 OperationalError", f"cell1 {cell}", "cell2 OperationalError",
    ]  # fmt: skip
    assert relay.seen == 0


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_unrewritten_cell_mappings_are_stopped_by_the_namespace(
    tool: Tool,
    cinder: Target,
    untouched: Server,
    foreign: Account,
    relay: Any,
    environment: dict[str, str],
) -> None:
    """The second fence, should the first have a hole."""
    server, schema = cinder.server, cinder.database
    rows(server, schema, CELL_MAPPINGS)
    host, port = relay.address
    add_cell(server, schema, "a", "", f"mysql+pymysql://{foreign.user}:{foreign.password}@{host}:{port}/nova")
    add_cell(server, schema, "b", "", untouched.url(foreign, "nova").render_as_string(hide_password=False))
    with CommandRunner(Command(tool(VISITOR), Surroundings(environment)), cinder) as runner:
        outcome = runner.run(version_step("cinder", 10))
    assert outcome.output.read_text().splitlines() == ["a OperationalError", "b OperationalError"]
    assert relay.seen == 0
