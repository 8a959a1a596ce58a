"""The laws that every check obeys, on a real server.

1 it finds exactly the rows that its fixture marks; 2 it finds nothing in a healthy database. The laws of repairs are
in `test_laws_of_repair`.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dbaudit import packs
from dbaudit.audit import audit, run, split
from dbaudit.check import Audited, Check
from dbaudit.dryrun.rows import reader
from dbaudit.finding import Finding, Skipped
from dbaudit.migration.catalogue import load_catalogue, reference, reference_at
from dbaudit.migration.structure import stages
from dbaudit.release import Release, release
from dbaudit.schema.model import Schema, Table
from dbaudit.schema.read import read_live
from dbaudit.schema.render import render
from dbaudit.server.server import Server

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
CHECKS = [check for service in packs.services() for check in packs.checks(service)]
GRIZZLY = release("grizzly")
# Tables that a fixture fills, changes or makes.
TOUCHED = re.compile(r"^\s*(?:INSERT INTO|ALTER TABLE|CREATE TABLE(?: IF NOT EXISTS)?)\s+`?(\w+)", re.MULTILINE)
MARK = re.compile(r"^(?P<sql>INSERT .*?);\s*-- finds: (?P<ids>[\w., -]+)$", re.MULTILINE)


def fixture_of(check: Check) -> Path:
    return FIXTURES / check.service / f"{check.module.rpartition('.')[2]}.sql"


def versions_before(check: Check) -> dict[str, int]:
    """Where the database stands when the check runs: just before its step, else at its first release or Grizzly."""
    catalogue = load_catalogue(check.service)
    assert catalogue
    at = dict(catalogue.releases[max(GRIZZLY, check.releases.first or GRIZZLY)])
    if check.before is not None:
        at[check.before.repository] = int(check.before.version) - 1
    return at


class Kept:
    """Databases of reference schemas: from one check to the next only tables that differ or had rows are made anew."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._there: dict[str, dict[str, Table]] = {}

    @contextlib.contextmanager
    def database(self, service: str, at: dict[str, int], rows: str) -> Iterator[tuple[str, frozenset[str]]]:
        """Its name, and the tables that it has: empty, and as the reference has them."""
        schema, name = reference_at(service, at), f"laws_{service}_{os.getpid()}"
        assert schema is not None
        there = self._there.pop(service, None)  # a test that fails leaves nothing to the next one
        if there is None:
            self._server.drop_database(name)
            self._server.create_database(name, "utf8mb4")
            there = {}
        gone = {each for each, table in there.items() if schema.tables.get(each) != table}
        while more := {each for each, table in there.items() if each not in gone and refers(table, there, gone)}:
            gone |= more
        self._drop(name, gone)
        yield name, frozenset(there.keys() - gone)
        filled = set(TOUCHED.findall(rows))
        self._drop(name, filled)
        self._there[service] = {each: table for each, table in schema.tables.items() if each not in filled}

    def _drop(self, name: str, tables: Collection[str]) -> None:
        with contextlib.closing(self._server.admin(name)) as connection, connection.cursor() as cursor:
            cursor.execute("SET foreign_key_checks = 0")
            for table in sorted(tables):
                cursor.execute(f"DROP TABLE IF EXISTS `{table}`")

    def close(self) -> None:
        for service in packs.services():
            self._server.drop_database(f"laws_{service}_{os.getpid()}")


def refers(table: Table, there: Collection[str], gone: Collection[str]) -> bool:
    """Whether a table refers to one that is to be made anew."""
    return any(key.referred_table in gone or key.referred_table not in there for key in table.foreign_keys)


@pytest.fixture(scope="module")
def kept(server: Server) -> Iterator[Kept]:
    databases = Kept(server)
    yield databases
    databases.close()


