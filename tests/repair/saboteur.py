"""What a process does that repairs, and that something happens to at one statement; it has to be a process of its own.

Words: URL JOURNAL WORK KIND TIME WHAT; KIND is one of KINDS, TIME the occurrence that is hit, counted from 1, WHAT
is `kill` (this process, by SIGKILL) or `drop` (its connection, from another one, by the server).
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from typing import Any

import pymysql
from sqlalchemy import make_url

from dbaudit.repair import run as runs
from dbaudit.repair import target as targets
from dbaudit.repair.apply import apply
from dbaudit.repair.limits import Limits
from dbaudit.repair.throttle import Throttle
from tests.repair.works import WORKS

# Kinds of statements of a chunk, in their order.
KINDS = {
    "stretch": r"SELECT stretch\.",
    "candidates": r"SELECT thing\.id FROM thing FORCE INDEX.*ORDER BY thing\.id LIMIT",
    "lock": r"SELECT thing\..*FOR UPDATE",
    "guard": r"SELECT 1 .*(LOCK IN SHARE MODE|FOR SHARE)",
    "look-again": r"SELECT DISTINCT thing\.id .* IN \(",
    "before-image": r"INSERT INTO `j_\w+`\.`thing_\w+`.*HEX\(",
    "child-image": r"INSERT INTO `j_\w+`\.`part_\w+`.*STRAIGHT_JOIN `part` c",
    "change": r"(DELETE FROM thing|UPDATE thing FORCE INDEX \S+ SET)",
    "after-image": r"INSERT INTO `j_\w+`\.`\w+_\w+`.*STRAIGHT_JOIN `\w+` t ON",
    "journal": r"INSERT INTO `j_\w+`\.`chunk`",
    "sum": r"UPDATE `j_\w+`\.`run` SET changed",
    "lease": r"UPDATE `j_\w+`\.`lease` SET expires",
}
MOST_ROWS = 60  # of a chunk, so that there are some
COMMITS = ("before-commit", "in-commit", "after-commit")


class Saboteur:
    """Counts statements of one kind and acts behind the right one."""

    def __init__(self, url: str, kind: str, time: int, what: str) -> None:
        self.url, self.kind, self.left, self.what = url, kind, time, what
        self.armed = True

    def meet(self, connection: Any) -> None:
        """One more of the kind."""
        self.left -= 1
        if self.left or not self.armed:
            return
        self.armed = False
        if self.what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        self._drop(connection)

    def _drop(self, connection: Any) -> None:
        number = connection.thread_id()
        other = ORIGINAL_CONNECT(make_url(self.url), make_url(self.url).database)
        with contextlib.closing(other), other.cursor() as cursor:
            with contextlib.suppress(pymysql.MySQLError):
                cursor.execute(f"KILL {number}")
            while cursor.execute("SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = %s", (number,)):
                other.commit()


ORIGINAL_CONNECT = targets.connect


def main(words: list[str]) -> int:
    url, journal, work, kind, time, what = words
    saboteur = Saboteur(url, kind, int(time), what)
    execute, commit = pymysql.cursors.Cursor.execute, pymysql.connections.Connection.commit
    in_chunk = {"changed": False}

    def watched(self: Any, query: str, args: Any = None) -> int:
        found = execute(self, query, args)
        in_chunk["changed"] = in_chunk["changed"] or bool(re.match(KINDS["journal"], query))
        pattern = KINDS.get(saboteur.kind)
        if pattern and "EXPLAIN" not in query and re.match(pattern, " ".join(query.split())):
            saboteur.meet(self.connection)
        return int(found)

    def committed(self: Any) -> None:
        chunk, in_chunk["changed"] = in_chunk["changed"], False
        if chunk and saboteur.kind == "before-commit":
            saboteur.meet(self)
        if chunk and saboteur.kind == "in-commit" and saboteur.left == 1:
            self._execute_command(pymysql.constants.COMMAND.COM_QUERY, "COMMIT")
            saboteur.meet(self)
            raise pymysql.OperationalError(2013, "Lost connection to MySQL server during query")
        if chunk and saboteur.kind == "in-commit":
            saboteur.left -= 1
        commit(self)
        if chunk and saboteur.kind == "after-commit":
            saboteur.meet(self)

    runs.MOST_ROWS = MOST_ROWS
    pymysql.cursors.Cursor.execute = watched
    pymysql.connections.Connection.commit = committed
    target = targets.open_target(make_url(url), journal)
    limits = Limits(looks_apart=0.0, chunk_seconds=0.05, patience=20.0)
    done = apply(WORKS[work], target, Throttle(), limits)
    print(done.rows)
    return 0
