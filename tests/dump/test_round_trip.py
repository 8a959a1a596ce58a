"""What a server holds, its own client dumps, and the index and the rows read back: the same, whatever the options."""

from __future__ import annotations

import contextlib
import gzip
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dbaudit.dump.index import DumpIndex, read_counts
from dbaudit.dump.restore import restore
from dbaudit.dump.rows import read_rows
from dbaudit.dump.source import open_dump
from dbaudit.server.server import Server, quoted
from tests import matrix
from tests.dump.dump_samples import both, rows_of
from tests.examples import examples

CLIENTS = ("mariadb-dump", "mysqldump")
OPTIONS = (
    "--skip-extended-insert", "--complete-insert", "--hex-blob", "--skip-comments", "--compact", "--replace",
    "--insert-ignore", "--skip-disable-keys", "--net-buffer-length=4096", "--single-transaction", "--add-drop-database",
    "--skip-add-locks", "--no-autocommit", "--skip-tz-utc", "--order-by-primary", "--default-character-set=utf8mb4",
)  # fmt: skip
Rows = list[tuple[str | None, bytes | None, int | None]]

# Control characters, quotes, what looks like SQL, and any text.
words = st.sampled_from(
    ["'", '"', "\\", "\n", "\r", "\0", "\x1a", "`", ";", "),(", "');\n", "-- ", "/*", "é", "😀", "INSERT INTO"]
)
strings = st.lists(st.one_of(words, st.text(st.characters(exclude_categories=["Cs"]), max_size=5)), max_size=5).map(
    "".join
)
rows = st.lists(
    st.tuples(st.none() | strings, st.none() | st.binary(max_size=12), st.none() | st.integers(-(2**31), 2**31 - 1)),
    max_size=12,
)
names = st.sampled_from(["t", "order", "a b", "x-y", "é", "values", "it's"])


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    """A client that dumps; skipped, and said so, where it is not installed."""
    found = shutil.which(request.param)
    if found is None:
        pytest.skip(f"{request.param} is not installed, so its dumps are not tested")
    return found


def fill(server: Server, schema: str, tables: dict[str, Rows]) -> None:
    """Make the schema anew with these tables."""
    server.drop_database(schema)
    server.create_database(schema, "utf8mb4")
    with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
        for name, listed in tables.items():
            cursor.execute(f"CREATE TABLE {quoted(name)} (id int PRIMARY KEY, s text, `b` blob, i int)")
            for number, row in enumerate(listed):
                cursor.execute(f"INSERT INTO {quoted(name)} VALUES (%s, %s, %s, %s)", (number, *row))


def dumped(client: str, server: Server, schema: str, options: list[str], path: Path, *, named: bool) -> DumpIndex:
    """The index of what the client writes."""
    with contextlib.closing(server.admin()) as connection:
        user, password = connection.user.decode(), connection.password.decode()
    secret = path.with_suffix(".cnf")
    secret.write_text(f'[client]\nuser="{user}"\npassword="{password}"\n')
    databases = ["--databases", schema] if named else [schema]
    command = [client, f"--defaults-file={secret}", *matrix.reach(server), *options, *databases]
    result = subprocess.run(command, capture_output=True, check=False, timeout=60)
    if result.returncode:
        pytest.skip(f"{client} cannot dump this server: {result.stderr.decode()[-200:]}")
    path.write_bytes(gzip.compress(result.stdout, 1))
    return both(open_dump(str(path), path.parent))


def as_dumped(value: object) -> object:
    """Text and bytes alike: whether a value is a string of text is not in a dump."""
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


# Shrinking a failure takes minutes on a real server; the values are small as they are.
@settings(
    max_examples=examples(4),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    tables=st.dictionaries(names, rows, min_size=1, max_size=3),
    # both of these together make no SQL
    options=st.lists(st.sampled_from(OPTIONS), max_size=4, unique=True).filter(
        lambda chosen: not {"--replace", "--insert-ignore"} <= set(chosen)
    ),
    named=st.booleans(),
)
def test_read_back_and_restored(
    server: Server,
    schema_name: str,
    client: str,
    tmp_path: Path,
    tables: dict[str, Rows],
    options: list[str],
    named: bool,
) -> None:
    fill(server, schema_name, tables)
    index = dumped(client, server, schema_name, options, tmp_path / "dump.sql.gz", named=named)
    assert index.complete
    database = index.databases[0]
    assert rows_of(index, database.name) == {name: len(listed) for name, listed in tables.items()}
    for table in database.tables:
        wanted = [(number, *map(as_dumped, row)) for number, row in enumerate(tables[table.name])]
        found = [tuple(map(as_dumped, row.values())) for row in read_rows(index, database, table)]
        assert sorted(found) == wanted
    copy = f"{schema_name[:50]}_copy"
    server.drop_database(copy)
    try:
        done = restore(index, server, {database.name: copy})
        assert done.refused == ()
        assert contents(server, copy, list(tables)) == contents(server, schema_name, list(tables))
    finally:
        server.drop_database(copy)


def contents(server: Server, schema: str, tables: list[str]) -> list[object]:
    """Every row of every table, and what it is created by."""
    found: list[object] = []
    with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
        for name in tables:
            for query in (f"SELECT * FROM {quoted(name)} ORDER BY id", f"SHOW CREATE TABLE {quoted(name)}"):
                cursor.execute(query)
                found.append(cursor.fetchall())
    return found


def test_mydumper(server: Server, schema: str, tmp_path: Path) -> None:
    program = shutil.which("mydumper")
    if program is None or server.socket is None:
        pytest.skip("mydumper is not installed (or the server has no socket), so its dumps are not tested")
    tables: dict[str, Rows] = {"t": [("a;'\n", b"\0\xff", 1), (None, None, None)], "a b": [("é", b"'", -1)] * 5}
    fill(server, schema, tables)
    with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
        user, password = connection.user.decode(), connection.password.decode()
        cursor.execute("CREATE VIEW v AS SELECT id, s FROM t")
        cursor.execute("CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.i = 'a;b'")
        cursor.execute("CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END")
    for options in ([], ["--compress"], ["--rows=2"]):
        folder = tmp_path / f"out{len(options)}{options[-1:]}"
        command = [program, "-S", str(server.socket), "-u", user, "-p", password, "-B", schema, "-o", str(folder)]
        subprocess.run([*command, "-R", "-G", *options], check=True, capture_output=True, timeout=60)
        index = both(open_dump(str(folder), tmp_path))
        assert (index.tool, index.complete) == ("mydumper", True)
        assert rows_of(index) == {"t": 2, "a b": 5}
        database = index.database(None)
        assert [[each.name for each in kind] for kind in (database.views, database.triggers, database.routines)] == [
            ["v"], ["tr"], ["p"]
        ]  # fmt: skip
        copy = f"{schema[:50]}_copy"
        try:
            assert restore(read_counts(index.dump), server, {schema: copy}).refused == ()
            assert contents(server, copy, list(tables)) == contents(server, schema, list(tables))
        finally:
            server.drop_database(copy)
