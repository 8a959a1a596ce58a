"""The texts of warnings that a server keeps for us in its slow query log: MariaDB from 10.6.16, 10.11.6 and 11.2 on.

A warning's text is gone with the next statement of its session, and no table of performance_schema has it. The log has
it, of each statement that is logged. All would be too many, where a tool sends one a row: those that change a table or
go through a whole one are. Only of a private server, whose files can be read.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pymysql

if TYPE_CHECKING:
    from dbaudit.server.server import Account, Connection, Server

# Texts kept of one statement; the server takes up to 1000.
_EACH = 1000
_ON = (
    f"log_slow_max_warnings = {_EACH}", f"max_error_count = {_EACH}", "log_slow_verbosity = 'warnings'",
    "long_query_time = 0",
    "log_slow_admin_statements = ON", "log_slow_filter = 'admin,full_scan,full_join,filesort,tmp_table'",
    "slow_query_log = ON",
)  # fmt: skip
_WARNING = re.compile(r"# (Note|Warning|Error) (\d+) (.*)")


class SlowLog:
    """The log as sessions of `account` write it. `begin` before a step, `texts` after it."""

    def __init__(self, path: Path, account: Account) -> None:
        self._path = path
        self._who = f"# User@Host: {account.user}["
        self._place = 0

    def begin(self) -> None:
        """What was logged until now is not the step's."""
        with contextlib.suppress(OSError):
            self._place = self._path.stat().st_size

    def texts(self) -> tuple[str, ...]:
        """The warnings of the step's statements that are there, in order, as `Warning 1265: Data truncated ...`."""
        found: list[str] = []
        try:
            with self._path.open(encoding="utf-8", errors="replace") as log:
                log.seek(self._place)
                ours = False
                for line in log:
                    if line.startswith("# User@Host: "):
                        ours = line.startswith(self._who)
                    elif ours and (told := _WARNING.match(line)):
                        found.append(f"{told[1]} {told[2]}: {told[3]}")
        except OSError:
            return ()
        return tuple(found)


def start(server: Server, connection: Connection, account: Account) -> SlowLog | None:
    """Have the server keep warnings of the sessions that begin from now on; None where it cannot, or not for us."""
    if server.directory is None or server.version.vendor != "mariadb":
        return None
    try:
        with connection.cursor() as cursor:
            for setting in _ON:
                cursor.execute(f"SET GLOBAL {setting}")
            cursor.execute("SET SESSION slow_query_log = OFF")
            cursor.execute("SELECT @@datadir, @@slow_query_log_file")
            folder, name = cursor.fetchone() or ("", "")
    except pymysql.MySQLError:
        return None  # a release that does not know one of them
    return SlowLog(Path(str(folder)) / str(name), account)


def stop(connection: Connection) -> None:
    """Log no more."""
    with contextlib.suppress(pymysql.MySQLError), connection.cursor() as cursor:
        cursor.execute("SET GLOBAL slow_query_log = OFF")
