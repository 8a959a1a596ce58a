"""The rebuild: living rows in a new table, the old one untouched, whatever was killed when."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import pytest
from sqlalchemy import make_url

from dbaudit.repair.target import open_target
from dbaudit.repair.throttle import Throttle
from dbaudit.server.server import Server
from dbaudit.tokens.opened import Wish, open_flush
from dbaudit.tokens.rebuild import Rebuild
from dbaudit.tokens.renewal import rebuild
from dbaudit.tokens.run import Run
from tests.cli.conftest import Dbaudit
from tests.tokens.conftest import Execute
from tests.tokens.databases import GRIZZLY, HAVANA, NOW, TOKENS
from tests.tokens.test_archive import fill

pytestmark = pytest.mark.heavy

LIVING = ["edge", "living", "never", "never-invalid", "revoked"]


def ids(execute: Execute, table: str = "token") -> list[str]:
    return [row[0] for row in execute(f"SELECT id FROM {table} ORDER BY id")]


@pytest.mark.parametrize("ddl", [(GRIZZLY,), HAVANA], ids=["grizzly", "havana"])
def test_living_rows_in_a_new_table(
    dbaudit: Dbaudit, execute: Execute, url: str, journal: str, ddl: tuple[str, ...]
) -> None:
    execute(*ddl, "ALTER TABLE token COMMENT = 'it''s ours; really'", TOKENS)
    whole, shown = execute("SELECT * FROM token ORDER BY id"), execute("SHOW CREATE TABLE token")
    words = ("tokens", "flush", url, "--before", NOW, "--rebuild", "--journal-schema", journal)
    plan = dbaudit(*words)
    assert plan.code == 0, plan.err
    assert plan.out.index("to take the swap back: RENAME TABLE") < plan.out.index("REBUILD")
    assert execute("SHOW TABLES") == [("token",)]
    ran = dbaudit(*words, "--apply", "--format", "json")
    assert ran.code == 0, ran.err
    told = ran.json["flush"]["rebuild"]
    assert told["others"] is None  # this account sees its own connections alone
    assert told["verified"] == {"rows": 5, "missing": 0, "differing": 0, "newer": 0}
    assert ids(execute) == LIVING
    assert execute("SHOW CREATE TABLE token") == shown
    assert execute(f"SELECT * FROM {told['old_table']} ORDER BY id") == whole
    execute(told["reverse"])
    assert execute("SELECT * FROM token ORDER BY id") == whole


@pytest.mark.parametrize(
    "obstacle",
    [
        "CREATE TRIGGER site AFTER INSERT ON token FOR EACH ROW SET @x = 1",
        "CREATE TABLE other (id VARCHAR(64) PRIMARY KEY, FOREIGN KEY (id) REFERENCES token (id)) "
        "ENGINE=InnoDB DEFAULT CHARSET=utf8",
        "CREATE VIEW mine AS SELECT id FROM token",
    ],
)
def test_what_would_stay_with_the_old_table_refuses_it(
    dbaudit: Dbaudit, execute: Execute, url: str, journal: str, obstacle: str
) -> None:
    execute(*HAVANA, obstacle, TOKENS)
    ran = dbaudit("tokens", "flush", url, "--before", NOW, "--rebuild", "--apply", "--journal-schema", journal)
    assert ran.code == 66, ran.out
    assert "--rebuild" in ran.err
    assert len(ids(execute)) == 8


def test_killed_after_the_swap_it_goes_on(dbaudit: Dbaudit, execute: Execute, url: str, journal: str) -> None:
    execute(*HAVANA, TOKENS)
    execute(
        "CREATE TABLE fresh LIKE token",
        "ALTER TABLE fresh COMMENT = 'dbaudit rebuild, old rows in token_old_1;mine'",
        "INSERT INTO fresh SELECT * FROM token WHERE id IN ('edge', 'revoked')",
        "UPDATE fresh SET valid = 1",
        "RENAME TABLE token TO token_old_1, fresh TO token",
    )
    ran = dbaudit(
        "tokens", "flush", url, "--before", NOW, "--rebuild", "--apply", "--journal-schema", journal, "--format", "json"
    )
    assert ran.code == 0, ran.err
    assert ran.json["flush"]["rebuild"]["resumed"]
    assert ran.json["flush"]["rebuild"]["replayed"] == 4
    assert ids(execute) == LIVING
    assert execute("SELECT valid FROM token WHERE id = 'revoked'") == [(0,)]
    assert "COMMENT='mine'" in execute("SHOW CREATE TABLE token")[0][1]


def test_killed_while_copying_it_begins_anew(dbaudit: Dbaudit, execute: Execute, url: str, journal: str) -> None:
    execute(*HAVANA, TOKENS)
    execute("CREATE TABLE token_dbaudit_new LIKE token", "INSERT INTO token_dbaudit_new SELECT * FROM token LIMIT 2")
    words = ("tokens", "flush", url, "--before", NOW, "--rebuild", "--apply", "--journal-schema", journal)
    assert dbaudit(*words).code == 66  # it is not known to be ours
    execute("ALTER TABLE token_dbaudit_new COMMENT = 'dbaudit rebuild, old rows in token_old_1;'")
    assert dbaudit(*words).code == 0
    assert ids(execute) == LIVING


def test_what_is_written_meanwhile_is_not_lost(
    dbaudit: Dbaudit, execute: Execute, url: str, journal: str, server: Server, schema: str
) -> None:
    execute(*HAVANA)
    fill(execute, 5_000)
    execute(f"GRANT PROCESS ON *.* TO {open_target(make_url(url)).account}")
    stop, made, revoked = threading.Event(), [], []

    def write() -> None:
        with contextlib.closing(server.admin(schema)) as connection, connection.cursor() as cursor:
            while not stop.is_set():
                name = f"{len(made):x}w{time.monotonic_ns():x}"
                cursor.execute("INSERT INTO token VALUES (%s, '2014-01-01', 'x', 1, NULL, NULL)", (name,))
                made.append(name)
                # In the moment after the swap a row may not be there yet; the writer is told so.
                revoke = "UPDATE token SET valid = 0 WHERE id = %s"
                if len(made) % 3 == 0 and cursor.execute(revoke, (made[-2],)):
                    revoked.append(made[-2])

    writer = threading.Thread(target=write)
    writer.start()
    ran = dbaudit("tokens", "flush", url, "--before", NOW, "--rebuild", "--apply", "--journal-schema", journal)
    stop.set()
    writer.join()
    assert ran.code == 0, ran.err
    assert "WARNING: 1 other connection on this database: is keystone stopped?" in ran.out
    there = dict(execute("SELECT id, valid FROM token"))
    assert set(made) <= set(there)
    assert not [name for name in revoked if there[name]]
    assert execute("SELECT COUNT(*) FROM token WHERE expires < '2013-11-15'") == [(0,)]


def test_what_is_changed_or_deleted_while_it_copies_is_followed(
    execute: Execute, url: str, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(*HAVANA, TOKENS)
    fill(execute, 1_000)
    execute("UPDATE token SET expires = '2014-01-01' WHERE id LIKE '%7'")
    copy = Rebuild._copy

    def copied(self: Rebuild, connection: Any, old: str) -> int:
        rows = copy(self, connection, old)
        execute(
            "DELETE FROM token WHERE id = 'living'",
            "UPDATE token SET extra = 'X' WHERE id = 'never'",
            "UPDATE token SET valid = 0 WHERE id = 'edge'",
            "UPDATE token SET expires = '2013-01-01' WHERE id = 'never-invalid'",
            "UPDATE token SET expires = '2014-01-01' WHERE id = 'dead-old'",
            "INSERT INTO token VALUES ('new', '2014-01-01', 'x', 1, NULL, NULL)",
        )
        return rows

    monkeypatch.setattr(Rebuild, "_copy", copied)
    execute(f"GRANT PROCESS ON *.* TO {open_target(make_url(url)).account}")
    result = rebuild(open_flush(Wish(make_url(url), NOW, ("token",), journal=journal)), Run(Throttle()))
    told = result.extra["flush"]["rebuild"]
    assert told["others"] == 0
    assert told["verified"]["missing"] == told["verified"]["newer"] == told["verified"]["differing"] == 0
    alive = f"SELECT * FROM {{}} WHERE expires >= '{NOW}' OR expires IS NULL ORDER BY id"
    assert execute("SELECT * FROM token ORDER BY id") == execute(alive.format(told["old_table"]))
    there = {row[0]: row for row in execute("SELECT id, extra, valid FROM token")}
    assert {"dead-old", "new"} <= set(there)
    assert not {"living", "never-invalid"} & set(there)
    assert (there["never"][1], there["edge"][2]) == ("X", 0)
