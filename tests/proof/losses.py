# ruff: noqa: E501 - a statement a line
"""The nineteen losses committed on purpose, each with its harmless twin, as SQL. `{tail}` ends a CREATE TABLE."""

from __future__ import annotations

from dataclasses import dataclass

TAIL = "ENGINE=InnoDB DEFAULT CHARSET=utf8"


@dataclass(frozen=True)
class Case:
    """A database before, what loses data in it, what looks alike and does not; and what is to be found."""

    number: int
    id: str
    before: tuple[str, ...]
    loss: tuple[str, ...]
    twin: tuple[str, ...]
    object: str
    keys: tuple[str, ...]
    count: int | None = None


def table(name: str, columns: str, *rows: str) -> tuple[str, ...]:
    create = f"CREATE TABLE {name} ({columns}) {TAIL}"
    return (create, f"INSERT INTO {name} VALUES {', '.join(rows)}") if rows else (create,)


VOLUMES = table(
    "volumes",
    "id VARCHAR(36) PRIMARY KEY, size INT, note VARCHAR(40)",
    "('v1', 1, 'a')",
    "('v2', 2, NULL)",
    "('v3', 3, 'c')",
)
CASES = (
    Case(1, "table dropped", VOLUMES, ("DROP TABLE volumes",), ("RENAME TABLE volumes TO disks",), "volumes", ("v1", "v2", "v3")),
    Case(1, "table dropped (empty)", (*VOLUMES, *table("spare", "id INT PRIMARY KEY")), ("DROP TABLE volumes",),
         ("DROP TABLE spare",), "volumes", ("v1", "v2", "v3")),
    Case(2, "column dropped", VOLUMES, ("ALTER TABLE volumes DROP note",),
         ("ALTER TABLE volumes CHANGE note remark TEXT",), "volumes.note", ("v1", "v3")),
    Case(2, "column dropped (no values)", (*VOLUMES, "ALTER TABLE volumes ADD never INT"),
         ("ALTER TABLE volumes DROP size",), ("ALTER TABLE volumes DROP never",), "volumes.size", ("v1", "v2", "v3")),
    Case(2, "column emptied", VOLUMES, ("UPDATE volumes SET note = NULL WHERE id = 'v3'",),
         ("UPDATE volumes SET note = 'other' WHERE id = 'v3'",), "volumes.note", ("v3",)),
    Case(3, "rows gone", VOLUMES, ("DELETE FROM volumes WHERE size > 1",),
         ("CREATE TABLE copy_ AS SELECT * FROM volumes", "DELETE FROM volumes", "INSERT INTO volumes SELECT * FROM copy_",
          "DROP TABLE copy_"), "volumes", ("v2", "v3")),
    Case(4, "text cut", table("t", "id VARCHAR(9) PRIMARY KEY, a VARCHAR(40)", "('x', REPEAT('p', 30))", "('y', 'short')"),
         ("ALTER TABLE t MODIFY a VARCHAR(20)",), ("ALTER TABLE t MODIFY a VARCHAR(30)",), "t.a", ("x",)),
    Case(4, "text cut by a script",
         table("t", "id VARCHAR(9) PRIMARY KEY, a TEXT", "('x', REPEAT('p', 30))", "('y', REPEAT('q', 99))"),
         ("UPDATE t SET a = LEFT(a, 20)",), ("ALTER TABLE t MODIFY a MEDIUMTEXT",), "t.a", ("x", "y")),
    Case(5, "number clipped", table("t", "id VARCHAR(9) PRIMARY KEY, a INT", "('x', 70000)", "('y', 7)"),
         ("ALTER TABLE t MODIFY a SMALLINT",), ("ALTER TABLE t MODIFY a BIGINT",), "t.a", ("x",)),
    Case(5, "number rounded", table("t", "id VARCHAR(9) PRIMARY KEY, a DECIMAL(10,4)", "('x', 1.2345)", "('y', 2.5)"),
         ("ALTER TABLE t MODIFY a DECIMAL(10,1)",), ("ALTER TABLE t MODIFY a DECIMAL(14,6)",), "t.a", ("x",)),
    Case(6, "sign lost", table("t", "id VARCHAR(9) PRIMARY KEY, a INT", "('x', -1)", "('y', 7)"),
         ("ALTER TABLE t MODIFY a INT UNSIGNED",), ("ALTER TABLE t MODIFY a BIGINT NOT NULL",), "t.a", ("x",)),
    Case(6, "zero date", table("t", "id VARCHAR(9) PRIMARY KEY, a DATETIME", "('x', '2013-11-15 12:00:00')", "('y', NULL)"),
         ("UPDATE t SET a = '0000-00-00 00:00:00' WHERE id = 'x'",), ("ALTER TABLE t MODIFY a DATETIME(6)",), "t.a", ("x",)),
    Case(7, "question marks", table("t", "id VARCHAR(9) PRIMARY KEY, a VARCHAR(40)", "('x', 'Проект')", "('y', 'who?')"),
         ("ALTER TABLE t MODIFY a VARCHAR(40) CHARACTER SET latin1",),
         ("ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4",), "t.a", ("x",)),
    Case(7, "read in the wrong charset", table("t", "id VARCHAR(9) PRIMARY KEY, a VARCHAR(40)", "('x', 'blåbær')"),
         ("UPDATE t SET a = CONVERT(CONVERT(CONVERT(CONVERT(a USING utf8) USING binary) USING latin1) USING utf8)",),
         ("ALTER TABLE t MODIFY a VARCHAR(40) CHARACTER SET latin1",), "t.a", ("x",)),
    Case(8, "NULL made empty", VOLUMES, ("UPDATE volumes SET note = '' WHERE note IS NULL",),
         ("UPDATE volumes SET note = 'none' WHERE note IS NULL",), "volumes.note", ("v2",)),
    Case(8, "empty made NULL", table("t", "id VARCHAR(9) PRIMARY KEY, a VARCHAR(40)", "('x', '')", "('y', 'v')"),
         ("UPDATE t SET a = NULL WHERE a = ''",), ("ALTER TABLE t MODIFY a VARCHAR(40) NOT NULL",), "t.a", ("x",)),
    Case(9, "duplicates merged",
         table("t", "id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), n INT", "(1, 'web', 1)", "(2, 'WEB', 2)", "(3, 'b', 3)"),
         ("CREATE TABLE u LIKE t", "ALTER TABLE u ADD UNIQUE (name)", "INSERT IGNORE INTO u SELECT * FROM t",
          "DROP TABLE t", "RENAME TABLE u TO t"),
         ("CREATE TABLE u LIKE t", "ALTER TABLE u ADD UNIQUE (name, n)", "INSERT IGNORE INTO u SELECT * FROM t",
          "DROP TABLE t", "RENAME TABLE u TO t"), "t", ("WEB id 2",)),
    Case(10, "choice lost", table("t", "id VARCHAR(9) PRIMARY KEY, a ENUM('up', 'down', 'error')", "('x', 'error')", "('y', 'up')"),
         ("ALTER TABLE t MODIFY a ENUM('up', 'down')",), ("ALTER TABLE t MODIFY a ENUM('up', 'down', 'error', 'new')",),
         "t.a", ("x",)),
    Case(10, "choice shifted", table("t", "id VARCHAR(9) PRIMARY KEY, a ENUM('up', 'down')", "('x', 'down')"),
         ("ALTER TABLE t MODIFY a INT", "ALTER TABLE t MODIFY a ENUM('new', 'up', 'down')"),
         ("ALTER TABLE t MODIFY a ENUM('new', 'up', 'down')",), "t.a", ("x",)),
    Case(11, "keys made equal",
         table("t", "id INT PRIMARY KEY, name VARCHAR(20) COLLATE utf8_bin, KEY (name)", "(1, 'web')", "(2, 'WEB')", "(3, 'b')"),
         ("ALTER TABLE t MODIFY name VARCHAR(20) COLLATE utf8_general_ci",),
         ("ALTER TABLE t MODIFY name VARCHAR(30) COLLATE utf8_bin",), "t.name", ("id 1", "id 2")),
    Case(12, "JSON name lost",
         table("t", "id VARCHAR(9) PRIMARY KEY, a TEXT", """('x', '{"email": "e", "tenant": 1}')""", """('y', '{"email": "f"}')"""),
         ("""UPDATE t SET a = '{"email": "e"}' WHERE id = 'x'""",),
         ("""UPDATE t SET a = '{"tenant":1,"email":"e"}' WHERE id = 'x'""",), "t.a", ("x",)),
    Case(14, "not all rows moved", VOLUMES,
         ("CREATE TABLE disks LIKE volumes", "INSERT INTO disks SELECT * FROM volumes WHERE size < 3", "DROP TABLE volumes"),
         ("CREATE TABLE disks LIKE volumes", "INSERT INTO disks SELECT * FROM volumes", "DROP TABLE volumes"),
         "volumes", ("v3",)),
    Case(14, "not all values moved",
         table("t", "id VARCHAR(9) PRIMARY KEY, a INT", "('x', 1)", "('y', 2)", "('z', 3)"),
         ("ALTER TABLE t ADD b BIGINT", "UPDATE t SET b = a WHERE a < 3", "ALTER TABLE t DROP a"),
         ("ALTER TABLE t ADD b BIGINT", "UPDATE t SET b = a", "ALTER TABLE t DROP a"), "t.a", ("z",)),
    Case(15, "soft-deleted rows left behind",
         table("t", "id VARCHAR(9) PRIMARY KEY, deleted INT", "('x', 0)", "('y', 1)"),
         ("CREATE TABLE u LIKE t", "INSERT INTO u SELECT * FROM t WHERE deleted = 0", "DROP TABLE t", "RENAME TABLE u TO t"),
         ("CREATE TABLE u LIKE t", "INSERT INTO u SELECT * FROM t", "DROP TABLE t", "RENAME TABLE u TO t"), "t", ("y",)),
    Case(16, "counter reset",
         (*table("t", "id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(9)", "(1, 'a')", "(2, 'b')"), "ALTER TABLE t AUTO_INCREMENT = 100"),
         ("ALTER TABLE t AUTO_INCREMENT = 3",), ("ALTER TABLE t AUTO_INCREMENT = 200",), "t.id", (), 97),
    Case(17, "times shifted",
         table("t", "id VARCHAR(9) PRIMARY KEY, a TIMESTAMP NULL", "('x', '2013-11-15 12:00:00')", "('y', NULL)", "('z', '2013-11-16 1:00:00')"),
         ("SET time_zone = '+02:00'", "ALTER TABLE t MODIFY a DATETIME"),
         ("SET time_zone = '+00:00'", "ALTER TABLE t MODIFY a DATETIME"), "t.a", ("x", "z")),
    Case(18, "constant written", VOLUMES, ("UPDATE volumes SET size = 0",),
         ("ALTER TABLE volumes ADD kind INT NOT NULL DEFAULT 7",), "volumes.size", ("v1", "v2", "v3")),
    Case(19, "soft-deleted", table("t", "id VARCHAR(9) PRIMARY KEY, deleted INT", "('x', 0)", "('y', 1)"),
         ("UPDATE t SET deleted = 5 WHERE id = 'x'",), ("ALTER TABLE t MODIFY deleted BIGINT NOT NULL",), "t.deleted", ("x",)),
    Case(19, "deleted NULL", table("t", "id VARCHAR(9) PRIMARY KEY, deleted INT", "('x', 0)", "('y', 1)"),
         ("INSERT INTO t (id) VALUES ('z')",), ("INSERT INTO t (id, deleted) VALUES ('z', 0)",), "t.deleted", ("z",)),
)  # fmt: skip
CASCADE = Case(
    13, "cascade",
    (*table("p", "id INT PRIMARY KEY, name VARCHAR(9)", "(1, 'a')", "(2, 'b')"),
     *table("c", "id INT PRIMARY KEY, p_id INT, FOREIGN KEY (p_id) REFERENCES p (id) ON DELETE CASCADE",
            "(7, 1)", "(8, 2)", "(9, NULL)")),
    ("DELETE FROM p WHERE id = 2",),
    ("CREATE TABLE q AS SELECT * FROM p", "SET foreign_key_checks = 0", "DELETE FROM p", "INSERT INTO p SELECT * FROM q",
     "DROP TABLE q"),
    "c", ("id 8",),
)  # fmt: skip
