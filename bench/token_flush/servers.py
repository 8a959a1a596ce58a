"""Durable servers with row-based binary log, and a data directory full of tokens that each run begins with a copy of.

Settings as in production, not as in tests: flush at each commit, double writes, a buffer pool smaller than the table.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql

from dbaudit.server import binary
from dbaudit.server.disk import Needs
from dbaudit.server.identity import server_identity
from dbaudit.server.place import Places
from dbaudit.server.private import start_private
from dbaudit.server.template import Recipe

CUTOFF = "2014-01-01 00:00:00"
DEAD = 0.9  # of all tokens
_TABLE = """CREATE TABLE token (id VARCHAR(64) NOT NULL PRIMARY KEY, expires DATETIME, extra TEXT,
    valid TINYINT(1) NOT NULL, trust_id VARCHAR(64), user_id VARCHAR(64){}) ENGINE=InnoDB DEFAULT CHARSET=utf8"""
_INDEXES = ", KEY ix_token_expires (expires), KEY ix_token_expires_valid (expires, valid)"  # as Havana has them


class Durable:
    """A server on a copy of a data directory; `socket` is where it is reached."""

    def __init__(self, program: Path, data: Path, *, pool: str = "1G", loading: bool = False) -> None:
        found = binary.examine(program, identity := server_identity())
        self.version, self.socket, self.data = found.version, data.parent / "s", data
        share = binary.find_share(found, identity)
        redo = (
            "--innodb-redo-log-capacity=1G"
            if found.version.at_least(mysql=(8, 0, 30))
            else ("--innodb-log-file-size=512M" if found.version.vendor == "mysql" else "--innodb-log-file-size=1G")
        )
        options = [
            f"--datadir={data}", f"--socket={self.socket}", f"--pid-file={data.parent}/pid", f"--tmpdir={data.parent}",
            "--skip-networking", "--performance-schema=OFF", "--skip-name-resolve", "--local-infile=1", redo,
            f"--innodb-buffer-pool-size={pool}", "--innodb-flush-log-at-trx-commit=1",
            "--innodb-buffer-pool-dump-at-shutdown=0", "--innodb-buffer-pool-load-at-startup=0", "--loose-mysqlx=OFF",
            "--max-allowed-packet=64M", "--server-id=1", "--secure-file-priv=",
        ]  # fmt: skip
        off = ["--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--loose-disable-log-bin"]
        # Each server's own default of sync_binlog, said in full: 1 for MySQL, 0 for MariaDB.
        sync = int(found.version.at_least(mysql=(5, 7)))
        options += off if loading else [f"--log-bin={data}/binlog", "--binlog-format=ROW", f"--sync-binlog={sync}"]
        user = {"user": identity.uid, "group": identity.gid, "extra_groups": []} if identity.drop else {}
        with (data.parent / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, "--no-defaults", *(share.options if share else ()), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=data.parent, **user,
            )  # fmt: skip
        self._await()

    def _await(self) -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            assert self.process.poll() is None, (self.data.parent / "log").read_text()[-2000:]
            with contextlib.suppress(pymysql.MySQLError, OSError):
                self.connect().close()
                return
            time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def connect(self, database: str | None = None) -> Any:
        """An autocommit connection of root."""
        return pymysql.connect(
            unix_socket=str(self.socket), user="root", database=database, autocommit=True, local_infile=True
        )

    def stop(self, how: int = signal.SIGKILL) -> None:
        """End it; SIGTERM to leave a clean data directory."""
        self.process.send_signal(how)
        self.process.wait()


def gold(program: Path, folder: Path, rows: int, indexed: bool = True) -> Path:
    """A stopped data directory with that many tokens in keystone.token, made once."""
    found, identity = binary.examine(program, server_identity()), server_identity()
    kept = folder / f"gold-{found.version.short}-{rows}{'' if indexed else '-grizzly'}"
    if (kept / "data").is_dir():
        return kept
    making = folder / f"{kept.name}.new"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    for part in (folder, making):
        part.chmod(0o755)
    places = Places(making / "tmp", folder / "cache", os.environ.get("PATH", ""))
    recipe = Recipe(found, identity, places.cache)
    if not recipe.path.is_dir():
        (making / "tmp").mkdir(mode=0o755)
        start_private(program, places, Needs()).close()
    shutil.copytree(recipe.path, making / "data", symlinks=True)
    own(making)
    server = Durable(program, making / "data", loading=True)
    with contextlib.closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE keystone CHARACTER SET utf8")
        cursor.execute("USE keystone")
        cursor.execute(_TABLE.format(_INDEXES if indexed else ""))
        file = tokens(folder, rows)
        cursor.execute(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE token CHARACTER SET utf8")
        cursor.execute("ANALYZE TABLE token")
    server.stop(signal.SIGTERM)
    making.rename(kept)
    return kept


def tokens(folder: Path, rows: int) -> Path:
    """A file for LOAD DATA, in the order of the random ids; expiry is not correlated with it."""
    path = folder / f"tokens-{rows}.tsv"
    if path.exists():
        return path
    pick, first = random.Random(3), datetime.datetime.fromisoformat(CUTOFF)
    hours = range(-9000, 1000)
    steps = [(first + datetime.timedelta(hours=each)).strftime("%Y-%m-%d %H:%M:%S") for each in hours]
    with path.with_suffix(".new").open("w") as file:
        for name in sorted(f"{pick.getrandbits(256):064x}" for _ in range(rows)):
            when = steps[pick.randrange(len(steps))]
            file.write(f'{name}\t{when}\t{{"bind": null, "token_data": "{name * 4}"}}\t1\t\\N\t{name[:32]}\n')
    path.with_suffix(".new").rename(path)
    return path


def own(folder: Path) -> None:
    """Give a folder to the account that the server runs as."""
    identity = server_identity()
    if identity.drop:
        for where, _, files in os.walk(folder):
            for each in (where, *(os.path.join(where, name) for name in files)):
                os.chown(each, identity.uid, identity.gid, follow_symlinks=False)


@contextlib.contextmanager
def fresh(program: Path, kept: Path, **options: Any) -> Iterator[Durable]:
    """A server on a copy of the data, its buffer pool warmed by one scan; killed and removed at the end."""
    home = kept.parent / f"run-{os.getpid()}"
    shutil.rmtree(home, ignore_errors=True)
    subprocess.run(["cp", "-a", kept, home], check=True)
    server = Durable(program, home / "data", **options)
    try:
        with contextlib.closing(server.connect("keystone")) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*), SUM(LENGTH(extra)) FROM token")
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)
