"""Try a small transaction again when another one was in the way.

On a Galera cluster any statement may lose to a write that another node committed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import pymysql

from dbaudit.repair.faults import is_conflict

if TYPE_CHECKING:
    from dbaudit.server.server import Connection

T = TypeVar("T")
TIMES = 8  # with the pauses below some two seconds: what is in the way is as small as this


def insist(connection: Connection, action: Callable[[], T]) -> T:
    """Do `action`, which commits, and roll back and do it again after a conflict. Other errors go up."""
    for number in range(1, TIMES + 1):
        try:
            return action()
        except pymysql.MySQLError as error:
            if not is_conflict(error) or number == TIMES:
                raise
            connection.rollback()
            time.sleep(0.01 * 2**number)
    raise AssertionError("unreachable")
