"""The comparison as a whole: it swallows nothing, invents nothing, and reads what servers and their clients write."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dbaudit.comparison.compare import compare
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.dump.index import read_layout
from dbaudit.dump.source import open_dump
from dbaudit.migration.catalogue import reference
from dbaudit.release import release
from dbaudit.schema.alter import alter
from dbaudit.schema.diff import diff
from dbaudit.schema.difference import Change, Difference, Kind
from dbaudit.schema.model import Schema
from dbaudit.schema.read import read_live, read_schema
from dbaudit.server.server import Server
from tests import matrix
from tests.schema.mutations import CHANGES, NEWER, mutants, no_column, no_table

SERVICES = ("keystone", "cinder", "nova", "glance")
RELEASES = ("grizzly", "havana", "icehouse", "juno", "kilo")
PAIRS = [(service, *pair) for service in SERVICES for pair in itertools.pairwise(RELEASES)]


def shipped(service: str, name: str) -> Schema:
    schema = reference(service, release(name))
    assert schema is not None
    return schema


@pytest.mark.no_cover  # the same lines, thousands of times
@pytest.mark.parametrize("service", SERVICES)
def test_of_many_mutations_over_all_kinds_each_is_found_and_nothing_else(service: str) -> None:
    at = shipped(service, "havana")
    for mutant in mutants(f"trust {service}", at, 130):
        found = diff(at, mutant)
        assert len(found) == 1, found
        assert diff(mutant, at) == (found[0].reversed(),)
        assert diff(mutant, mutant) == ()


@pytest.mark.no_cover  # long, along lines that others take too
def test_nothing_of_the_corpus_differs_from_itself(corpus: Path) -> None:
    dumps = sorted(path for path in corpus.rglob("*.sql*") if path.parts[-3] != "steps")
    assert len(dumps) > 80
    for path in dumps:
        index = read_layout(open_dump(str(path), path.parent))
        schema = read_schema(None, "utf8", None, [table.create for table in index.databases[0].tables])
        assert diff(schema, schema) == (), path.name
        assert alter(schema, schema) == (), path.name


def net(entries: list[dict[str, Any]], old: str, new: str) -> dict[tuple[object, ...], list[str]]:
    """What the measured steps between two releases did to each object, in order; keys by columns, not by names."""
    found: dict[tuple[object, ...], list[str]] = {}

    def note(change: str, *key: object) -> None:
        found.setdefault(key, []).append(change)

    for entry in entries:
        if not release(old) < release(entry["release"]) <= release(new):
            continue
        for table in entry["tables_added"]:
            note("added", Kind.TABLE, table["table"])
        for table in entry["tables_dropped"]:
            note("removed", Kind.TABLE, table if isinstance(table, str) else table["table"])
        for change, word in (("added", "added"), ("removed", "dropped"), ("changed", "changed")):
            for each in entry[f"columns_{word}"]:
                note(change, Kind.COLUMN, each["table"], each["column"])
        for change, word in (("removed", "dropped"), ("added", "added")):
            for each in entry[f"indexes_{word}"]:
                note(change, Kind.INDEX, each["table"], ",".join(each["columns"]))
            for each in entry[f"foreign_keys_{word}"]:
                note(change, Kind.FOREIGN_KEY, each["table"], ",".join(each["columns"]))
    return found


def places(each: Difference, left: Schema, right: Schema) -> Iterator[tuple[object, ...]]:
    """The object as `net` calls it; an index that changed its columns is one that went and one that came."""
    if each.kind is Kind.TABLE:
        yield each.kind, each.table
    elif each.kind is Kind.COLUMN:
        yield each.kind, each.table, each.name
    elif each.kind is Kind.INDEX:
        for schema in (left, right):
            for index in (one for one in schema.tables[str(each.table)].indexes if one.name == each.name):
                parts = (f"{part.column}({part.length})" if part.length else str(part.column) for part in index.parts)
                yield each.kind, each.table, ",".join(parts)
    else:
        table = (left if each.change is Change.REMOVED else right).tables[str(each.table)]
        text = str(each.left or each.right)
        key = next(one for one in table.foreign_keys if f"({','.join(f'`{c}`' for c in one.columns)})" in text)
        yield each.kind, each.table, ",".join(key.columns)


@pytest.mark.parametrize(("service", "old", "new"), PAIRS)
def test_consecutive_releases_differ_in_what_their_steps_did(corpus: Path, service: str, old: str, new: str) -> None:
    steps = net(json.loads((corpus / "steps" / f"{service}.json").read_text()), old, new)
    left, right = shipped(service, old), shipped(service, new)
    found = [each for each in diff(left, right) if not each.harmless]
    seen = {place for each in found for place in places(each, left, right)}
    assert seen <= set(steps), "a difference that no step made"
    both = left.tables.keys() & right.tables.keys()
    for key, changes in steps.items():
        if key in seen or (key[0] is not Kind.TABLE and key[1] not in both):
            continue
        # Not told: what came and went again, and the index that a server makes for a foreign key.
        undone = {"added", "removed"} <= set(changes) or changes == ["changed", "changed"]
        implicit = key[0] is Kind.INDEX and any(
            ",".join(fk.columns) == key[2] for s in (left, right) for fk in s.tables[str(key[1])].foreign_keys
        )
        assert undone or implicit, (key, changes)


def clients(server: Server) -> Iterator[list[str]]:
    """The client that writes dumps of this server: MariaDB's, or the one of MySQL 9; none here reads MySQL 5.6."""
    if server.version.vendor == "mariadb":
        yield from ([found] for name in ("mariadb-dump", "mysqldump") if (found := shutil.which(name)))
    elif server.version.at_least(mysql=(9,)) and (unpacked := matrix.unpacked("mysql:9", "mysqldump")):
        yield [str(unpacked)]


