"""The command line options of a throwaway server, by vendor and version.

Where a release may not know an option it is given as `--loose-...`, which makes it a line in the log instead of a
refusal to start; what safety rests on is never loose, unless a server without the option has no such danger.
"""

from __future__ import annotations

import os
from pathlib import Path

from dbaudit.server.disk import MIB, Needs
from dbaudit.server.version import ServerVersion

# A throwaway server keeps nothing through a crash, so nothing waits for the disk.
_QUICK = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--loose-innodb-flush-method=nosync",
    "--loose-innodb-buffer-pool-dump-at-shutdown=0",
    "--loose-innodb-buffer-pool-load-at-startup=0",
    "--loose-mysqlx=OFF",
    "--skip-name-resolve",
    "--default-time-zone=+00:00",  # no hour of a TIMESTAMP is missing, as it would be where summer time begins
    "--max-allowed-packet=1G",  # the largest that there is: a dump's statements were allowed at their server
    "--net-read-timeout=3600",  # seconds; a client that stops to decompress or to show progress is not dead
    "--net-write-timeout=3600",
)

# What a hostile dump could reach out with. FEDERATED exists in MySQL only, and only where it is asked for.
_CLOSED = (
    "--local-infile=0",
    "--event-scheduler=OFF",  # not DISABLED: that refuses to store a dump's events
    "--loose-symbolic-links=0",
    "--loose-skip-federated",
)

# Statements and stages that a server keeps until a step's record is read: some 100 MB of memory. A step that sends more
# (one a row) has its sums whole and its DDL as far as it was kept, and says so.
_HISTORY = 20_000

# What performance_schema would keep besides and nobody reads. Its memory is filled at the start: 0.1 s of MySQL 9's.
_UNREAD = (
    "events-waits-history-long-size=0",
    "events-waits-history-size=0",
    "events-transactions-history-long-size=0",
    "events-transactions-history-size=0",
    "events-statements-history-size=0",
    "events-stages-history-size=0",
    "error-size=0",
    *(f"max-{each}-classes=0" for each in ("memory", "mutex", "rwlock", "cond", "file", "socket")),
)
# Tables that MySQL 5.6 is to count rows of beside those of the dump. Each takes 22 KB; by itself it has room for 12500,
# which take 0.3 s to fill. Later servers make room as they need it.
_MORE_TABLES = 2000

# (vendor, first version) -> sql_mode that this release has by default, newest first.
_SQL_MODES = (
    ("mysql", (8, 0), "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,"
                      "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"),
    ("mysql", (5, 7), "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,"
                      "ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION"),
    ("mysql", (5, 6), "NO_ENGINE_SUBSTITUTION"),
    ("mysql", (0,), ""),
    ("mariadb", (10, 2, 4), "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,"
                            "NO_ENGINE_SUBSTITUTION"),
    ("mariadb", (10, 1, 7), "NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION"),
    ("mariadb", (0,), ""),
)  # fmt: skip


def sql_mode(version: ServerVersion) -> str:
    """The sql_mode that a server of this version has by default."""
    return next(mode for vendor, first, mode in _SQL_MODES if vendor == version.vendor and version.numbers >= first)


def like_origin(server: ServerVersion, origin: ServerVersion | None) -> list[str]:
    """Options that make `server` treat DDL as the dump's server did by default; none where that is not known."""
    if origin is None:
        return []
    mode = sql_mode(origin)
    if server.at_least(mysql=(8, 0)):
        mode = ",".join(word for word in mode.split(",") if word != "NO_AUTO_CREATE_USER")
    strict = origin.at_least(mysql=(5, 7), mariadb=(10, 2))
    implicit = not origin.at_least(mysql=(8, 0), mariadb=(10, 10))
    return [
        f"--sql-mode={mode}",
        f"--loose-innodb-strict-mode={int(strict)}",
        f"--loose-explicit-defaults-for-timestamp={int(not implicit)}",
    ]


def sizes(version: ServerVersion, needs: Needs, memory: int | None = None) -> list[str]:
    """Buffer pool and redo log, by what the dump needs and what this machine can give (bytes)."""
    pool = min((available_memory() if memory is None else memory) // 4, max(128 * MIB, needs.bytes_of_dump * 3 // 2))
    pool = max(64 * MIB, min(pool, 8192 * MIB))
    return [f"--innodb-buffer-pool-size={pool // MIB * MIB}", redo_log(version, needs.redo)]


def redo_log(version: ServerVersion, redo: int) -> str:
    """The option for a redo log of that many bytes."""
    if version.at_least(mysql=(8, 0, 30)):
        return f"--innodb-redo-log-capacity={redo}"
    files = 2 if version.vendor == "mysql" else 1  # MariaDB before 10.5 has two as well: it may take the double
    return f"--innodb-log-file-size={redo // files}"


def observation(version: ServerVersion, needs: Needs) -> list[str]:
    """performance_schema with histories that hold a whole migration step, and MariaDB's userstat; or neither."""
    if not needs.observe:
        return ["--performance-schema=OFF"]
    options = [
        "--performance-schema=ON",
        f"--loose-performance-schema-events-statements-history-long-size={_HISTORY}",
        f"--loose-performance-schema-events-stages-history-long-size={_HISTORY}",
        "--loose-performance-schema-consumer-events-statements-current=ON",
        "--loose-performance-schema-consumer-events-statements-history-long=ON",
        "--loose-performance-schema-consumer-events-stages-history-long=ON",
        "--loose-performance-schema-consumer-events-stages-current=ON",
        "--loose-performance-schema-instrument=stage/innodb/%=ON",
        *(f"--loose-performance-schema-{each}" for each in _UNREAD),
    ]
    if version.vendor == "mariadb":
        return [*options, "--userstat=1"]
    if not version.at_least(mysql=(5, 7)):
        options.append(f"--loose-performance-schema-max-table-instances={needs.tables * 2 + _MORE_TABLES}")
    return options


def common(version: ServerVersion, needs: Needs, origin: ServerVersion | None) -> list[str]:
    """All that does not depend on where the server runs."""
    no_log = ["--disable-log-bin"] if version.at_least(mysql=(8, 0)) else []
    return [
        *_QUICK,
        *_CLOSED,
        *no_log,
        *sizes(version, needs),
        *observation(version, needs),
        *like_origin(version, origin),
    ]


def available_memory() -> int:
    """Bytes that this process may count on: the machine's, or its control group's where that is less."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
        for limit in ("memory.max", "memory/memory.limit_in_bytes"):
            path = Path("/sys/fs/cgroup") / limit
            if path.is_file() and (text := path.read_text().strip()).isdigit():
                found.append(int(text))
    except OSError:
        pass
    # Not Linux: half of what is built in.
    return min(found, default=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)


def for_template(version: ServerVersion) -> list[str]:
    """Options for making a data directory; its redo log is small, and grown at the start where that is needed."""
    return [
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-doublewrite=0",
        "--loose-innodb-flush-method=nosync",
        "--loose-performance-schema=OFF",
        "--innodb-buffer-pool-size=64M",
        redo_log(version, Needs().redo),
    ]