@contextlib.contextmanager
def audited(
    server: Server, name: str, service: str, at: dict[str, int], rows: str, target: Release,
    there: Collection[str] = (),
) -> Iterator[Audited]:  # fmt: skip
    """A database of a reference schema with the rows of a fixture, as a check is handed it; tables may be `there`."""
    schema = reference_at(service, at)
    assert schema is not None
    load(server, name, replace(schema, tables={k: v for k, v in schema.tables.items() if k not in there}), rows)
    account = server.restricted([name])
    catalogue = load_catalogue(service)
    assert catalogue
    with contextlib.closing(server.connect(account, name)) as connection, reader(server, account, name) as query:
        live = replace(read_live(connection, name), charset="utf8", collation=None)
        with connection.cursor() as cursor:
            counts = {table: count(cursor, table) for table in live.tables}
        pending = stages(live, catalogue.pending(at, target))
        yield Audited(service, live, GRIZZLY, target, query, pending, counts)


@contextlib.contextmanager
def beside(server: Server, schema: str, check: Check, service: str) -> Iterator[Audited]:
    """The database of another service, with the rows of the fixture's file for it."""
    name = f"{service}_{schema[-8:]}"
    catalogue = load_catalogue(service)
    assert catalogue
    server.create_database(name, "utf8")
    try:
        rows = fixture_of(check).with_suffix(f".{service}.sql").read_text()
        with audited(server, name, service, dict(catalogue.releases[GRIZZLY]), rows, GRIZZLY) as other:
            yield other
    finally:
        server.drop_database(name)


def count(cursor: object, table: str) -> int:
    cursor.execute(f"SELECT COUNT(*) FROM `{table}`")
    return int(cursor.fetchone()[0])


def load(server: Server, name: str, schema: Schema, rows: str) -> None:
    with contextlib.closing(server.admin(name)) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0")
        statements = re.split(r";[^\n]*\n", render(schema, "fixture") + "\n" + rows)
        for statement in statements:
            text = re.sub(r"^\s*(?:--.*)?$", "", statement, flags=re.MULTILINE).strip()
            if text:
                cursor.execute(text)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_every_check_has_a_fixture(check: Check) -> None:
    text = fixture_of(check).read_text()
    assert f"finds: {check.id}" in text


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_finds_exactly_the_marked_rows(check: Check, server: Server, schema_name: str, kept: Kept) -> None:
    text = fixture_of(check).read_text()
    marked = [match["sql"] for match in MARK.finditer(text) if check.id in match["ids"]]
    target, at = release("kilo"), versions_before(check)
    with contextlib.ExitStack() as stack:
        name, there = stack.enter_context(kept.database(check.service, at, text))
        context = stack.enter_context(audited(server, name, check.service, at, text, target, there))
        others = {each: stack.enter_context(beside(server, schema_name, check, each)) for each in check.beside}
        findings, skipped = split(run(check, replace(context, beside=others)))
    assert skipped == ()
    assert sum(finding.count for finding in findings) == len(marked)
    for key in {key for finding in findings for key in finding.keys}:
        parts = key.split(" ")
        assert any(all(f"'{part}'" in sql for part in parts) for sql in marked), f"{key} is not marked"


@pytest.mark.parametrize("service", ["keystone", "cinder", "nova", "glance"])
def test_finds_nothing_in_a_healthy_database(service: str, server: Server, schema: str) -> None:
    catalogue = load_catalogue(service)
    assert catalogue
    at = dict(catalogue.releases[GRIZZLY])
    text = (FIXTURES / service / "clean.sql").read_text()
    with audited(server, schema, service, at, text, release("havana")) as context:
        outcomes: list[Finding | Skipped] = list(audit(context))
    assert outcomes == []


@pytest.mark.parametrize("service", ["keystone", "cinder", "nova", "glance"])
def test_references_exist(service: str) -> None:
    assert reference(service, GRIZZLY) is not None


@pytest.mark.parametrize("check", [*CHECKS, *packs.checks(packs.STEPS)], ids=lambda check: check.id)
def test_documentation_has_its_parts(check: Check) -> None:
    for part in ("What is wrong:", "Why it matters:", "How it came about:", "Repair:"):
        assert part in check.documentation
    assert check.remedy
