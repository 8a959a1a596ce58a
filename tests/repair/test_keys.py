"""Walks along any key: several columns, character, binary, case-insensitive, enumerations, ties; and their plans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from dbaudit.change import Delete, Update
from dbaudit.check import Tables
from dbaudit.errors import DbauditError
from dbaudit.repair import run as runs
from dbaudit.repair.apply import apply
from dbaudit.repair.chunk import Bounds, Chunker
from dbaudit.repair.closure import closure_of, foreign_keys
from dbaudit.repair.limits import Limits
from dbaudit.repair.pace import Pace
from dbaudit.repair.plan import make_plan
from dbaudit.repair.retract import undo
from dbaudit.repair.target import Target, open_target
from dbaudit.repair.throttle import Throttle
from dbaudit.repair.walk import along, among, text_of
from dbaudit.repair.walker import Ask, Rows, Walker, asking, check_plan
from dbaudit.repair.work import Part, Work
from dbaudit.schema.read import read_live

Execute = Callable[..., list[tuple[Any, ...]]]
ROWS = 67
# A key's columns, and the values of row n as SQL; whatever n, no two rows are the same.
KEYS = {
    "integer": ("a INT NOT NULL", "a", "n - 60"),
    "unsigned": ("a BIGINT UNSIGNED NOT NULL", "a", "18446744073709551615 - n"),
    "two": ("a INT NOT NULL, b INT NOT NULL", "a, b", "n % 7, n"),
    "mixed": ("a VARCHAR(20) NOT NULL, b INT NOT NULL, c CHAR(3) NOT NULL", "a, b, c", "CONCAT('x', n % 3), n % 11, n"),
    "text": ("a VARCHAR(64) CHARACTER SET utf8 NOT NULL", "a", "CONCAT('тест-%', CHAR(97 + n % 26), n)"),
    "case-insensitive": (
        "a VARCHAR(20) CHARACTER SET utf8 COLLATE utf8_general_ci NOT NULL", "a", "CONCAT(IF(n % 2, 'Ab', 'aB'), n)",
    ),
    "latin1": ("a VARCHAR(20) CHARACTER SET latin1 NOT NULL", "a", "CONCAT(_latin1 x'e9', n)"),
    "binary": ("a VARBINARY(20) NOT NULL", "a", "UNHEX(CONCAT('00FF27', LPAD(HEX(n), 4, '0')))"),
    "enumeration": (
        "a ENUM('zeta', 'alpha', 'it''s') NOT NULL, b INT NOT NULL", "a, b",
        "ELT(1 + n % 3, 'zeta', 'alpha', 'it''s'), n",
    ),
    "decimal": ("a DECIMAL(20, 6) NOT NULL", "a", "n / 64"),
    "time": ("a DATETIME(6) NOT NULL", "a", "'2013-01-01 00:00:00.123456' + INTERVAL n MINUTE"),
}  # fmt: skip


def marked(t: Tables) -> Any:
    return select(t.keyed).where(t.keyed.c.mark == 1)


DROP = Work("keys.drop", (Part("drop", "keyed", marked, Delete(absence=False)),))
MARK = Work("keys.mark", (Part("mark", "keyed", marked, Update(lambda t: {"mark": 2})),))


def make(execute: Execute, definition: str, key: str, values: str) -> None:
    columns, numbers = f"{definition}, mark INT, words VARCHAR(20)", (f"SELECT {n} AS n" for n in range(ROWS))
    execute(
        f"CREATE TABLE keyed ({columns}, PRIMARY KEY ({key})) ENGINE=InnoDB DEFAULT CHARSET=utf8",
        "SET sql_mode = ''",
        f"INSERT INTO keyed SELECT {values}, n % 2, 'w' FROM ({' UNION ALL '.join(numbers)}) every",
    )


@pytest.mark.parametrize("kind", list(KEYS))
def test_every_row_is_met_once(
    kind: str, target: Target, execute: Execute, contents: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MOST_ROWS", 5)
    monkeypatch.setattr("dbaudit.repair.walker.STRETCH_FIRST", 13)
    monkeypatch.setattr("dbaudit.repair.walker.STRETCH_LEAST", 7)
    monkeypatch.setattr("dbaudit.repair.walker.STRETCH_MOST", 23)
    make(execute, *KEYS[kind])
    before = contents()
    for work in (MARK, DROP):
        done = apply(work, target, Throttle(), Limits())
        assert (done.rows, done.chunks > 5) == (ROWS // 2, True)
        assert execute("SELECT COUNT(*) FROM keyed WHERE mark = 1") == [(0,)]
        assert undo(target, str(done.run), Throttle()).restored == ROWS // 2
        assert contents() == before


def chunker(target: Target, execute: Execute) -> Chunker:
    with target.session() as connection:
        schema = read_live(connection, target.database)
        closure = closure_of(DROP.parts[0], schema, foreign_keys(connection, target.database), target)
    return Chunker(DROP.parts[0], closure, target.journal, Tables(schema), Bounds())


def test_ties_of_an_index_that_is_not_unique_do_not_stop_the_walk(target: Target, execute: Execute) -> None:
    make(execute, *KEYS["text"])
    execute("ALTER TABLE keyed ADD KEY by_words (words)")
    found = chunker(target, execute)
    found.key = along(found.closure.root.table, "by_words")
    assert found.key.columns == ("words", "a")
    with target.session() as connection:

        def read(look: Callable[[Ask], Rows]) -> Rows:
            with connection.cursor() as cursor:
                return look(asking(cursor))

        walker = Walker(found, read, Pace(most=5, least=5), 0.2, end=("w", "тест-%z999"), total=ROWS)
        walker.reading = Pace(most=7, least=7)
        met = [key for each in walker._stretches() for key in each.keys]
    assert len(met) == len(set(met)) == ROWS // 2


def test_a_statement_that_would_read_the_whole_table_is_refused(target: Target, execute: Execute) -> None:
    make(execute, *KEYS["text"])
    found = chunker(target, execute)
    with target.session() as connection, connection.cursor() as cursor:
        ask = asking(cursor)
        for good in (
            found.stretch(("тест-%a26",), ("zzz",), 10),
            found.candidates(None, ("zzz",), 5),
            found.locking([("a",)]),
        ):
            check_plan(ask, good, found)
        with pytest.raises(DbauditError, match="read the whole of `keyed`"):
            check_plan(ask, text_of(select(found.table.c.a).where(found.table.c.words > "a")), found)


def test_a_scan_of_the_whole_key_is_refused_where_single_rows_are_to_be_locked(
    target: Target, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbaudit.repair.walker.FEW", 100)
    make(execute, *KEYS["integer"])
    for doubled in range(5):  # 67 rows become 2,144
        execute(f"INSERT INTO keyed SELECT a + {1000 * 2**doubled}, mark, words FROM keyed")
    execute("ANALYZE TABLE keyed")
    found = chunker(target, execute)
    with target.session() as connection, connection.cursor() as cursor:
        ask = asking(cursor)
        check_plan(ask, found.locking([(str(n),) for n in range(2_000)]), found, 2_000)
        every = text_of(select(found.table.c.a).with_hint(found.table, found.key.hint, "mysql").order_by("a"))
        check_plan(ask, every, found)
        with pytest.raises(DbauditError, match="read the whole of `keyed`"):
            check_plan(ask, every, found, 10)


@pytest.mark.server("mysql>=5.7")
def test_a_short_memory_of_the_optimizer_makes_no_scan(target: Target, execute: Execute) -> None:
    make(execute, *KEYS["two"])
    (usual,) = execute("SELECT @@global.range_optimizer_max_mem_size")[0]
    execute("SET GLOBAL range_optimizer_max_mem_size = 1000")
    try:
        again = open_target(target.url, target.journal.schema)
        with again.session() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@session.range_optimizer_max_mem_size")
            assert cursor.fetchone() == ("0",)
        assert apply(DROP, again, Throttle(), Limits()).rows == ROWS // 2
    finally:
        execute(f"SET GLOBAL range_optimizer_max_mem_size = {usual}")


@pytest.mark.parametrize("kind", ["two", "mixed"])
def test_what_keys_share_is_said_once(kind: str, target: Target, execute: Execute) -> None:
    make(execute, *KEYS[kind])
    with target.session() as connection:
        table = Tables(read_live(connection, target.database)).keyed
        columns = [table.c[name] for name in KEYS[kind][1].split(", ")]
        with connection.cursor() as cursor:
            cursor.execute(*text_of(select(*columns).order_by(*columns)))
            every = [tuple(row) for row in cursor.fetchall()]
            chosen = every[::3]
            statement, values = text_of(select(*columns).where(among(columns, chosen)).order_by(*columns))
            cursor.execute(statement, values)
            assert [tuple(row) for row in cursor.fetchall()] == chosen
    assert statement.count(f"keyed.{columns[0].name} = ") == len({key[0] for key in chosen}) < len(chosen)


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ("a INT", "no primary key"),
        ("a FLOAT NOT NULL PRIMARY KEY", "has no order"),
        ("a VARCHAR(100) NOT NULL, PRIMARY KEY (a(10))", "a part of a column"),
    ],
)
def test_what_cannot_be_walked_is_refused(definition: str, reason: str, target: Target, execute: Execute) -> None:
    execute(f"CREATE TABLE keyed (mark INT, {definition}) ENGINE=InnoDB")
    with target.session() as connection, pytest.raises(DbauditError, match=reason):
        make_plan(DROP, target, connection)
