"""A schema with a version that no real database has. A tool that reports this version reads what it is given.

Both tables that record versions are there, so that it serves tools of every age: sqlalchemy-migrate prints the number,
Alembic prints the revision or complains, by its name, that it does not know it. Either proves which database was read.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dbaudit.server.server import Account, Server, quoted

# repository_id of every service whose tools ask for one. The real database's own are added.
_REPOSITORIES = (
    "Glance Migrations",
    "ceilometer",
    "cinder",
    "heat",
    "keystone",
    "keystone_contract",
    "keystone_data_migrate",
    "keystone_expand",
    "manila",
    "nova",
    "nova_api",
)


@dataclass(frozen=True, slots=True)
class Probe:
    """The schema, the account that sees only it, and the two versions that it holds.

    Neither version occurs in the schema's name or the account: a tool that prints its configuration proves nothing.
    """

    database: str
    account: Account
    number: int
    revision: str

    def is_reported(self, said: str) -> bool:
        """Whether a tool's output names one of the versions."""
        return bool(re.search(rf"(?<![0-9A-Za-z])(?:{self.number}|{self.revision})(?![0-9A-Za-z])", said))


@contextlib.contextmanager
def probe_schema(server: Server, repositories: Sequence[str] = ()) -> Iterator[Probe]:
    """Make the schema, and drop it afterwards. `repositories` are further repository_id to have rows."""
    database = f"dbaudit_probe_{secrets.token_hex(6)}"
    # Nine digits: no migration number and no year, and it fits an INT.
    number = 900_000_000 + secrets.randbelow(99_999_999)
    probe = Probe(database, server.restricted([database]), number, f"dbaudit{secrets.token_hex(8)}")
    server.create_database(database, "utf8")
    try:
        _fill(server, probe, repositories)
        yield probe
    finally:
        server.drop_database(database)


def _fill(server: Server, probe: Probe, repositories: Sequence[str]) -> None:
    rows = [(name, f"/{name}", probe.number) for name in sorted({*_REPOSITORIES, *repositories})]
    with contextlib.closing(server.admin()) as connection, connection.cursor() as cursor:
        cursor.execute(f"USE {quoted(probe.database)}")
        cursor.execute(
            "CREATE TABLE migrate_version (repository_id VARCHAR(250) NOT NULL PRIMARY KEY, repository_path TEXT,"
            " version INT) ENGINE=InnoDB"
        )
        cursor.executemany("INSERT INTO migrate_version VALUES (%s, %s, %s)", rows)
        cursor.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY) ENGINE=InnoDB")
        cursor.execute("INSERT INTO alembic_version VALUES (%s)", (probe.revision,))
