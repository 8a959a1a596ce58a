"""What watching costs: the same migration with step records and without, in turn.

Without is measured twice: on the same server, with nothing switched on and nothing read, and on a server that was
started without performance_schema at all.

Run by `make bench`. Needs a private server program. A database of 260,000 rows is migrated by a folder of SQL steps of
the usual kinds (new columns and indexes, type changes that copy, updates of every row, one row at a time); before each
run it is made anew. Prints the median seconds of each, the ratios, and what is added to a step that does nothing;
exits 1 where watching costs more than 5 % on the same server. Without manifests: their cost depends on the data,
and is printed beside.
"""

from __future__ import annotations

import contextlib
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from dbaudit.migration.observation import Observer
from dbaudit.migration.runner import Target
from dbaudit.migration.sql_runner import SqlRunner
from dbaudit.progress import silent
from dbaudit.proof.measure import Place
from dbaudit.proof.witness import Witness
from dbaudit.result import Status
from dbaudit.server.choose import start
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
from dbaudit.server.server import Server

TIMES = 5
LIMIT = 1.05
DATABASE = "site"
SETUP = (
    "CREATE TABLE instances (id INT AUTO_INCREMENT PRIMARY KEY, uuid VARCHAR(36), host VARCHAR(255), state VARCHAR(20),"
    " memory INT, note TEXT, created_at DATETIME, deleted INT, KEY (uuid)) ENGINE=InnoDB",
    "INSERT INTO instances (uuid, host, state, memory, note, created_at, deleted)"
    " VALUES (UUID(), 'node1', 'active', 512, REPEAT('x', 200), '2013-11-15', 0)",
    *(
        "INSERT INTO instances (uuid, host, state, memory, note, created_at, deleted)"
        " SELECT UUID(), host, state, memory + 1, note, created_at, deleted FROM instances"
        for _ in range(17)
    ),
    "CREATE TABLE volumes (id INT AUTO_INCREMENT PRIMARY KEY, instance_id INT, size INT, name VARCHAR(100), KEY (name),"
    " FOREIGN KEY (instance_id) REFERENCES instances (id)) ENGINE=InnoDB",
    "INSERT INTO volumes (instance_id, size, name) SELECT id, memory, uuid FROM instances",
    *(f"CREATE TABLE other_{number} (id INT PRIMARY KEY, name VARCHAR(40), KEY (name)) ENGINE=InnoDB"
      for number in range(60)),
)  # fmt: skip
STEPS = {
    "001_column": "ALTER TABLE instances ADD COLUMN node VARCHAR(255);",
    "002_fill": "UPDATE instances SET node = host;",
    "003_index": "CREATE INDEX by_state ON instances (state, memory);",
    "004_copy": "ALTER TABLE instances MODIFY memory BIGINT;",
    "005_table": "CREATE TABLE moved ENGINE=InnoDB AS SELECT id, name FROM volumes;\n"
    "ALTER TABLE moved ADD PRIMARY KEY (id);",
    "006_rows": "".join(f"UPDATE volumes SET size = size + 1 WHERE id = {number};\n" for number in range(1, 4001)),
    "007_drop": "ALTER TABLE volumes DROP COLUMN name;",
    "008_copy": "ALTER TABLE volumes MODIFY size BIGINT;",
}


def main() -> int:
    """Measure, and print what is promised beside it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)  # a private server does not run as root
        files = folder / "steps"
        files.mkdir()
        for step, sql in STEPS.items():
            (files / f"{step}.sql").write_text(sql)
        (folder / "tmp").mkdir(mode=0o711)
        with serve(folder, observe=False) as blind, serve(folder, observe=True) as server:
            return measure(blind, server, files, folder)


def serve(folder: Path, *, observe: bool) -> Server:
    """A private server: of `$PATH`, or the program that the command line names."""
    places = Places(folder / "tmp", folder / "cache", "/usr/sbin:/usr/bin:/usr/local/sbin")
    program = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    return start("private", places=places, needs=Needs(256 << 20, 64 << 20, observe=observe), binary=program)


def measure(blind: Server, server: Server, files: Path, folder: Path) -> int:
    """The ways in turn, so that what else the machine does meets them all."""
    ways: dict[str, tuple[Server, bool, list[float]]] = {
        "no performance_schema": (blind, False, []),
        "without watching": (server, False, []),
        "with a record of each step": (server, True, []),
    }
    for number in range(TIMES):
        for on, watching, seconds in list(ways.values())[:: 1 if number % 2 else -1]:
            prepare(on)
            seconds.append(migrate(on, files, folder, watching=watching))
    print(f"{server.version.name}, {len(STEPS)} steps, median of {TIMES} runs each, in turn")
    for name, (_, _, seconds) in ways.items():
        spread = f"(from {min(seconds):.3f} to {max(seconds):.3f})"
        print(f"{name:36s} {statistics.median(seconds):7.3f} s   {spread}")
    none, off, on_ = (statistics.median(seconds) for _, _, seconds in ways.values())
    print(f"ratio to the same server, unwatched  {on_ / off:7.3f}     (promised: {LIMIT} or less)")
    print(f"ratio to no performance_schema       {on_ / none:7.3f}     (what having it costs is in this)")
    print(f"added to a step that does nothing    {empty(server) * 1000:7.1f} ms  (62 tables)")
    print(f"beside: one manifest of the database {manifest(server):7.3f} s")
    return int(on_ / off > LIMIT)


def prepare(server: Server) -> None:
    """The database as it is before the first step."""
    server.drop_database(DATABASE)
    server.create_database(DATABASE, "utf8")
    with contextlib.closing(server.admin(DATABASE)) as connection, connection.cursor() as cursor:
        for statement in SETUP:
            cursor.execute(statement)
        cursor.execute("SELECT COUNT(*) FROM instances")


def migrate(server: Server, files: Path, folder: Path, *, watching: bool) -> float:
    """Seconds of all steps, with all that watching them takes beside."""
    account = server.restricted([DATABASE])
    space = folder / "run"
    shutil.rmtree(space, ignore_errors=True)
    with contextlib.ExitStack() as stack:
        begun = time.perf_counter()
        runner = stack.enter_context(SqlRunner(files, Target(server, account, DATABASE, "site", space)))
        observer = stack.enter_context(Observer(server, account, DATABASE)) if watching else None
        for step in runner.pending(0, None):
            if observer is None:
                outcome = runner.run(step)
            else:
                with observer.watching() as observed:
                    outcome = runner.run(step)
                assert observed.record(outcome.seconds, outcome.warnings).rows is not None
            assert outcome.status is Status.OK, outcome.error
        return time.perf_counter() - begun


def empty(server: Server) -> float:
    """Seconds of watching a step in which nothing happens."""
    found = []
    with Observer(server, server.restricted([DATABASE]), DATABASE) as observer:
        for _ in range(TIMES):
            begun = time.perf_counter()
            with observer.watching() as observed:
                pass
            observed.record(0)
            found.append(time.perf_counter() - begun)
    return statistics.median(found)


def manifest(server: Server) -> float:
    """Seconds of reading everything once."""
    account = server.restricted([DATABASE])
    begun = time.perf_counter()
    Witness(lambda: server.connect(account), DATABASE, Place("bench"), watch=silent)
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
