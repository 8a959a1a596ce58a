"""`dbaudit diff` of two dumps of nova Kilo, and Alembic's compare_metadata of the same two schemas on live servers.

Run by `make bench`. Needs a private server. Both start from nothing each time: dbaudit reads both files (caches
emptied), Alembic reflects one database into a MetaData and compares the other with it. Prints seconds (the best of
five) and the ratio; exits 1 where the promise is not kept: 0.3 s, and five times faster.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from dbaudit.comparison import lenient
from dbaudit.comparison.compare import compare
from dbaudit.comparison.operand import Reading, read_operand
from dbaudit.migration import catalogue
from dbaudit.release import release
from dbaudit.schema import canon
from dbaudit.schema.alter import alter
from dbaudit.schema.column import read_column
from dbaudit.schema.model import Schema
from dbaudit.schema.render import render
from dbaudit.server.choose import start
from dbaudit.server.disk import Needs
from dbaudit.server.place import Places
from dbaudit.server.server import Server

TIMES = 5
LIMIT, RATIO = 0.3, 5.0


def main() -> int:
    """Measure both and print what is promised beside it."""
    schema = catalogue.reference("nova", release("kilo"))
    assert schema is not None
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # a private server does not run as root
        files = [Path(folder) / name for name in ("one.sql", "two.sql")]
        files[0].write_text(render(schema))
        # As MariaDB spells it, so that no table is word for word the same.
        newer = render(schema).replace("CHARSET=utf8\n", "CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci\n")
        files[1].write_text(newer.replace("CHARSET=utf8;", "CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;"))
        ours = best(lambda: dumps(files[0], files[1]))
        theirs = best_of_alembic(schema, Path(folder))
    print(f"nova Kilo, {len(schema.tables)} tables, best of {TIMES}")
    print(f"dbaudit diff of two dumps            {ours:7.3f} s   (promised: under {LIMIT} s)")
    print(f"alembic compare_metadata, reflection {theirs:7.3f} s")
    print(f"ratio                                {theirs / ours:7.1f}     (promised: {RATIO:.0f} or more)")
    return int(ours >= LIMIT or theirs / ours < RATIO)


def best(work: Callable[[], None]) -> float:
    """Seconds of the fastest of some runs."""
    found = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return min(found)


def dumps(one: Path, two: Path) -> None:
    """What the command does after it has started; nothing is remembered from the run before."""
    canon.canonical_table.cache_clear()
    lenient.read_once.cache_clear()
    read_column.cache_clear()
    found = compare(*(read_operand(str(file), Reading(file.parent)) for file in (one, two)))
    assert not found.judged and len(found.left.schema.tables) > 100


def best_of_alembic(schema: Schema, folder: Path) -> float:
    """The same for Alembic, on a private server with the schema in two databases."""
    with start("private", places=Places(folder, folder / "cache", "/usr/sbin:/usr/bin"), needs=Needs()) as server:
        urls = [load(server, name, schema) for name in ("one", "two")]
        return best(lambda: reflected(*urls))


def load(server: Server, database: str, schema: Schema) -> sa.URL:
    """A database with that schema."""
    server.create_database(database, "utf8")
    with server.admin(database) as connection, connection.cursor() as cursor:
        for statement in alter(Schema(), schema):
            cursor.execute(statement.sql)
    return server.url(server.restricted([database]), database)


def reflected(one: sa.URL, two: sa.URL) -> None:
    """Alembic's comparison of two live databases."""
    metadata = sa.MetaData()
    left, right = sa.create_engine(one), sa.create_engine(two)
    metadata.reflect(left)
    with right.connect() as connection:
        compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
    left.dispose()
    right.dispose()


if __name__ == "__main__":
    sys.exit(main())
