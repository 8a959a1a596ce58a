"""What is observed of a step, on each server of the matrix: what was really done, and nothing that was not seen."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dbaudit.migration.observation import Observed, Observer
from dbaudit.record import RowsRecord, StepRecord
from dbaudit.server.choose import start
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
from dbaudit.server.server import Server
from tests import matrix

ROWS = 20_000
OWN = "observed_"


@pytest.fixture(scope="module")
def program(request: pytest.FixtureRequest) -> Path:
    """A server program for each server of the matrix."""
    if not (found := matrix.program(request.param)):
        pytest.skip(f"there is no server program of {request.param} on this machine")
    return found


@pytest.fixture(scope="module")
def watched(places: Places, program: Path) -> Iterator[Server]:
    """A server that was started to be observed."""
    with start("private", places=places, needs=Needs(64 << 20, 16 << 20, observe=True), binary=program) as server:
        yield server


@pytest.fixture
def observe(watched: Server, request: pytest.FixtureRequest) -> Iterator[Callable[..., StepRecord]]:
    """Runs statements as one step in a database of 20,000 volumes, and gives its record."""
    name = f"{OWN}{abs(hash(request.node.nodeid)) % 10**9}"
    watched.create_database(name, "utf8")
    account = watched.restricted([name])
    run(watched, name, [
        "CREATE TABLE v (id INT AUTO_INCREMENT PRIMARY KEY, size INT, name VARCHAR(100), note TEXT) ENGINE=InnoDB",
        "INSERT INTO v (size, name) VALUES (1, REPEAT('x', 90)), (2, 'y')",
        *["INSERT INTO v (size, name, note) SELECT size, name, note FROM v"] * 13,
        f"INSERT INTO v (size, name) SELECT 1, 'z' FROM v LIMIT {ROWS - 2**14}",
        "CREATE TABLE c (id INT PRIMARY KEY, v_id INT, FOREIGN KEY (v_id) REFERENCES v (id) ON DELETE CASCADE)"
        " ENGINE=InnoDB",
        "INSERT INTO c VALUES (1, 1), (2, 2)",
        "CREATE TABLE other (id INT PRIMARY KEY) ENGINE=InnoDB",
    ])  # fmt: skip
    observers = []

    def step(*statements: str, texts: tuple[str, ...] | None = None) -> StepRecord:
        observer = Observer(watched, account, name)
        observers.append(observer)
        with observer.watching() as observed, contextlib.closing(watched.connect(account, name)) as connection:
            cursor = connection.cursor()
            cursor.execute("SET SESSION sql_mode = ''")
            for statement in statements:
                with contextlib.suppress(Exception):
                    cursor.execute(statement)
        step.observed = observed
        return observed.record(1.0, texts)

    yield step
    for observer in observers:
        observer.close()
    watched.drop_database(name)


def run(server: Server, schema: str, statements: list[str]) -> None:
    with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_rows_are_counted_by_table_and_in_all(observe: Callable[..., StepRecord]) -> None:
    record = observe(
        "UPDATE v SET size = size + 1 ORDER BY id LIMIT 100", "DELETE FROM other", "INSERT INTO other VALUES (1)"
    )
    assert record.rows is not None and record.total is not None
    assert (record.rows["v"].updated, record.rows["other"].inserted) == (100, 1)
    assert "c" not in {name for name, rows in record.rows.items() if rows.changed}
    assert (record.total.updated, record.total.inserted) == (100, 1)
    assert record.touched == {"v", "other"}
    assert record.schema == () and record.ddl == ()
    assert record.statements == 5
    assert record.server_seconds is not None and 0 < record.server_seconds < 60
    assert any("UPDATE" in each.text and each.rows == 100 for each in record.slowest)
    assert record.redo_bytes is not None and record.redo_bytes > 100 * 20


def test_a_copying_alter_counts_the_rows_it_copied(observe: Callable[..., StepRecord]) -> None:
    record = observe("ALTER TABLE v MODIFY size BIGINT")
    assert record.rows is not None and record.ddl is not None and record.bytes is not None
    assert record.rows["v"] == RowsRecord(read=ROWS, inserted=ROWS)
    (ddl,) = record.ddl
    assert (ddl.table, ddl.algorithm, ddl.lock, ddl.rebuilt) == ("v", "COPY", "SHARED", True)
    assert record.schema is not None and len(record.schema) == 1
    assert record.schema[0].startswith("changed column v.size: type int")
    assert record.redo_bytes is not None and record.redo_bytes > ROWS * 20
    assert record.temporary_bytes is not None
    before, after = record.bytes["v"]
    assert before and after and after > ROWS * 20


def test_how_each_alter_was_done(observe: Callable[..., StepRecord], watched: Server) -> None:
    instant = watched.version.at_least(mysql=(8, 0, 29), mariadb=(10, 3, 2))
    adding = observe("ALTER TABLE v ADD COLUMN host VARCHAR(20)").ddl
    assert adding and adding[0].algorithm == ("INSTANT" if instant else "INPLACE")
    assert adding[0].rebuilt is (not instant)
    indexing = observe("CREATE INDEX by_name ON v (name)").ddl
    assert indexing and (indexing[0].table, indexing[0].algorithm, indexing[0].rebuilt) == ("v", "INPLACE", False)
    forcing = observe("ALTER TABLE v FORCE").ddl
    assert forcing and (forcing[0].algorithm, forcing[0].rebuilt) == ("INPLACE", True)
    dropping = observe("DROP INDEX by_name ON v").ddl
    assert dropping and dropping[0].rebuilt is False
    assert dropping[0].algorithm == ("INPLACE or INSTANT" if instant else "INPLACE")
    creating = observe("CREATE TABLE fresh (id INT) ENGINE=InnoDB").ddl
    assert creating and (creating[0].algorithm, creating[0].as_dict()["lock"]) == ("", None)


def test_two_changes_of_which_one_is_instant_are_not_guessed(
    observe: Callable[..., StepRecord], watched: Server
) -> None:
    if not watched.version.at_least(mysql=(8, 0, 29), mariadb=(10, 3, 2)):
        pytest.skip("this server has no INSTANT")
    record = observe("ALTER TABLE v ADD COLUMN host INT", "ALTER TABLE v ALTER size SET DEFAULT 3")
    assert record.ddl is not None
    assert [each.algorithm for each in record.ddl] == ["INPLACE or INSTANT"] * 2


@pytest.mark.server("mysql>=8", "mariadb")
def test_the_lock_of_an_alter_that_lasts_is_seen(observe: Callable[..., StepRecord], watched: Server) -> None:
    grown = ["INSERT INTO v (size, name) SELECT size, name FROM v"] * 4
    observe(*grown)
    record = observe("ALTER TABLE v ADD INDEX (name, size)")
    assert record.ddl
    if record.ddl[0].seconds > 1:  # else it may have ended between two looks
        assert record.ddl[0].lock == "NONE"
    assert record.temporary_bytes is not None and record.temporary_bytes > 0


def test_what_may_have_changed(observe: Callable[..., StepRecord]) -> None:
    assert observe("DELETE FROM v WHERE id = 1").touched == {"v", "c"}  # a cascade, which no counter shows
    assert observe("ALTER TABLE v AUTO_INCREMENT = 5000000").touched == {"v"}
    assert observe("RENAME TABLE other TO renamed").touched == {"other", "renamed"}
    assert observe("TRUNCATE TABLE c").touched == {"c"}
    assert observe("CREATE TABLE n LIKE v", "DROP TABLE c").touched == {"n", "v", "c"}
    assert observe("SELECT COUNT(*) FROM v").touched == frozenset()


def test_what_a_procedure_does_may_be_anything(observe: Callable[..., StepRecord]) -> None:
    record = observe("CREATE PROCEDURE p() UPDATE v SET size = 0 WHERE id = 5", "CALL p()")
    assert record.touched is None
    assert record.schema == ("added routine PROCEDURE p",) or record.schema == ("added routine p",)


def test_warnings_are_counted_and_missing_texts_told(observe: Callable[..., StepRecord], watched: Server) -> None:
    cutting = "ALTER TABLE v MODIFY name VARCHAR(10)"
    record = observe(cutting)
    assert record.warnings is not None
    assert record.warnings.count > 1000
    assert record.warnings.statements == ((cutting, record.warnings.count),)
    # MariaDB keeps the texts of an ALTER in its log of slow statements, up to a thousand; others keep none.
    kept = 1000 if watched.version.vendor == "mariadb" else 0
    assert (len(record.warnings.texts), record.warnings.missing) == (kept, record.warnings.count - kept)
    assert all(text.startswith("Warning 1265: Data truncated for column 'name'") for text in record.warnings.texts)
    record = observe("UPDATE v SET name = 'longer than ten' WHERE id = 3", texts=("(1265) Data truncated",))
    assert record.warnings is not None
    assert (record.warnings.count, record.warnings.missing) == (1, 0)


def test_the_failing_statement_is_told_without_its_values(observe: Callable[..., StepRecord]) -> None:
    observe("INSERT INTO v (id, name) VALUES (1, 'secret-value')")
    observed: Observed = observe.observed
    assert observed.failure is not None
    assert "(1062)" in observed.failure and "INSERT INTO `v`" in observed.failure
    assert "secret-value" not in observed.failure


def test_dbauditor_does_not_count_itself(observe: Callable[..., StepRecord]) -> None:
    record = observe()
    assert record.statements == 2  # SET NAMES and sql_mode, of the test
    assert record.rows is not None and not any(rows.changed for rows in record.rows.values())


def test_more_statements_than_the_history_holds(observe: Callable[..., StepRecord]) -> None:
    record = observe(*["DO 1"] * 20_100, "CREATE TABLE late (id INT) ENGINE=InnoDB")
    assert record.statements == 20_103
    assert record.schema == ("added table late",)
    assert record.touched is None
    assert any(line.startswith("ddl: 1") for line in record.not_observed)


def test_a_server_without_performance_schema_says_what_is_missing(server: Server, schema: str) -> None:
    account = server.restricted([schema])
    with Observer(server, account, schema) as observer:
        with observer.watching() as observed, contextlib.closing(server.connect(account, schema)) as connection:
            connection.cursor().execute("CREATE TABLE t (id INT) ENGINE=InnoDB")
        record = observed.record(0.1)
    told = {line.partition(":")[0] for line in record.not_observed}
    assert {"server_seconds", "statements", "rows", "ddl", "warnings"} <= told
    assert (record.rows, record.ddl, record.warnings, record.touched) == (None, None, None, None)
    assert record.schema == ("added table t",)
    assert record.redo_bytes


def test_what_a_step_costs_the_machine(observe: Callable[..., StepRecord], watched: Server) -> None:
    record = observe("UPDATE v SET note = REPEAT('x', 2000)", "DO BENCHMARK(1000000, SHA2('x', 256))")
    assert record.cpu_seconds is not None and record.server_seconds is not None
    assert 0 < record.cpu_seconds < 60
    assert record.written_bytes is not None and record.written_bytes > ROWS * 500
    slowest = {each.text.split()[0]: each for each in record.slowest}
    assert slowest["UPDATE"].examined >= ROWS and slowest["UPDATE"].rows == ROWS
    assert 0 < slowest["UPDATE"].longest <= slowest["UPDATE"].seconds


def test_an_empty_step_changes_nothing(observe: Callable[..., StepRecord]) -> None:
    """What the observer itself does between two steps counts for none."""
    record = observe("DO 1")
    assert record.touched == frozenset()
    assert record.rows == {} and record.schema == ()
    assert record.cpu_seconds is not None and record.cpu_seconds < 1