def dumped(server: Server, database: str, path: Path) -> None:
    """The database as its own client dumps it, without rows."""
    tool = next(clients(server), None)
    if tool is None:
        pytest.skip(f"no client here that dumps {server.version.name}")
    words = [
        "--no-defaults",
        "-uroot",
        "--no-data",
        "--routines",
        "--events",
        "--triggers",
        *matrix.reach(server),
    ]
    account = server._endpoint.admin
    done = subprocess.run(
        [*tool, *words, f"--user={account.user}", f"--result-file={path}", database],
        env={"MYSQL_PWD": account.password}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()


def load(server: Server, database: str, schema: Schema) -> Schema:
    server.create_database(database, "utf8")
    with server.admin(database) as connection, connection.cursor() as cursor:
        for statement in alter(Schema(), schema):
            cursor.execute(statement.sql)
        return read_live(connection, database)


@pytest.mark.parametrize("name", RELEASES)
@pytest.mark.parametrize("service", SERVICES)
def test_dumped_with_the_servers_own_client_it_is_its_reference(
    server: Server, schema_name: str, tmp_path: Path, service: str, name: str
) -> None:
    load(server, schema_name, shipped(service, name))
    dumped(server, schema_name, tmp_path / "x.sql")
    sides = (read_operand(each, Reading(tmp_path)) for each in (f"{service}@{name}", str(tmp_path / "x.sql")))
    found = compare(*sides)
    assert found.judged == () and found.right.faults == ()


@pytest.mark.parametrize("seed", range(6))
def test_a_random_schema_loaded_dumped_and_read_back_is_the_same(
    server: Server, schema_name: str, tmp_path: Path, seed: int
) -> None:
    """Some thirty changes of all kinds on top of each other; first as the server says it, then as its client does."""
    dice = random.Random(seed)
    schema = shipped(SERVICES[seed % 4], "icehouse")
    old = server.version.vendor == "mysql" and server.version.numbers < (8,)
    drawn = dice.sample([each for each in CHANGES if not (old and each in NEWER)], 20)
    # What goes goes first: no view or trigger is left without its table.
    for change in sorted(drawn, key=lambda each: each not in (no_table, no_column)):
        schema = change(dice, schema) or schema
    live = load(server, schema_name, schema)
    assert diff(schema, live) == ()
    dumped(server, schema_name, tmp_path / "x.sql")
    again = read_operand(str(tmp_path / "x.sql"), Reading(tmp_path))
    assert again.faults == ()
    assert [each for each in diff(live, again.schema) if each.kind is not Kind.DATABASE] == []
